package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxJobAge is the age up to which Run expects to find a job on the hub. IoT Hub
// deletes jobs 30 days after their end; one day is a safety margin.
const maxJobAge = 29 * 24 * time.Hour

// Executor holds the functions that perform the actions of a rollout. Each function
// returns when its action is done or its context ends.
type Executor struct {
	// RunJob creates a job unless the hub already has it, and follows the job until it
	// ends.
	RunJob func(ctx context.Context, job RunJob) (JobEnded, error)
	// SleepUntil waits until the given time.
	SleepUntil func(ctx context.Context, t time.Time) error
	// FindFailing returns the ids of the devices whose twins do not meet the condition,
	// and of those that are no longer in the registry.
	FindFailing func(ctx context.Context, devices []string, condition string) (Checked, error)

	// Save writes the state of the rollout to its file.
	Save func(Rollout) error
	Now  func() time.Time
	// Run calls OnStep with each new state and the next action, after it has saved the
	// state.
	OnStep func(r Rollout, next Action)
}

// Run executes the rollout's steps, starting with event e, until the rollout ends, an
// error occurs or ctx ends. It returns the rollout as last saved. After an error, the
// rollout can be resumed.
func Run(ctx context.Context, r Rollout, e Event, x Executor) (Rollout, error) {
	for e != nil {
		next, action := Step(r, e, x.Now())
		if err := x.Save(next); err != nil {
			return r, err
		}
		r = next
		x.OnStep(r, action)

		var err error
		if e, err = x.perform(ctx, r, action); err != nil {
			stop, requested := errors.AsType[stopError](context.Cause(ctx))
			if !requested {
				return r, err
			}
			e = Stop{stop.reason}
		}
	}

	return r, nil
}

// perform executes an action and returns the event that follows from it. It returns nil
// after the last action.
func (x Executor) perform(ctx context.Context, r Rollout, action Action) (Event, error) {
	switch a := action.(type) {
	case RunJob:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if age := x.Now().Sub(a.SubmittedAt); age > maxJobAge {
			return nil, fmt.Errorf("job %s may have been created %d days ago, and a hub deletes jobs after 30 days: it is not known whether the job "+
				"called its devices, so they are not called again; start a new rollout", a.Job.JobID, int(age.Hours()/24))
		}
		result, err := x.RunJob(ctx, a)
		return result, err

	case Soak:
		return SoakOver{}, x.SleepUntil(ctx, a.Until)

	case Check:
		result, err := x.FindFailing(ctx, a.Devices, r.Rules.Require)
		return result, err
	}

	return nil, nil
}
