package jobs

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// recover loads the jobs that had not ended when the hub stopped. Call it before the
// engine's goroutine starts.
func (e *Engine) recover(ctx context.Context) error {
	jobs, err := e.store.UnfinishedJobs(ctx)
	if err != nil {
		return err
	}

	now := e.now()
	for _, job := range jobs {
		j, err := newActiveJob(job, query.ParseStoredCondition)
		if err != nil {
			// The hub checks jobs before it stores them. An invalid job in the database
			// was therefore stored by a different version of the hub.
			if err := e.failUnreadable(job.JobID, err, now); err != nil {
				return err
			}
			continue
		}

		if job.Status == iothub.JobRunning {
			if j.pending, err = e.store.RecoverJob(ctx, job, lostInRestart, now); err != nil {
				return err
			}
			if j.count, err = e.store.JobStatistics(ctx, job.JobID); err != nil {
				return err
			}
			j.phase = running
		}

		j.reconnectBy = now.Add(reconnectTime)
		e.statistics.set(job.JobID, j.count)
		e.active[job.JobID] = j
		e.log.Info("resumed a job", zap.String("job_id", job.JobID), zap.String("status", string(job.Status)),
			zap.Int("pending", len(j.pending)))
	}
	return nil
}

// failUnreadable sets a stored job to failed because this version of the hub cannot read
// it.
func (e *Engine) failUnreadable(jobID string, cause error, now time.Time) error {
	ended := make(chan error, 1)
	e.store.EndJobAsync(jobID, store.JobEnd{
		Status: iothub.JobFailed, Reason: "this version of the hub cannot read the job: " + cause.Error(),
		RunningError: lostInRestart, PendingError: lostInRestart,
	}, now, func(err error) { ended <- err })
	return <-ended
}
