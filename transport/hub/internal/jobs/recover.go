package jobs

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// recover loads the jobs that had not ended when the hub stopped. It only reads, so the hub
// also starts if its disk is full. The engine's goroutine then prepares the running jobs;
// the others are parsed when they are due. Call it before the engine's goroutine starts.
func (e *Engine) recover(ctx context.Context) error {
	jobs, err := e.store.UnfinishedJobs(ctx)
	if err != nil {
		return err
	}

	now := e.now()
	for _, job := range jobs {
		j := newActiveJob(job)
		j.reconnectBy = now.Add(reconnectTime)
		e.active[job.JobID] = j
		if job.Status == iothub.JobRunning {
			j.phase = recovering
			continue
		}
		e.statistics.set(job.JobID, j.count)
		e.logResumed(j)
	}
	return nil
}

// recoverRunning loads the rest of a job that was running and stores the outcome of the
// calls that the restart has interrupted. If this version of the hub cannot read the job,
// the job fails.
func (e *Engine) recoverRunning(j *activeJob, now time.Time) {
	ctx := context.Background()
	job, err := e.store.Job(ctx, j.job.JobID)
	if err == nil {
		j.count, err = e.store.JobStatistics(ctx, j.job.JobID)
	}
	if err != nil {
		e.retryRecovery(j, err)
		return
	}

	w, err := parseStored(job)
	if err != nil {
		e.end(j, store.JobEnd{
			Status: iothub.JobFailed, Reason: reasonOf(err), RunningError: lostInRestart, PendingError: lostInRestart,
		}, now)
		return
	}

	j.job, j.patch, j.writing = w.job, w.patch, true
	e.store.RecoverJobAsync(w.job, lostInRestart, now, func(pending []string, err error) {
		e.mail.post(func() { e.recovered(j, pending, err) })
	})
}

// recovered continues a job after the write of recoverRunning. pending are the devices that
// the job must still call.
func (e *Engine) recovered(j *activeJob, pending []string, err error) {
	j.writing = false
	if err != nil {
		e.retryRecovery(j, err)
		return
	}

	j.phase, j.pending = running, pending
	j.count.FailedCount += j.count.PendingCount + j.count.RunningCount - len(pending)
	j.count.PendingCount, j.count.RunningCount = len(pending), 0
	e.statistics.set(j.job.JobID, j.count)
	e.logResumed(j)
}

// retryRecovery logs an error of the recovery and repeats the recovery later. Until then,
// the job calls no device.
func (e *Engine) retryRecovery(j *activeJob, err error) {
	e.failures.Error("cannot resume a job, will try again", zap.String("job_id", j.job.JobID), zap.Error(err))
	j.retryAt = e.now().Add(retryInterval)
}

func (e *Engine) logResumed(j *activeJob) {
	e.log.Info("resumed a job", zap.String("job_id", j.job.JobID), zap.String("status", string(j.job.Status)),
		zap.Int("pending", len(j.pending)))
}
