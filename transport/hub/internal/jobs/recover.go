package jobs

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// recover loads the jobs that had not ended when the hub stopped. It parses only the
// running jobs; the others are parsed when they are due. Call it before the engine's
// goroutine starts.
func (e *Engine) recover(ctx context.Context) error {
	jobs, err := e.store.UnfinishedJobs(ctx)
	if err != nil {
		return err
	}

	now := e.now()
	for _, job := range jobs {
		j := newActiveJob(job)
		if job.Status == iothub.JobRunning {
			err := e.recoverRunning(ctx, j, now)
			if refusal, unreadable := errors.AsType[*iothub.Error](err); unreadable {
				err = e.failUnreadable(job.JobID, refusal.Message, now)
				j = nil
			}
			if err != nil {
				return err
			}
			if j == nil {
				continue
			}
		}

		j.reconnectBy = now.Add(reconnectTime)
		e.statistics.set(job.JobID, j.count)
		e.active[job.JobID] = j
		e.log.Info("resumed a job", zap.String("job_id", job.JobID), zap.String("status", string(job.Status)),
			zap.Int("pending", len(j.pending)))
	}
	return nil
}

// recoverRunning loads the rest of a job that was running. It fails with an *iothub.Error
// if this version of the hub cannot read the job.
func (e *Engine) recoverRunning(ctx context.Context, j *activeJob, now time.Time) error {
	job, err := e.store.Job(ctx, j.job.JobID)
	if err != nil {
		return err
	}
	w, err := parseStored(job)
	if err != nil {
		return err
	}
	j.job, j.patch = w.job, w.patch

	if j.pending, err = e.store.RecoverJob(ctx, job, lostInRestart, now); err != nil {
		return err
	}
	j.count, err = e.store.JobStatistics(ctx, job.JobID)
	j.phase = running
	return err
}

// failUnreadable sets a stored job to failed because this version of the hub cannot read
// it.
func (e *Engine) failUnreadable(jobID, reason string, now time.Time) error {
	ended := make(chan error, 1)
	e.store.EndJobAsync(jobID, store.JobEnd{
		Status: iothub.JobFailed, Reason: reason, RunningError: lostInRestart, PendingError: lostInRestart,
	}, now, func(err error) { ended <- err })
	return <-ended
}
