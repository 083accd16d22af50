package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// maxRequire is the maximum length of the condition in --require. latchctl puts this
// condition and device ids into one query; at least half of the query is left for the
// ids.
const maxRequire = rollout.MaxCondition / 2

// ensureJob creates a job of a rollout on the hub, unless the hub already has it. If an
// earlier attempt may have created the job, ensureJob looks for it first. It waits
// while the hub is busy or at its limit on active jobs.
func (a *app) ensureJob(ctx context.Context, client *rest.Client, run rollout.RunJob) error {
	mayExist := run.IsRetry

	return a.retryWhileUnavailable(ctx, func() error {
		if mayExist {
			existing, err := client.Job(ctx, run.Job.JobID)
			if err == nil {
				return checkSameJob(existing, run.Job)
			}
			if !hasHubStatus(err, 404) {
				return err
			}
		}

		_, err := client.CreateJob(ctx, run.Job)
		switch {
		case hasHubStatus(err, 409):
			existing, err := client.Job(ctx, run.Job.JobID)
			if err != nil {
				return err
			}
			return checkSameJob(existing, run.Job)
		case err != nil && watch.Retryable(err) && !tooManyJobs(err):
			mayExist = true
		}

		return err
	})
}

// checkSameJob compares a job on the hub with the rollout's job of the same id. It
// returns an error if the two jobs differ, because somebody else then created the job
// on the hub.
func checkSameJob(existing, want iothub.Job) error {
	if existing.Type != want.Type || existing.QueryCondition != want.QueryCondition {
		return fmt.Errorf("the hub already has another job with the id %s, which this rollout needs; start a new rollout", want.JobID)
	}

	return nil
}

// findFailing returns the ids of the devices whose twins do not meet a condition.
func (a *app) findFailing(ctx context.Context, client *rest.Client, devices []string, condition string) ([]string, error) {
	meets := make(map[string]bool)
	for _, part := range rollout.SplitDevices(devices, rollout.MaxCondition-len(condition)) {
		// The condition begins on a new line, because conditionPosition corrects line
		// numbers.
		where := rest.DevicesIn(part) + " AND (\n" + condition + "\n)"
		err := a.retryWhileUnavailable(ctx, func() error {
			found, err := a.selectDevices(ctx, client, where)
			for _, d := range found {
				meets[d.DeviceID] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}

	return slices.DeleteFunc(slices.Clone(devices), func(id string) bool { return meets[id] }), nil
}

// retryWhileUnavailable calls do again while the hub is busy, is at its limit on active
// jobs, or cannot be reached. It retries without limit for a busy or full hub, but only
// for watch.MaxOutage while the hub cannot be reached. It prints each new reason once.
func (a *app) retryWhileUnavailable(ctx context.Context, do func() error) error {
	var lostSince time.Time // time at which the hub became unreachable; zero while it can be reached
	lastNote := ""

	for pause := firstRetryPause; ; pause = min(pause*2, lastRetryPause) {
		err := do()
		if err == nil || ctx.Err() != nil || !tooManyJobs(err) && !watch.Retryable(err) {
			return err
		}

		now := a.now()
		note := err.Error()
		switch {
		case tooManyJobs(err):
			note, lostSince = "the hub has reached its limit on active jobs; waiting until a job has ended", time.Time{}
		case hasHubStatus(err, 429):
			lostSince = time.Time{}
		case lostSince.IsZero():
			lostSince = now
		case now.Sub(lostSince) >= watch.MaxOutage:
			return fmt.Errorf("%w: the hub was unavailable for %s: %w", watch.ErrTimeout, ui.Duration(watch.MaxOutage), err)
		}

		if note != lastNote {
			a.note("note: %s", note)
			lastNote = note
		}
		if err := a.sleep(ctx, pause); err != nil {
			return err
		}
	}
}
