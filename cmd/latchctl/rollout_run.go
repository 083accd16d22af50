package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
)

// runRollout runs a rollout until it ends, and prints the result. It locks the
// rollout before it loads the rollout's file, because another latchctl process may
// change the file of an unlocked rollout.
func (a *app) runRollout(ctx context.Context, f *fleet.Fleet, store rollout.Store, id string, wait seconds,
	load func() (rollout.Rollout, error)) error {
	unlock, err := store.Lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := store.ClearStop(id); err != nil {
		return err
	}
	r, err := load()
	if err != nil {
		return err
	}

	ctx, end := store.WithStop(ctx, id)
	defer end()
	if wait > 0 {
		limit := time.Duration(wait) * time.Second
		timeout := fmt.Errorf("%w: rollout %s did not end within %s", watch.ErrTimeout, id, words.Duration(limit))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, timeout)
		defer cancel()
	}

	a.note("rollout %s on %s", id, a.hub)
	x := rollout.OnFleet(f, store)
	x.OnStep = a.rolloutNotes(r)
	r, err = rollout.Run(ctx, r, rollout.Start{}, x)
	if err != nil {
		a.noteResumable(r)
		if cause := context.Cause(ctx); errors.Is(cause, watch.ErrTimeout) {
			return cause
		}
		return err
	}

	if err := store.ClearStop(id); err != nil {
		return err
	}
	return a.reportRollout(r)
}

// noteResumable tells the user how to continue a rollout that has not ended.
func (a *app) noteResumable(r rollout.Rollout) {
	a.noteRunningJob(r)
	a.note("to continue the rollout, run: %s", a.resumeCommand(r))
}

// resumeCommand returns the command that continues a rollout on the same hub.
func (a *app) resumeCommand(r rollout.Rollout) string {
	return a.command("rollout resume", r.ID)
}

// noteRunningJob tells the user if a job of the rollout may still be running.
func (a *app) noteRunningJob(r rollout.Rollout) {
	if job := r.RunningJob(); job != "" {
		a.note("job %s may still be running; it runs to completion", job)
	}
}

// rolloutNotes returns a function that prints a note for each step of a rollout. Call
// rolloutNotes before the first step.
func (a *app) rolloutNotes(r rollout.Rollout) func(rollout.Rollout, rollout.Action) {
	current := r.CurrentWave()
	name := func(wave int) string { return fmt.Sprintf("wave %d of %d", wave+1, len(r.Waves)) }

	return func(r rollout.Rollout, next rollout.Action) {
		for ; current < r.CurrentWave(); current++ {
			a.note("%s passed: %s", name(current), countsLine(r.Waves[current].Counts()))
		}
		current = r.CurrentWave() // The current wave moves back when a rollout retries failed devices.

		switch next := next.(type) {
		case rollout.RunJob:
			verb := "job"
			if next.IsRetry {
				verb = "continuing job"
			}
			a.note("%s: %s, %s %s", name(current), words.Count(len(next.Devices), "device"), verb, next.Job.JobID)
		case rollout.Soak:
			a.note("%s: %s; soaking until %s", name(current), countsLine(r.Waves[current].Counts()), a.localTime(&next.Until))
		case rollout.Check:
			a.note("%s: checking %s", name(current), words.Count(len(next.Devices), "twin"))
		}
	}
}
