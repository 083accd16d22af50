package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/rest"
)

// runRollout takes a rollout on and shows what became of it. Only with the lock in
// hand it is read: until then another process may have taken it further.
func (a *app) runRollout(ctx context.Context, client *rest.Client, store rollout.Store, id string, wait seconds,
	read func() (rollout.Rollout, error)) error {
	unlock, err := store.Lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := store.ClearStop(id); err != nil {
		return err
	}
	r, err := read()
	if err != nil {
		return err
	}
	ctx, end := store.WithStop(ctx, id)
	defer end()
	if wait > 0 {
		limit := time.Duration(wait) * time.Second
		over := fmt.Errorf("%w: rollout %s had not ended after %s", watch.ErrTimeout, id, ui.Duration(limit))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, over)
		defer cancel()
	}
	a.note("rollout %s", id)
	r, err = rollout.Run(ctx, r, rollout.Start{}, rollout.Executor{
		RunJob: func(ctx context.Context, job rollout.RunJob) (watch.Report, error) {
			return a.rolloutJob(ctx, client, job)
		},
		FindFailing: func(ctx context.Context, devices []string, condition string) ([]string, error) {
			return a.failing(ctx, client, devices, condition)
		},
		SleepUntil: func(ctx context.Context, until time.Time) error { return a.sleep(ctx, until.Sub(a.now())) },
		Save:       store.Save,
		Now:        a.now,
		OnStep:     a.tellRollout(r),
	})
	if err != nil {
		a.rolloutGoesOn(r)
		if cause := context.Cause(ctx); errors.Is(cause, watch.ErrTimeout) {
			return cause
		}
		return err
	}
	if err := store.ClearStop(id); err != nil {
		return err
	}
	return a.rolloutEnded(r)
}

// rolloutGoesOn says how a rollout stands that is left in the middle.
func (a *app) rolloutGoesOn(r rollout.Rollout) {
	if job := r.RunningJob(); job != "" {
		a.note("job %s may run, and goes on; no other is scheduled", job)
	}
	a.note("the rollout can be taken up where it is, with: latchctl rollout resume %s", r.ID)
}

// tellRollout returns what tells of a rollout's steps, from its state before them.
func (a *app) tellRollout(r rollout.Rollout) func(rollout.Rollout, rollout.Action) {
	at := r.CurrentWave()
	wave := func(r rollout.Rollout, at int) string { return fmt.Sprintf("wave %d of %d", at+1, len(r.Waves)) }
	return func(r rollout.Rollout, next rollout.Action) {
		for ; at < r.CurrentWave(); at++ {
			a.note("%s has passed: %s", wave(r, at), countsLine(r.Waves[at].Counts()))
		}
		at = r.CurrentWave() // after a retry it is an earlier one
		switch next := next.(type) {
		case rollout.RunJob:
			verb := "job"
			if next.IsRetry {
				verb = "taking up job"
			}
			a.note("%s: %s, %s %s", wave(r, at), plural(len(next.Devices), "device"), verb, next.Job.JobID)
		case rollout.Soak:
			a.note("%s: %s; soaking until %s", wave(r, at), countsLine(r.Waves[at].Counts()), a.localTime(&next.Until))
		case rollout.Check:
			a.note("%s: looking at %s", wave(r, at), plural(len(next.Devices), "twin"))
		}
	}
}

// rolloutJob makes sure that the hub has a job, and follows it to its end.
func (a *app) rolloutJob(ctx context.Context, client *rest.Client, run rollout.RunJob) (watch.Report, error) {
	if err := a.ensureJob(ctx, client, run); err != nil {
		return watch.Report{}, err
	}
	return a.watchJob(ctx, client, run.Job.JobID, 0, true)
}
