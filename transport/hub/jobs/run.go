package jobs

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/hub/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// maxBatch bounds the rows that one write sets to running, so that jobs that run
// side by side share the window.
const maxBatch = 500

// maxStarts is how often a start is tried before the job fails.
const maxStarts = 5

// CodeTimeOver marks a device that was not called because the job's maximum
// execution time was over.
const CodeTimeOver iothub.Code = "MaxExecutionTimeExceeded"

var (
	notCalledInTime = iothub.DeviceJobError{Code: string(CodeTimeOver),
		Description: "the job's maximum execution time was over before the device's turn, it was not called"}
	noAnswerInTime = iothub.DeviceJobError{Code: string(iothub.CodeOutcomeUnknown),
		Description: "the job's maximum execution time was over before the device answered, it may have acted"}
	lostInRestart = iothub.DeviceJobError{Code: string(iothub.CodeOutcomeUnknown),
		Description: "the hub ended before the device's answer was stored, it may have been called and is not called again"}
)

// advance does what is due for a job.
func (e *Engine) advance(j *activeJob, now time.Time) {
	if now.Before(j.retryAt) {
		return
	}
	j.retryAt = time.Time{}
	switch j.phase {
	case waiting:
		if e.draining != nil || now.Before(j.start) {
			return
		}
		if !e.hasRoom() {
			j.retryAt = now.Add(retryInterval)
			return
		}
		e.start(j, now)
	case running:
		if !j.expired && !now.Before(j.deadline) {
			e.expire(j)
		}
		if len(j.absent) > 0 && !now.Before(j.lookAt) && e.draining == nil {
			absent := j.absent
			j.absent = nil
			e.underWay += len(absent)
			for _, device := range absent {
				e.call(j, device)
			}
		}
		e.write(j, now)
	}
}

// hasRoom reports whether one more job may be active. A job that was scheduled
// for later can be due when there is none; it waits.
func (e *Engine) hasRoom() bool {
	most := e.throttle.ActiveJobs()
	if most == 0 {
		return true
	}
	n := 0
	for _, j := range e.active {
		if j.phase != waiting {
			n++
		}
	}
	return n < most
}

// start fixes the job's devices.
func (e *Engine) start(j *activeJob, now time.Time) {
	j.phase = starting
	e.store.StartJobAsync(j.job.JobID, j.condition, now, func(devices []string, err error) {
		e.mail.post(func() {
			switch {
			case err == nil:
				j.phase = running
				j.pending = devices
				j.count = iothub.JobStatistics{DeviceCount: len(devices), PendingCount: len(devices)}
				j.job.Status = iothub.JobRunning
				e.show(j)
				e.log.Info("job runs", zap.String("job", j.job.JobID), zap.Int("devices", len(devices)))
			case errors.Is(err, store.ErrJobNotWaiting):
				delete(e.active, j.job.JobID)
			default:
				j.phase = waiting
				j.starts++
				e.log.Error("start a job", zap.String("job", j.job.JobID), zap.Error(err))
				var refusal *iothub.Error
				if errors.As(err, &refusal) || j.starts == maxStarts {
					e.end(j, store.JobEnd{Status: iothub.JobFailed, Reason: err.Error()}, now)
					return
				}
				j.retryAt = e.now().Add(retryInterval)
			}
		})
	})
}

// write stores what has come up since the last write: the ends of rows, and the
// next rows as running, as far as the window has room. When there is nothing and
// every row has ended, it ends the job.
func (e *Engine) write(j *activeJob, now time.Time) {
	if j.writing {
		return
	}
	var next []string
	if e.draining == nil && !j.expired {
		n := e.throttle.TakeSome(throttle.JobDevices, max(0, min(len(j.pending), e.window-e.underWay, maxBatch)))
		next, j.pending = j.pending[:n:n], j.pending[n:]
	}
	results := j.results
	if len(results) == 0 && len(next) == 0 {
		if j.expired || j.finished() {
			e.end(j, endOf(j), now)
		}
		return
	}
	j.results, j.writing = nil, true
	e.underWay += len(next)
	e.store.AdvanceJobAsync(j.job.JobID, results, next, now, func(err error) {
		e.mail.post(func() { e.written(j, results, next, err) })
	})
}

// written goes on after a write of rows: only now the devices are called.
func (e *Engine) written(j *activeJob, results []store.JobResult, next []string, err error) {
	j.writing = false
	if err != nil {
		e.log.Error("store a job's rows", zap.String("job", j.job.JobID), zap.Error(err))
		j.results = append(results, j.results...)
		j.pending = append(next, j.pending...)
		e.underWay -= len(next)
		j.retryAt = e.now().Add(retryInterval)
		return
	}
	j.count.PendingCount -= len(next)
	j.count.RunningCount += len(next) - len(results)
	for _, r := range results {
		if r.Error != nil {
			j.count.FailedCount++
		} else {
			j.count.SucceededCount++
		}
	}
	e.show(j)
	if j.expired {
		e.underWay -= len(next)
		for _, device := range next {
			j.fail(device, notCalledInTime)
		}
		return
	}
	for _, device := range next {
		e.call(j, device)
	}
}

// call does the job's work on a device whose row is running on disk.
func (e *Engine) call(j *activeJob, device string) {
	j.called[device] = true
	if j.job.Type == iothub.ScheduleUpdateTwin {
		e.store.UpdateTwinAsync(device, j.patch, func(desired iothub.Object, err error) {
			if desired != nil {
				// Here, not in the engine's goroutine: this is the order of commits.
				e.devices.SendDesired(device, desired)
			}
			e.mail.post(func() { e.answered(j, device, nil, err) })
		})
		return
	}
	e.devices.Invoke(device, *j.job.CloudToDeviceMethod, func(response iothub.MethodResponse, err error) {
		e.mail.post(func() { e.answered(j, device, &response, err) })
	})
}

// answered takes the end of a call. One that comes after the job's time is over is ignored.
func (e *Engine) answered(j *activeJob, device string, response *iothub.MethodResponse, err error) {
	if !j.called[device] {
		return
	}
	delete(j.called, device)
	e.underWay--
	if err == nil {
		j.results = append(j.results, store.JobResult{DeviceID: device, Response: response})
		return
	}
	why := iothub.DeviceJobError{Code: string(iothub.CodeServerError), Description: err.Error()}
	var refusal *iothub.Error
	if errors.As(err, &refusal) {
		why = iothub.DeviceJobError{Code: string(refusal.Code), Description: refusal.Message}
		if refusal.Code == iothub.CodeServiceUnavailable && response != nil {
			why = lostInRestart // the broker was closed under the call
		}
	}
	if now := e.now(); why.Code == string(iothub.CodeDeviceNotOnline) && now.Before(j.returnBy) {
		if len(j.absent) == 0 {
			j.lookAt = now.Add(returnInterval)
		}
		j.absent = append(j.absent, device)
		return
	}
	j.fail(device, why)
}

// expire gives up on the devices that have not ended.
func (e *Engine) expire(j *activeJob) {
	j.expired = true
	e.underWay -= len(j.called)
	clear(j.called)
	for _, device := range j.absent {
		j.fail(device, notCalledInTime)
	}
	j.absent = nil
	e.log.Warn("job's maximum execution time is over", zap.String("job", j.job.JobID))
}

// show lets the world see how far the job is.
func (e *Engine) show(j *activeJob) {
	e.board.set(j.job.JobID, j.count)
	e.watch(withStatistics(j.job, j.count))
}

func endOf(j *activeJob) store.JobEnd {
	end := store.JobEnd{Status: iothub.JobCompleted, Called: noAnswerInTime, Waiting: notCalledInTime}
	switch {
	case j.count.DeviceCount == 0:
		end.Message = "the condition selected no device when the job started"
	case j.expired:
		end.Message = "the maximum execution time was over before every device had ended"
	}
	return end
}

// end stores the job's last status; rows that are left fail with it.
func (e *Engine) end(j *activeJob, end store.JobEnd, now time.Time) {
	before := j.phase
	j.phase = ending
	e.store.EndJobAsync(j.job.JobID, end, now, func(err error) {
		e.mail.post(func() {
			if err != nil {
				e.log.Error("end a job", zap.String("job", j.job.JobID), zap.Error(err))
				j.phase = before
				j.retryAt = e.now().Add(retryInterval)
				return
			}
			j.count.FailedCount += j.count.RunningCount + j.count.PendingCount
			j.count.RunningCount, j.count.PendingCount = 0, 0
			ended := now.UTC().Truncate(time.Microsecond)
			j.job.Status, j.job.EndTime = end.Status, &ended
			j.job.FailureReason, j.job.StatusMessage = end.Reason, end.Message
			e.show(j)
			delete(e.active, j.job.JobID)
			e.log.Info("job ended", zap.String("job", j.job.JobID), zap.String("status", string(end.Status)),
				zap.Int("answered", j.count.SucceededCount), zap.Int("failed", j.count.FailedCount))
		})
	})
}
