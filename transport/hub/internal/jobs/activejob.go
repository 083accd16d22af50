package jobs

import (
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// phase is a job's current step.
type phase int

const (
	waiting    phase = iota // waiting for its start time; stored with status scheduled or queued
	starting                // the database is storing the job's start and its list of devices
	recovering              // was running when the hub stopped; the engine has not loaded it yet
	running
	ending // the database is storing the job's final status
)

// activeJob is a job that has not ended. Only the engine's own goroutine uses it.
type activeJob struct {
	// job is complete while the job runs. Before, it has only the members that
	// [store.Store.UnfinishedJobs] reads, so that jobs that wait take little memory.
	job   iothub.Job
	patch iothub.TwinPatch // set while a twin job runs

	phase        phase
	start        time.Time // start time; not before the time at which the job was created
	deadline     time.Time // end of the job's maximum execution time
	expired      bool      // the deadline has passed
	retryAt      time.Time // next attempt after a failed write, or when the hub is at its limit on active jobs; zero means no delay
	failedStarts int

	pending []string          // devices that have not been called, sorted by id
	first   []string          // devices to call before the pending ones: they have just connected
	called  map[string]*call  // devices that have been called but have not answered
	results []store.JobResult // results that are not stored yet
	again   []string          // devices that are stored as running but could not be called; to be stored as pending
	writing bool              // the database is storing rows of the job or recovering it
	recent  int               // number of the job's devices that count in the engine's field recent
	count   iothub.JobStatistics

	offline     map[string]func()    // devices for whose connection the job waits; the function stops the notification
	connectBy   map[string]time.Time // devices for which the job waits or has waited, with the end of that time
	giveUpAt    time.Time            // earliest time in connectBy of a device in offline
	reconnectBy time.Time            // until then, the job waits for all devices, because the hub has restarted; zero otherwise
}

// call is a call to a device, or an update of its twin, that has no answer yet.
type call struct {
	job    *activeJob
	at     time.Time
	recent bool // counts in the engine's field recent
}

// newActiveJob returns an activeJob for a new job or for an unfinished job from the
// database.
func newActiveJob(job iothub.Job) *activeJob {
	j := &activeJob{job: job, called: make(map[string]*call), offline: make(map[string]func()), connectBy: make(map[string]time.Time)}
	j.start = *job.StartTime
	if j.start.Before(*job.CreatedTime) { // a start time in the past means now
		j.start = *job.CreatedTime
	}
	j.deadline = j.start.Add(time.Duration(job.MaxExecutionTimeInSeconds) * time.Second)
	return j
}

// work is what a job does: the devices that it selects and the twin patch, parsed.
type work struct {
	job       iothub.Job
	condition *query.Condition
	patch     iothub.TwinPatch
}

// parseWork parses a job from a client or from the database. It returns an error if the
// job's condition, type, method or twin patch is invalid.
func parseWork(job iothub.Job, parse conditionParser) (work, error) {
	condition, err := parseCondition(job.QueryCondition, parse)
	if err != nil {
		return work{}, err
	}
	w := work{job: job, condition: condition}

	switch job.Type {
	case iothub.ScheduleDeviceMethod:
		if job.CloudToDeviceMethod == nil {
			return work{}, errors.New("cloudToDeviceMethod is missing")
		}
		if err := job.CloudToDeviceMethod.Check(); err != nil {
			return work{}, fmt.Errorf("cloudToDeviceMethod: %w", err)
		}
		if err := job.CloudToDeviceMethod.CheckPayload(); err != nil {
			return work{}, fmt.Errorf("cloudToDeviceMethod: %w", err)
		}
	case iothub.ScheduleUpdateTwin:
		if w.patch, err = parsePatch(job.UpdateTwin); err != nil {
			return work{}, fmt.Errorf("updateTwin: %w", err)
		}
	default:
		return work{}, fmt.Errorf("type is %q, want %s or %s", job.Type, iothub.ScheduleDeviceMethod, iothub.ScheduleUpdateTwin)
	}
	return w, nil
}

// parseStored parses a job from the database. The hub checks jobs before it stores them,
// so a different version of the hub has stored an invalid job.
func parseStored(job iothub.Job) (work, error) {
	w, err := parseWork(job, query.ParseStoredCondition)
	if err != nil {
		return work{}, invalid("this version of the hub cannot read the job: %v", err)
	}
	return w, nil
}

// wakeAt returns the next time at which the engine must work on the job. Answers and
// finished writes may wake the engine earlier. If the job waits only for those, wakeAt
// returns false.
func (j *activeJob) wakeAt() (time.Time, bool) {
	var wake time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}

	switch {
	case j.phase == waiting:
		consider(j.start)
	case j.phase == running && !j.writing:
		if !j.expired {
			consider(j.deadline)
		}
		if len(j.offline) > 0 {
			consider(j.giveUpAt)
		}
	}

	if wake.Before(j.retryAt) {
		wake = j.retryAt
	}
	return wake, !wake.IsZero()
}

// hasDevices reports whether the job has devices to call now.
func (j *activeJob) hasDevices() bool {
	return j.phase == running && !j.expired && len(j.pending)+len(j.first) > 0
}

// finished reports whether the results of all devices are stored.
func (j *activeJob) finished() bool {
	return len(j.pending)+len(j.first)+len(j.offline) == 0 && len(j.called)+len(j.again)+len(j.results) == 0 && !j.writing
}

// fail records that the job has failed for a device.
func (j *activeJob) fail(device string, reason iothub.DeviceJobError) {
	delete(j.connectBy, device)
	j.results = append(j.results, store.JobResult{DeviceID: device, Error: &reason})
}
