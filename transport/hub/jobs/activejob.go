package jobs

import (
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/hub/query"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

// phase is the state of an active job.
type phase int

const (
	waiting  phase = iota // waiting for its start time; stored as scheduled or queued
	starting              // the write that fixes its devices is in progress
	running
	ending // the write that stores its final status is in progress
)

// activeJob is a job that has not ended. Only the engine's goroutine uses it.
type activeJob struct {
	job       iothub.Job
	condition *query.Condition
	patch     iothub.TwinPatch

	phase        phase
	start        time.Time // when the job should start
	deadline     time.Time // when its maximum execution time is over
	expired      bool      // the deadline has passed
	retryAt      time.Time // do nothing for the job before this time; zero means no delay
	failedStarts int

	pending []string          // devices whose rows are pending, in order
	called  map[string]bool   // devices that were called and have not answered
	results []store.JobResult // results of rows that have ended and are not stored yet
	writing bool              // a write of rows is in progress
	count   iothub.JobStatistics

	// After a restart of the hub, devices need some time to reconnect. The engine
	// calls offline devices again until reconnectBy.
	reconnectBy      time.Time // zero if the job was created after the restart
	offline          []string  // devices whose rows are stored as running and that were not connected
	nextReconnectTry time.Time // when the offline devices are called again
}

// newActiveJob makes an active job from a stored job or from a client's request. It
// checks everything that does not depend on the devices.
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
	if j.start.Before(*job.CreatedTime) { // a start in the past means now
		j.start = *job.CreatedTime
	}
	j.deadline = j.start.Add(time.Duration(job.MaxExecutionTimeInSeconds) * time.Second)
	return j, nil
}

// wakeAt returns the next time at which the job needs attention without an answer or
// a commit. It returns false if there is no such time.
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

// finished reports whether every row has ended and is stored.
func (j *activeJob) finished() bool {
	return len(j.pending) == 0 && len(j.called) == 0 && len(j.results) == 0 && len(j.offline) == 0 && !j.writing
}

// fail ends a device's row with an error.
func (j *activeJob) fail(device string, reason iothub.DeviceJobError) {
	j.results = append(j.results, store.JobResult{DeviceID: device, Error: &reason})
}
