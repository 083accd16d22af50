package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// longestRequire is how long the condition that twins must meet can be: at least
// half of a query is for the ids of devices.
const longestRequire = rollout.MaxCondition / 2

// ensureJob sees to it that the hub has a job. One that may have been created
// before is looked for first; one that is in the hub's way is waited for.
func (a *app) ensureJob(ctx context.Context, client *rest.Client, run rollout.RunJob) error {
	look := run.IsRetry
	return a.insist(ctx, func() error {
		if look {
			existing, err := client.Job(ctx, run.Job.JobID)
			if err == nil {
				return sameJob(existing, run.Job)
			}
			if !isStatus(err, 404) {
				return err
			}
		}
		_, err := client.CreateJob(ctx, run.Job)
		switch {
		case err == nil:
			return nil
		case isStatus(err, 409):
			existing, err := client.Job(ctx, run.Job.JobID)
			if err != nil {
				return err
			}
			return sameJob(existing, run.Job)
		case watch.Retryable(err) && !tooManyJobs(err):
			look = true // it may have been created all the same
			return err
		}
		return err
	})
}

// sameJob makes sure that the hub's job of the id is the rollout's.
func sameJob(have, want iothub.Job) error {
	if have.Type != want.Type || have.QueryCondition != want.QueryCondition {
		return fmt.Errorf("job %s of the hub is not the rollout's: somebody else has used its id; begin a new rollout", want.JobID)
	}
	return nil
}

func isStatus(err error, status int) bool {
	var refusal *iothub.Error
	return errors.As(err, &refusal) && refusal.Status == status
}

// failing returns those devices whose twins do not meet a condition.
func (a *app) failing(ctx context.Context, client *rest.Client, devices []string, condition string) ([]string, error) {
	meet := make(map[string]bool)
	for _, part := range rollout.SplitDevices(devices, rollout.MaxCondition-len(condition)) {
		// The condition has a line of its own, so that its positions can be told.
		where := rest.DevicesIn(part) + " AND (\n" + condition + "\n)"
		err := a.insist(ctx, func() error {
			found, err := a.selectDevices(ctx, client, where)
			for _, d := range found {
				meet[d.DeviceID] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(devices), func(id string) bool { return meet[id] }), nil
}

// insist does something again while the hub is busy or cannot be reached: without
// end if it is busy, for a while if it is away.
func (a *app) insist(ctx context.Context, do func() error) error {
	var lost time.Time
	told := ""
	for pause := firstFullPause; ; pause = min(pause*2, lastFullPause) {
		err := do()
		if err == nil || ctx.Err() != nil || !tooManyJobs(err) && !watch.Retryable(err) {
			return err
		}
		now := a.now()
		text := err.Error()
		switch {
		case tooManyJobs(err):
			text, lost = "the hub has as many active jobs as it takes; waiting until one has ended", time.Time{}
		case isStatus(err, 429):
			lost = time.Time{}
		case lost.IsZero():
			lost = now
		case now.Sub(lost) >= watch.MaxOutage:
			return fmt.Errorf("%w: the hub could not be asked for %s: %w", watch.ErrTimeout, ui.Duration(watch.MaxOutage), err)
		}
		if text != told {
			a.note("note: %s", text)
			told = text
		}
		if err := a.sleep(ctx, pause); err != nil {
			return err
		}
	}
}
