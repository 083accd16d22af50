package main

import (
	"context"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// maxRequire is the maximum length of the condition in --require. The condition takes
// at most half of a query, so that the other half can name devices.
const maxRequire = rest.MaxCondition / 2

// runRolloutJob creates a job of a rollout, unless the hub already has it, and follows
// the job until it ends. It looks up in the registry the devices for which the job has
// no answer, because a device may have been deleted.
func (a *app) runRolloutJob(ctx context.Context, client *rest.Client, run rollout.RunJob) (rollout.JobEnded, error) {
	if err := a.ensureJob(ctx, client, run); err != nil {
		return rollout.JobEnded{}, err
	}
	report, err := a.watchJob(ctx, client, run.Job.JobID, 0, true)
	if err != nil {
		return rollout.JobEnded{}, err
	}

	var seen []selectedDevice
	for _, d := range report.Devices {
		if d.Verdict.Outcome != iothub.Gone {
			seen = append(seen, selectedDevice{DeviceID: d.DeviceID})
		}
	}
	unseen := missingDevices(run.Devices, seen)
	exist, err := a.selectParts(ctx, client, unseen, "")
	if err != nil {
		return rollout.JobEnded{}, err
	}

	return rollout.JobEnded{Report: report, Gone: missingDevices(unseen, exist)}, nil
}

// ensureJob creates a job of a rollout on the hub, unless the hub already has it. It
// waits while the hub is busy or at its limit on active jobs.
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
func (a *app) findFailing(ctx context.Context, client *rest.Client, devices []string, condition string) (rollout.Checked, error) {
	var result rollout.Checked

	meet, err := a.selectParts(ctx, client, devices, condition)
	if err != nil {
		return result, err
	}
	result.Failing = missingDevices(devices, meet)
	if len(result.Failing) == 0 {
		return result, nil
	}

	exist, err := a.selectParts(ctx, client, result.Failing, "")
	if err != nil {
		return rollout.Checked{}, err
	}
	result.Gone = missingDevices(result.Failing, exist)
	result.Failing = missingDevices(result.Failing, devicesOf(result.Gone))

	return result, nil
}

// selectParts returns those of the given devices that are in the registry and meet a
// condition. An empty condition is always met. selectParts retries while the hub is
// unavailable.
func (a *app) selectParts(ctx context.Context, client *rest.Client, ids []string, condition string) ([]selectedDevice, error) {
	var devices []selectedDevice
	for _, part := range rest.SplitDevices(ids, rest.MaxCondition-len(condition)) {
		where := rest.DevicesIn(part)
		if condition != "" {
			// The condition begins on a new line, so that conditionPosition can correct
			// the line numbers in the hub's error messages.
			where += " AND (\n" + condition + "\n)"
		}

		var found []selectedDevice
		err := a.retryWhileUnavailable(ctx, func() (err error) {
			found, err = a.selectDevices(ctx, client, where)
			return err
		})
		if err != nil {
			return nil, err
		}
		devices = append(devices, found...)
	}

	return devices, nil
}

// retryWhileUnavailable repeats a request while the hub cannot accept it, and prints
// each new reason once:
//   - If the hub is busy or at its limit on active jobs, it retries without limit.
//   - If the hub cannot be reached, it retries for watch.MaxOutage.
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
			return fmt.Errorf("%w: the hub was unavailable for %s: %w", watch.ErrTimeout, words.Duration(watch.MaxOutage), err)
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
