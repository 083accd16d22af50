package jobs

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// maxBatch is the maximum number of devices that a job begins to call at a time, in one
// write.
const maxBatch = 500

// maxRunningRows limits the devices of all running jobs that have no result yet. It bounds
// the memory for their ids.
const maxRunningRows = 1_000_000

// minStartTime is the time that the hub takes to evaluate the condition of a job whose
// maximum execution time is shorter or over.
const minStartTime = time.Minute

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
//   - It recovers a job that was running when the hub stopped.
//   - It starts the job at its start time.
//   - It stops the job at the end of its maximum execution time.
//   - It gives up devices that were offline for too long.
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

	case recovering:
		if e.draining == nil && !j.writing {
			e.recoverRunning(j, now)
		}

	case running:
		if !j.expired && !now.Before(j.deadline) {
			e.expire(j)
		}
		if len(j.offline) > 0 && !now.Before(j.giveUpAt) {
			e.giveUp(j, now)
		}
		e.write(j, now)
	}
}

// mayActivate reports whether another job may start. A job that is due must wait while
// the hub is at its tier's limit on active jobs, or while the running jobs have more than
// maxRunningRows devices without a result.
func (e *Engine) mayActivate() bool {
	limit := e.throttle.ActiveJobs()
	jobs, rows := 0, 0
	for _, j := range e.active {
		if j.phase != waiting {
			jobs++
			rows += j.count.PendingCount + j.count.RunningCount
		}
	}
	return rows <= maxRunningRows && (limit == 0 || jobs < limit)
}

// start evaluates the job's condition, and stores the job as running together with a
// pending row for each selected device.
func (e *Engine) start(j *activeJob, now time.Time) {
	j.phase = starting
	var parsed work
	parse := func(job iothub.Job) (*query.Condition, error) {
		var err error
		parsed, err = parseStored(job)
		return parsed.condition, err
	}

	e.store.StartJobAsync(j.job.JobID, parse, now, max(j.deadline.Sub(now), minStartTime), func(devices []string, err error) {
		e.mail.post(func() { e.started(j, parsed, devices, err, now) })
	})
}

// started continues a job after the write that stores its start. devices are the selected
// devices.
func (e *Engine) started(j *activeJob, parsed work, devices []string, err error, now time.Time) {
	switch {
	case err == nil:
		j.phase = running
		j.job, j.patch = parsed.job, parsed.patch
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
		e.failures.Error("cannot start a job", zap.String("job_id", j.job.JobID), zap.Error(err))
		reason := reasonOf(err)
		if _, refused := errors.AsType[*iothub.Error](err); refused || j.failedStarts == maxStarts {
			e.end(j, store.JobEnd{Status: iothub.JobFailed, Reason: reason}, now)
			return
		}
		j.retryAt = e.now().Add(retryInterval)
	}
}

// reasonOf returns the reason with which a job fails because of an error.
func reasonOf(err error) string {
	if refusal, ok := errors.AsType[*iothub.Error](err); ok {
		return refusal.Message
	}
	return err.Error()
}

// write stores the results that have arrived since the previous write. The same write
// also sets as many pending devices to running as the limits on calls allow. If nothing
// remains to be stored and all devices have a result, it ends the job.
func (e *Engine) write(j *activeJob, now time.Time) {
	if j.writing {
		return
	}

	var next []string
	if e.draining == nil && j.hasDevices() {
		next = e.next(j, now)
	}

	rows := store.JobRows{Results: j.results, Running: next, Pending: j.again}
	if len(rows.Results)+len(rows.Running)+len(rows.Pending) == 0 {
		if j.expired || j.finished() {
			e.end(j, endOf(j), now)
		}
		return
	}

	j.results, j.again, j.writing = nil, nil, true
	e.recent += len(next)
	j.recent += len(next)
	e.store.AdvanceJobAsync(j.job.JobID, rows, now, func(err error) {
		e.mail.post(func() { e.written(j, rows, err) })
	})
}

// written continues a job after a write of rows. It calls the devices that are now stored
// as running.
func (e *Engine) written(j *activeJob, rows store.JobRows, err error) {
	j.writing = false
	if err != nil {
		e.failures.Error("cannot store the rows of a job", zap.String("job_id", j.job.JobID), zap.Error(err))
		j.results = append(rows.Results, j.results...)
		j.again = append(rows.Pending, j.again...)
		j.first = append(rows.Running, j.first...)
		e.recent -= len(rows.Running)
		j.recent -= len(rows.Running)
		j.retryAt = e.now().Add(retryInterval)
		return
	}

	j.first = append(j.first, rows.Pending...)
	j.count.PendingCount += len(rows.Pending) - len(rows.Running)
	j.count.RunningCount += len(rows.Running) - len(rows.Pending)
	for _, r := range rows.Results {
		if r.FromPending {
			j.count.PendingCount--
		} else {
			j.count.RunningCount--
		}
		if r.Error != nil {
			j.count.FailedCount++
		} else {
			j.count.SucceededCount++
		}
	}
	e.publish(j)

	for _, device := range rows.Running {
		if j.expired {
			e.recent--
			j.recent--
			j.fail(device, notCalledInTime)
			continue
		}
		e.call(j, device)
	}
}

// call calls the job's method on a device or applies the job's patch to the device's
// twin. Before the call, the device must be stored as running and count as recent.
func (e *Engine) call(j *activeJob, device string) {
	c := &call{job: j, at: e.now(), recent: true}
	j.called[device] = c
	e.calls = append(e.calls, c)

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
	c := j.called[device]
	if c == nil {
		return
	}
	delete(j.called, device)
	e.forget(c)
	if err == nil {
		delete(j.connectBy, device)
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

	if now := e.now(); reason.Code == string(iothub.CodeDeviceNotOnline) && now.Before(j.connectTime(device, now)) {
		// The device disconnected after the job had found it online. It did not receive
		// the call, so the job may wait for it and call it again.
		j.again = append(j.again, device)
		return
	}
	j.fail(device, reason)
}

// expire handles the end of the job's maximum execution time. It stops waiting for
// answers and for connections. Later the function end fails the job for all devices
// without a result.
func (e *Engine) expire(j *activeJob) {
	j.expired = true
	for _, c := range j.called {
		e.forget(c)
	}
	clear(j.called)

	for _, cancel := range j.offline {
		cancel()
	}
	clear(j.offline)
	for _, device := range j.again {
		j.fail(device, notCalledInTime)
	}
	j.again = nil
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
				e.failures.Error("cannot end a job", zap.String("job_id", j.job.JobID), zap.Error(err))
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
	e.purgeSoon()
	e.log.Info("job ended", zap.String("job_id", j.job.JobID), zap.String("status", string(end.Status)),
		zap.Int("answered", j.count.SucceededCount), zap.Int("failed", j.count.FailedCount))
}
