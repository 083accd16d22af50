package jobs

import (
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/hub/query"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

// phase says which step of a job the engine is at.
type phase int

const (
	waiting  phase = iota // waiting for its start time; stored with status scheduled or queued
	starting              // the job's start and its list of devices are being written
	running
	ending // the job's final status is being written
)

// activeJob is a job that has not ended. Only the engine's goroutine uses it.
type activeJob struct {
	job       iothub.Job
	condition *query.Condition
	patch     iothub.TwinPatch

	phase        phase
	start        time.Time // when the job should start
	deadline     time.Time // when the job's maximum execution time ends
	expired      bool      // the deadline has passed
	retryAt      time.Time // time of the next attempt after a failed write or at the job limit; zero means no delay
	failedStarts int

	pending []string          // devices whose rows are pending, sorted by id
	called  map[string]bool   // devices that were called and have not answered yet
	results []store.JobResult // results of devices that are not stored yet
	writing bool              // rows of the job are being written
	count   iothub.JobStatistics

	// When the hub has restarted, devices need some time to reconnect. Until
	// reconnectBy, the engine repeats its calls to devices that are offline.
	reconnectBy      time.Time // zero if the job was created after the restart
	offline          []string  // devices that were offline when they were called; their rows are stored as running
	nextReconnectTry time.Time // when the engine repeats the calls to the offline devices
}

// newActiveJob converts a stored job, or a client's request for a job, to an activeJob.
// It checks everything about the job except the devices.
func newActiveJob(job iothub.Job) (*activeJob, error) {
	condition, err := parseCondition(job.QueryCondition)
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

// wakeAt returns the time at which the engine must next work on the job, unless an
// answer or a finished write wakes it earlier. It returns false if there is no such
// time.
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

// finished reports whether all device rows of the job have ended and are stored.
func (j *activeJob) finished() bool {
	return len(j.pending) == 0 && len(j.called) == 0 && len(j.results) == 0 && len(j.offline) == 0 && !j.writing
}

// fail ends a device's row in the job with an error.
func (j *activeJob) fail(device string, reason iothub.DeviceJobError) {
	j.results = append(j.results, store.JobResult{DeviceID: device, Error: &reason})
}
