package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// While the hub is at its limit on active jobs, latchctl retries. The pause before a
// retry starts at firstRetryPause and doubles up to lastRetryPause.
const (
	firstRetryPause = time.Second
	lastRetryPause  = 15 * time.Second
)

// createJob creates a job on the hub. While the hub is at its limit on active jobs,
// it retries until the time wait has passed. With a wait of 0 it does not retry, and
// returns an error that recommends --wait. The second result is the time left of
// wait. It is at least one second, because 0 would mean no limit.
func (a *app) createJob(ctx context.Context, client *rest.Client, job iothub.Job, wait seconds) (iothub.Job, seconds, error) {
	limit := time.Duration(wait) * time.Second
	begin := a.now()

	for pause := firstRetryPause; ; pause = min(pause*2, lastRetryPause) {
		created, err := client.CreateJob(ctx, job)
		left := limit - a.now().Sub(begin)

		switch {
		case err == nil && wait == 0:
			return created, 0, nil
		case err == nil:
			return created, seconds(max(left/time.Second, 1)), nil
		case !tooManyJobs(err):
			return created, 0, explainCreateError(job, err)
		case wait == 0:
			return created, 0, fmt.Errorf("nothing was scheduled: the hub has reached its limit on active jobs; "+
				"list them with 'latchctl job list', or add --wait 10m to wait until one ends: %w", err)
		case left <= 0:
			return created, 0, fmt.Errorf("%w: nothing was scheduled: the hub was at its limit on active jobs for %s: %w",
				watch.ErrTimeout, words.Duration(limit), err)
		case pause == firstRetryPause:
			a.note("note: the hub has reached its limit on active jobs; waiting up to %s until a job has ended", words.Duration(limit))
		}

		if err := a.sleep(ctx, min(pause, left)); err != nil {
			return created, 0, err
		}
	}
}

// tooManyJobs reports whether the hub refused a job because too many other jobs are
// active. It returns false if the answer to an earlier attempt was lost, because one of
// the active jobs may then be the job itself.
func tooManyJobs(err error) bool {
	refusal, ok := errors.AsType[*iothub.Error](err)
	if !ok || isError[*rest.NetworkError](err) {
		return false
	}

	return refusal.Code == iothub.CodeTooManyJobs || refusal.Code == iothub.CodeJobQuotaExceeded
}

// explainCreateError adds to an error of CreateJob the remedy, and a warning if the
// hub may run the job despite the error.
func explainCreateError(job iothub.Job, err error) error {
	network, isNetwork := errors.AsType[*rest.NetworkError](err)

	switch {
	case hasHubStatus(err, 409):
		return fmt.Errorf("the job id %s is in use; give another --id: %w", job.JobID, err)
	case hasHubStatus(err, 400):
		return fmt.Errorf("the hub rejects the job: %w", err)
	case errors.Is(err, context.Canceled):
		return &unknownOutcome{fmt.Errorf("interrupted; the hub may run the job anyway; see 'latchctl job show %s'", words.ShellArgument(job.JobID))}
	case isNetwork && network.Sent():
		return &unknownOutcome{fmt.Errorf("%w; the hub may run the job anyway; see 'latchctl job show %s'", err, words.ShellArgument(job.JobID))}
	}

	return err
}
