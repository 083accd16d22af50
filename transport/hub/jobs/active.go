package jobs

import (
	"time"

	"github.com/latchd/latchd/transport/hub/query"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

// phase is where an active job stands.
type phase int

const (
	waiting  phase = iota // for its time; scheduled or queued on disk
	starting              // the write that fixes its devices is on its way
	running
	ending // the write that ends it is on its way
)

// activeJob is a job that has not ended. It belongs to the engine's goroutine.
type activeJob struct {
	job       iothub.Job
	condition *query.Condition
	patch     iothub.TwinPatch

	phase    phase
	start    time.Time // when it is due
	deadline time.Time // when its maximum execution time is over
	expired  bool      // the deadline has passed
	retryAt  time.Time // zero, or no write before
	starts   int       // how often the start has failed

	pending []string          // devices whose rows are pending, in order
	called  map[string]bool   // devices that were called and have not answered
	results []store.JobResult // ends of rows that are not stored yet
	writing bool              // a write of rows is on its way
	count   iothub.JobStatistics

	// After a restart, devices that are not back yet are called later.
	returnBy time.Time // until when they are waited for; zero: not at all
	absent   []string  // rows that are running on disk, devices not called
	lookAt   time.Time // when they are looked for next
}

func newActiveJob(job iothub.Job, condition *query.Condition, patch iothub.TwinPatch) *activeJob {
	j := &activeJob{job: job, condition: condition, patch: patch, called: make(map[string]bool)}
	j.start = *job.StartTime
	// A start before the job was made means at once.
	if j.start.Before(*job.CreatedTime) {
		j.start = *job.CreatedTime
	}
	j.deadline = j.start.Add(time.Duration(job.MaxExecutionTimeInSeconds) * time.Second)
	return j
}

// wakeAt returns when the job has something to do though nothing happens.
func (j *activeJob) wakeAt() (time.Time, bool) {
	var at time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	switch {
	case j.phase == waiting:
		earlier(j.start)
	case j.phase == running && !j.writing:
		if !j.expired {
			earlier(j.deadline)
		}
		if len(j.absent) > 0 {
			earlier(j.lookAt)
		}
	}
	if at.Before(j.retryAt) {
		at = j.retryAt
	}
	return at, !at.IsZero()
}

// finished reports whether every row has ended on disk.
func (j *activeJob) finished() bool {
	return len(j.pending) == 0 && len(j.called) == 0 && len(j.results) == 0 && len(j.absent) == 0 && !j.writing
}

func (j *activeJob) fail(device string, why iothub.DeviceJobError) {
	j.results = append(j.results, store.JobResult{DeviceID: device, Error: &why})
}
