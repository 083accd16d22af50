package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	firstFullPause = time.Second
	lastFullPause  = 15 * time.Second
)

// createJob sends a new job. A hub that has as many active jobs as it takes is
// asked again until wait is over; what is left of wait is returned. Without a
// wait that is an error, which offers one.
func (a *app) createJob(ctx context.Context, client *rest.Client, job iothub.Job, wait seconds) (iothub.Job, seconds, error) {
	limit := time.Duration(wait) * time.Second
	begun := a.now()
	for pause := firstFullPause; ; pause = min(pause*2, lastFullPause) {
		created, err := client.CreateJob(ctx, job)
		left := limit - a.now().Sub(begun)
		switch {
		case err == nil && wait == 0:
			return created, 0, nil
		case err == nil:
			return created, seconds(max(left/time.Second, 1)), nil // 0 would be without end
		case !tooManyJobs(err):
			return created, 0, a.notCreated(job, err)
		case wait == 0:
			return created, 0, fmt.Errorf("nothing was scheduled: the hub has as many active jobs as it takes, see 'latchctl job list'; "+
				"to wait until one has ended, add --wait 10m: %w", err)
		case left <= 0:
			return created, 0, fmt.Errorf("%w: nothing was scheduled, the hub had as many active jobs as it takes for %s: %w",
				watch.ErrTimeout, ui.Duration(limit), err)
		case pause == firstFullPause:
			a.note("note: the hub has as many active jobs as it takes; waiting up to %s until one has ended", ui.Duration(limit))
		}
		if err := a.sleep(ctx, min(pause, left)); err != nil {
			return created, 0, err
		}
	}
}

// tooManyJobs reports whether a job was refused only because of other jobs. After
// a lost answer it may be the job itself that fills the hub.
func tooManyJobs(err error) bool {
	var refusal *iothub.Error
	var lost *rest.NetworkError
	return !errors.As(err, &lost) && errors.As(err, &refusal) && (refusal.Code == iothub.CodeTooManyJobs || refusal.Code == iothub.CodeJobQuotaExceeded)
}

// notCreated says what a failed creation means.
func (a *app) notCreated(job iothub.Job, err error) error {
	var refusal *iothub.Error
	var network *rest.NetworkError
	switch {
	case errors.As(err, &refusal) && refusal.Status == 409:
		return fmt.Errorf("the job id %s is in use; give another --id: %w", job.JobID, err)
	case errors.As(err, &refusal) && refusal.Status == 400:
		return fmt.Errorf("the hub does not take the job: %w", err)
	case errors.Is(err, context.Canceled):
		return &unknownOutcome{fmt.Errorf("interrupted; the job may run all the same, see 'latchctl job show %s'", job.JobID)}
	case errors.As(err, &network) && network.Sent():
		return &unknownOutcome{fmt.Errorf("%w; the job may run all the same, see 'latchctl job show %s'", err, job.JobID)}
	}
	return err
}
