package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// MaxRequire is the maximum length of the condition Rules.Require. The condition takes
// at most half of a query, so that the other half can name devices.
const MaxRequire = rest.MaxCondition / 2

// OnFleet returns an Executor that runs jobs on a fleet's hub and saves the rollout in
// store. Set its OnStep before use.
func OnFleet(f *fleet.Fleet, store Store) Executor {
	x := executor{f}

	return Executor{
		RunJob:      x.runJob,
		FindFailing: x.findFailing,
		SleepUntil:  func(ctx context.Context, until time.Time) error { return f.Sleep(ctx, until.Sub(f.Now())) },
		Save:        store.Save,
		Now:         f.Now,
		OnStep:      func(Rollout, Action) {},
	}
}

// executor performs the actions of a rollout on a fleet's hub.
type executor struct{ *fleet.Fleet }

// runJob creates a job of a rollout, unless the hub already has it, and follows
// the job until it ends. It looks up in the registry the devices for which the job has
// no answer, because a device may have been deleted.
func (x executor) runJob(ctx context.Context, run RunJob) (JobEnded, error) {
	if err := x.ensureJob(ctx, run); err != nil {
		return JobEnded{}, err
	}
	report, err := x.Watch(ctx, run.Job.JobID, 0, true)
	if err != nil {
		return JobEnded{}, err
	}

	var seen []fleet.Device
	for _, d := range report.Devices {
		if d.Verdict.Outcome != iothub.Gone {
			seen = append(seen, fleet.Device{DeviceID: d.DeviceID})
		}
	}
	unseen := fleet.Missing(run.Devices, seen)
	exist, err := x.ThatMeet(ctx, unseen, "")
	if err != nil {
		return JobEnded{}, err
	}

	return JobEnded{Report: report, Gone: fleet.Missing(unseen, exist)}, nil
}

// ensureJob creates a job of a rollout on the hub, unless the hub already has it. It
// waits while the hub is busy or at its limit on active jobs.
func (x executor) ensureJob(ctx context.Context, run RunJob) error {
	mayExist := run.IsRetry

	return x.Retry(ctx, watch.Patient, func() error {
		if mayExist {
			existing, err := x.Hub.Job(ctx, run.Job.JobID)
			if err == nil {
				return checkSameJob(existing, run.Job)
			}
			if !fleet.HasStatus(err, 404) {
				return err
			}
		}

		_, err := x.Hub.CreateJob(ctx, run.Job)
		switch {
		case fleet.HasStatus(err, 409):
			existing, err := x.Hub.Job(ctx, run.Job.JobID)
			if err != nil {
				return err
			}
			return checkSameJob(existing, run.Job)
		case err != nil && watch.Retryable(err) && !watch.IsFull(err):
			mayExist = true
		}

		return err
	})
}

// checkSameJob returns an error if a job on the hub has the id of the rollout's job,
// but differs from it. Somebody else then created the job on the hub.
func checkSameJob(existing, want iothub.Job) error {
	if existing.Type != want.Type || existing.QueryCondition != want.QueryCondition {
		return fmt.Errorf("the hub already has another job with the id %s, which this rollout needs; start a new rollout", want.JobID)
	}

	return nil
}

// findFailing returns the ids of the devices whose twins do not meet a condition, and of
// those that are no longer in the registry.
func (x executor) findFailing(ctx context.Context, devices []string, condition string) (Checked, error) {
	var result Checked

	meet, err := x.ThatMeet(ctx, devices, condition)
	if err != nil {
		return result, err
	}
	result.Failing = fleet.Missing(devices, meet)
	if len(result.Failing) == 0 {
		return result, nil
	}

	exist, err := x.ThatMeet(ctx, result.Failing, "")
	if err != nil {
		return Checked{}, err
	}
	result.Gone = fleet.Missing(result.Failing, exist)
	result.Failing = fleet.Missing(result.Failing, fleet.WithIDs(result.Gone))

	return result, nil
}
