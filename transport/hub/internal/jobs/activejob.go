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
	waiting  phase = iota // waiting for its start time; stored with status scheduled or queued
	starting              // the database is storing the job's start and its list of devices
	running
	ending // the database is storing the job's final status
)

// activeJob is a job that has not ended. Only the engine's own goroutine uses it.
type activeJob struct {
	job       iothub.Job
	condition *query.Condition
	patch     iothub.TwinPatch

	phase        phase
	start        time.Time // start time; not before the time at which the job was created
	deadline     time.Time // end of the job's maximum execution time
	expired      bool      // the deadline has passed
	retryAt      time.Time // next attempt after a failed write, or when the hub is at its limit on active jobs; zero means no delay
	failedStarts int

	pending []string          // devices that have not been called, sorted by id
	called  map[string]bool   // devices that have been called but have not answered
	results []store.JobResult // results that are not stored yet
	writing bool              // the database is storing results or newly running devices of the job
	count   iothub.JobStatistics

	// After a restart of the hub, devices need time to reconnect. Until reconnectBy, the
	// engine repeats its calls to offline devices.
	reconnectBy      time.Time // zero if the job was created after the restart
	offline          []string  // devices that were offline when called; they are stored as running
	nextReconnectTry time.Time // time at which the engine calls the offline devices again
}

// newActiveJob converts a job from a client or from the database to an activeJob. It
// returns an error if the job's condition, type, method or twin patch is invalid.
func newActiveJob(job iothub.Job, parse conditionParser) (*activeJob, error) {
	condition, err := parseCondition(job.QueryCondition, parse)
	if err != nil {
		return nil, err
	}
	j := &activeJob{job: job, condition: condition, called: make(map[string]bool)}

	switch job.Type {
	case iothub.ScheduleDeviceMethod:
		if job.CloudToDeviceMethod == nil {
			return nil, errors.New("cloudToDeviceMethod is missing")
		}
		if err := job.CloudToDeviceMethod.Check(); err != nil {
			return nil, fmt.Errorf("cloudToDeviceMethod: %w", err)
		}
		if err := job.CloudToDeviceMethod.CheckPayload(); err != nil {
			return nil, fmt.Errorf("cloudToDeviceMethod: %w", err)
		}
	case iothub.ScheduleUpdateTwin:
		if j.patch, err = parsePatch(job.UpdateTwin); err != nil {
			return nil, fmt.Errorf("updateTwin: %w", err)
		}
	default:
		return nil, fmt.Errorf("type is %q, want %s or %s", job.Type, iothub.ScheduleDeviceMethod, iothub.ScheduleUpdateTwin)
	}

	j.start = *job.StartTime
	if j.start.Before(*job.CreatedTime) { // a start time in the past means now
		j.start = *job.CreatedTime
	}
	j.deadline = j.start.Add(time.Duration(job.MaxExecutionTimeInSeconds) * time.Second)
	return j, nil
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
			consider(j.nextReconnectTry)
		}
	}

	if wake.Before(j.retryAt) {
		wake = j.retryAt
	}
	return wake, !wake.IsZero()
}

// finished reports whether the results of all devices are stored.
func (j *activeJob) finished() bool {
	return len(j.pending) == 0 && len(j.called) == 0 && len(j.results) == 0 && len(j.offline) == 0 && !j.writing
}

// fail records that the job has failed for a device.
func (j *activeJob) fail(device string, reason iothub.DeviceJobError) {
	j.results = append(j.results, store.JobResult{DeviceID: device, Error: &reason})
}
