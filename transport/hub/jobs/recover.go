package jobs

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

// recover takes up the jobs that are on disk and have not ended. It runs before
// the engine's goroutine does.
func (e *Engine) recover(ctx context.Context) error {
	jobs, err := e.store.UnendedJobs(ctx)
	if err != nil {
		return err
	}
	now := e.now()
	for _, job := range jobs {
		j, err := read(job)
		if err != nil {
			// It was understood when it was made: another version of the hub made it.
			ended := make(chan error, 1)
			e.store.EndJobAsync(job.JobID, store.JobEnd{
				Status: iothub.JobFailed, Reason: "this version of the hub does not understand the job: " + err.Error(),
				Called: lostInRestart, Waiting: lostInRestart,
			}, now, func(err error) { ended <- err })
			if err := <-ended; err != nil {
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
		j.returnBy = now.Add(returnTime)
		e.board.set(job.JobID, j.count)
		e.active[job.JobID] = j
		e.log.Info("job taken up", zap.String("job", job.JobID), zap.String("status", string(job.Status)),
			zap.Int("pending", len(j.pending)))
	}
	return nil
}

// read makes an active job of what stands on disk, or of what a client asks for.
// It checks all that can be checked before devices are looked at.
func read(job iothub.Job) (*activeJob, error) {
	condition, err := parseCondition(job.QueryCondition)
	if err != nil {
		return nil, err
	}
	var patch iothub.TwinPatch
	switch job.Type {
	case iothub.ScheduleDeviceMethod:
		if job.CloudToDeviceMethod == nil {
			return nil, fmt.Errorf("cloudToDeviceMethod is missing")
		}
		if err := job.CloudToDeviceMethod.Check(); err != nil {
			return nil, fmt.Errorf("cloudToDeviceMethod: %w", err)
		}
	case iothub.ScheduleUpdateTwin:
		if patch, err = parsePatch(job.UpdateTwin); err != nil {
			return nil, fmt.Errorf("updateTwin: %w", err)
		}
	default:
		return nil, fmt.Errorf("type is %q, it can be %s or %s", job.Type, iothub.ScheduleDeviceMethod, iothub.ScheduleUpdateTwin)
	}
	return newActiveJob(job, condition, patch), nil
}
