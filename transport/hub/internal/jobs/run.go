package jobs

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// maxBatch is the maximum number of devices that a job begins to call at a time. It
// leaves other jobs a share of the concurrent calls.
const maxBatch = 500

// maxStarts is the maximum number of attempts to start a job. If all of them fail, the
// job fails.
const maxStarts = 5

// CodeMaxExecutionTimeExceeded is the error code for devices that a job did not call
// within its maximum execution time.
const CodeMaxExecutionTimeExceeded iothub.Code = "MaxExecutionTimeExceeded"

var (
	notCalledInTime = iothub.DeviceJobError{Code: string(CodeMaxExecutionTimeExceeded),
		Description: "the device was not called, because the job's maximum execution time was over"}
	noAnswerInTime = iothub.DeviceJobError{Code: string(iothub.CodeOutcomeUnknown),
		Description: "the device was called and may have acted, but it did not answer within the job's maximum execution time"}
	lostInRestart = iothub.DeviceJobError{Code: string(iothub.CodeOutcomeUnknown),
		Description: "the hub stopped before it stored an answer of the device, which may have been called and is not called again"}
)

// advance does the work that is due for a job:
//
//   - It starts the job at its start time.
//   - It stops the job at the end of its maximum execution time.
//   - It repeats calls to devices that were offline.
//   - It stores results and calls more devices.
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
		if !e.mayActivate() {
			j.retryAt = now.Add(retryInterval)
			return
		}
		e.start(j, now)

	case running:
		if !j.expired && !now.Before(j.deadline) {
			e.expire(j)
		}
		if len(j.offline) > 0 && !now.Before(j.nextReconnectTry) && e.draining == nil {
			offline := j.offline
			j.offline = nil
			e.inFlight += len(offline)
			for _, device := range offline {
				e.call(j, device)
			}
		}
		e.write(j, now)
	}
}

// mayActivate reports whether the hub is below its limit on active jobs. While it is at
// the limit, scheduled jobs that are due must wait.
func (e *Engine) mayActivate() bool {
	limit := e.throttle.ActiveJobs()
	if limit == 0 {
		return true
	}
	n := 0
	for _, j := range e.active {
		if j.phase != waiting {
			n++
		}
	}
	return n < limit
}

// start stores the job as running, together with a pending row for each device that the
// job's condition selects.
func (e *Engine) start(j *activeJob, now time.Time) {
	j.phase = starting
	e.store.StartJobAsync(j.job.JobID, j.condition, now, func(devices []string, err error) {
		e.mail.post(func() { e.started(j, devices, err, now) })
	})
}

// started continues a job after the write that stores its start. devices are the selected
// devices.
func (e *Engine) started(j *activeJob, devices []string, err error, now time.Time) {
	switch {
	case err == nil:
		j.phase = running
		j.pending = devices
		j.count = iothub.JobStatistics{DeviceCount: len(devices), PendingCount: len(devices)}
		j.job.Status = iothub.JobRunning
		e.publish(j)
		e.log.Info("job started", zap.String("job_id", j.job.JobID), zap.Int("devices", len(devices)))

	case errors.Is(err, store.ErrJobNotWaiting): // the job was cancelled
		delete(e.active, j.job.JobID)

	default:
		j.phase = waiting
		j.failedStarts++
		e.log.Error("cannot start a job", zap.String("job_id", j.job.JobID), zap.Error(err))
		if _, refused := errors.AsType[*iothub.Error](err); refused || j.failedStarts == maxStarts {
			e.end(j, store.JobEnd{Status: iothub.JobFailed, Reason: err.Error()}, now)
			return
		}
		j.retryAt = e.now().Add(retryInterval)
	}
}

// write stores the results that have arrived since the previous write. The same write
// also sets as many pending devices to running as the limits on calls allow. If nothing
// remains to be stored and all devices have a result, it ends the job.
func (e *Engine) write(j *activeJob, now time.Time) {
	if j.writing {
		return
	}

	var next []string
	if e.draining == nil && !j.expired {
		n := e.throttle.TakeSome(throttle.JobDevices, max(0, min(len(j.pending), e.window-e.inFlight, maxBatch)))
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
	e.inFlight += len(next)
	e.store.AdvanceJobAsync(j.job.JobID, results, next, now, func(err error) {
		e.mail.post(func() { e.written(j, results, next, err) })
	})
}

// written continues a job after a write of results. It calls the devices next, which are
// now stored as running.
func (e *Engine) written(j *activeJob, results []store.JobResult, next []string, err error) {
	j.writing = false
	if err != nil {
		e.log.Error("cannot store the rows of a job", zap.String("job_id", j.job.JobID), zap.Error(err))
		j.results = append(results, j.results...)
		j.pending = append(next, j.pending...)
		e.inFlight -= len(next)
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
	e.publish(j)

	if j.expired {
		e.inFlight -= len(next)
		for _, device := range next {
			j.fail(device, notCalledInTime)
		}
		return
	}
	for _, device := range next {
		e.call(j, device)
	}
}

// call calls the job's method on a device or applies the job's patch to the device's
// twin. Before the call, the device must be stored as running.
func (e *Engine) call(j *activeJob, device string) {
	j.called[device] = true

	if j.job.Type == iothub.ScheduleUpdateTwin {
		e.store.UpdateTwinAsync(device, j.patch, func(desired iothub.Object, err error) {
			if desired != nil {
				// The store calls this function in the order of its commits. Send the
				// change from here and not through the mailbox, so that the device
				// receives changes in the same order.
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

// answered records a device's answer, or the error of its call. It ignores answers after
// the job's maximum execution time.
func (e *Engine) answered(j *activeJob, device string, response *iothub.MethodResponse, err error) {
	if !j.called[device] {
		return
	}
	delete(j.called, device)
	e.inFlight--
	if err == nil {
		j.results = append(j.results, store.JobResult{DeviceID: device, Response: response})
		return
	}

	reason := iothub.DeviceJobError{Code: string(iothub.CodeServerError), Description: err.Error()}
	if refusal, ok := errors.AsType[*iothub.Error](err); ok {
		reason = iothub.DeviceJobError{Code: string(refusal.Code), Description: refusal.Message}
		if refusal.Code == iothub.CodeServiceUnavailable && response != nil {
			reason = lostInRestart // the broker was closed during the call
		}
	}

	if now := e.now(); reason.Code == string(iothub.CodeDeviceNotOnline) && now.Before(j.reconnectBy) {
		if len(j.offline) == 0 {
			j.nextReconnectTry = now.Add(reconnectInterval)
		}
		j.offline = append(j.offline, device)
		return
	}
	j.fail(device, reason)
}

// expire handles the end of the job's maximum execution time. It stops waiting for
// answers and fails the job for offline devices. Later the function end fails the job for
// all other devices without a result.
func (e *Engine) expire(j *activeJob) {
	j.expired = true
	e.inFlight -= len(j.called)
	clear(j.called)
	for _, device := range j.offline {
		j.fail(device, notCalledInTime)
	}
	j.offline = nil
	e.log.Warn("the job's maximum execution time is over", zap.String("job_id", j.job.JobID))
}

// publish makes the job's current statistics visible to clients and passes the job to the
// function Options.Watch.
func (e *Engine) publish(j *activeJob) {
	e.statistics.set(j.job.JobID, j.count)
	e.watch(withStatistics(j.job, j.count))
}

// endOf returns the final status of a job that has a result for every device or has
// reached its maximum execution time.
func endOf(j *activeJob) store.JobEnd {
	end := store.JobEnd{Status: iothub.JobCompleted, RunningError: noAnswerInTime, PendingError: notCalledInTime}
	switch {
	case j.count.DeviceCount == 0:
		end.Message = "the condition selected no device when the job started"
	case j.expired:
		end.Message = "the maximum execution time was over before all devices had answered"
	}
	return end
}

// end stores the job's final status. Devices without a result fail.
func (e *Engine) end(j *activeJob, end store.JobEnd, now time.Time) {
	previous := j.phase
	j.phase = ending
	e.store.EndJobAsync(j.job.JobID, end, now, func(err error) {
		e.mail.post(func() {
			if err != nil {
				e.log.Error("cannot end a job", zap.String("job_id", j.job.JobID), zap.Error(err))
				j.phase = previous
				j.retryAt = e.now().Add(retryInterval)
				return
			}
			e.endStored(j, end, now)
		})
	})
}

// endStored publishes and forgets a job whose final status has been stored.
func (e *Engine) endStored(j *activeJob, end store.JobEnd, now time.Time) {
	j.count.FailedCount += j.count.RunningCount + j.count.PendingCount
	j.count.RunningCount, j.count.PendingCount = 0, 0

	ended := now.UTC().Truncate(time.Microsecond)
	j.job.Status, j.job.EndTime = end.Status, &ended
	j.job.FailureReason, j.job.StatusMessage = end.Reason, end.Message
	e.publish(j)

	delete(e.active, j.job.JobID)
	e.log.Info("job ended", zap.String("job_id", j.job.JobID), zap.String("status", string(end.Status)),
		zap.Int("answered", j.count.SucceededCount), zap.Int("failed", j.count.FailedCount))
}
