// Package watch follows a job to its end and judges what became of each device.
//
// It polls the job, and reads the devices' rows only once the job has ended, so
// that a hub's quota of queries is not spent. A hub that cannot be reached for a
// while is waited for. It claims no success that a row does not show: a device
// without a row, or whose row is not final, is counted as unfinished.
package watch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
)

const (
	firstPause = 200 * time.Millisecond
	lastPause  = 2 * time.Second
	// farPause is the pause while the job's start is more than that away.
	farPause = 15 * time.Second
	// Patience is how long a hub that cannot be reached is waited for.
	Patience = 5 * time.Minute
	// rowAttempts and rowPause say how often rows are read again that a hub has
	// not written yet, although the job has ended.
	rowAttempts = 5
	rowPause    = time.Second
)

// ErrTimeout says that the time to wait was over before the job had ended. The
// job itself goes on.
var ErrTimeout = errors.New("timed out waiting")

// Hub is what is needed of the service API.
type Hub interface {
	Job(ctx context.Context, id string) (iothub.Job, error)
	DeviceJobs(ctx context.Context, jobID string) iter.Seq2[iothub.DeviceJob, error]
}

// Options say how to watch.
type Options struct {
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error
	Progress func(iothub.Job) // told of each picture of the job
	Note     func(string)     // told of a lost connection, and of its return
	Limit    time.Duration    // how long to wait at all; 0: without end

	// Known says that the hub has just taken the job. Else a hub that cannot be
	// reached at the very first is an error at once, and not waited for.
	Known bool
}

// Job watches a job until it has ended, and returns it with its rows judged.
func Job(ctx context.Context, hub Hub, id string, opts Options) (Report, error) {
	w := &watcher{hub: hub, id: id, opts: opts, begun: opts.Now()}
	job, err := w.end(ctx)
	if err != nil {
		return Report{Job: job}, err
	}
	return w.report(ctx, job)
}

// Rows reads and judges the rows of a job as they are now.
func Rows(ctx context.Context, hub Hub, job iothub.Job) (Report, error) {
	r := Report{Job: job}
	for row, err := range hub.DeviceJobs(ctx, job.JobID) {
		if err != nil {
			return r, err
		}
		r.Devices = append(r.Devices, Device{row, row.Judge()})
	}
	if s := job.DeviceJobStatistics; s != nil {
		r.Missing = max(0, s.DeviceCount-len(r.Devices))
	}
	r.sort()
	return r, nil
}

type watcher struct {
	hub   Hub
	id    string
	opts  Options
	begun time.Time
	seen  bool      // the hub has answered
	lost  time.Time // since when the hub cannot be reached; zero: it can
}

// end polls until the job has ended.
func (w *watcher) end(ctx context.Context) (iothub.Job, error) {
	var last iothub.Job
	pause := firstPause
	for {
		job, err := w.hub.Job(ctx, w.id)
		if err != nil {
			if err := w.bear(ctx, err, lastPause); err != nil {
				return last, err
			}
			continue
		}
		w.found()
		if job.Status != last.Status {
			pause = firstPause
		}
		last = job
		w.opts.Progress(job)
		if job.Status.Ended() {
			return job, nil
		}
		now := w.opts.Now()
		next := pause
		if job.Status == iothub.JobScheduled && job.StartTime != nil && job.StartTime.Sub(now) > 2*farPause {
			next = farPause
		}
		if err := w.wait(ctx, next); err != nil {
			return last, err
		}
		pause = min(pause*5/4, lastPause)
	}
}

// wait sleeps, but not beyond the limit.
func (w *watcher) wait(ctx context.Context, d time.Duration) error {
	if w.opts.Limit > 0 {
		left := w.begun.Add(w.opts.Limit).Sub(w.opts.Now())
		if left <= 0 {
			return fmt.Errorf("%w: job %s had not ended after %s", ErrTimeout, w.id, ui.Duration(w.opts.Limit))
		}
		d = min(d, left)
	}
	return w.opts.Sleep(ctx, d)
}

// bear waits after an error that may pass, and returns one that will not.
func (w *watcher) bear(ctx context.Context, err error, pause time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !Passing(err) || !w.seen && !w.opts.Known {
		return err
	}
	now := w.opts.Now()
	if w.lost.IsZero() {
		w.lost = now
		w.opts.Note(fmt.Sprintf("note: %v; the job goes on without us, trying again for %s", err, ui.Duration(Patience)))
	}
	if now.Sub(w.lost) >= Patience {
		return fmt.Errorf("%w: job %s: the hub could not be asked for %s: %w", ErrTimeout, w.id, ui.Duration(Patience), err)
	}
	return w.wait(ctx, pause)
}

func (w *watcher) found() {
	w.seen = true
	if !w.lost.IsZero() {
		w.opts.Note(fmt.Sprintf("note: the hub answers again, after %s", ui.Duration(w.opts.Now().Sub(w.lost).Round(time.Second))))
		w.lost = time.Time{}
	}
}

// Passing reports whether the same request may succeed later.
func Passing(err error) bool {
	var temporary interface{ Temporary() bool }
	if errors.As(err, &temporary) {
		return temporary.Temporary()
	}
	var refusal *iothub.Error
	return errors.As(err, &refusal) &&
		(refusal.Status == http.StatusTooManyRequests || refusal.Status >= http.StatusInternalServerError)
}

// report reads the rows of a job that has ended, again if some are not written yet.
func (w *watcher) report(ctx context.Context, job iothub.Job) (Report, error) {
	for attempt := 1; ; {
		r, err := Rows(ctx, w.hub, job)
		if err != nil {
			if err := w.bear(ctx, err, lastPause); err != nil {
				return Report{Job: job}, err
			}
			continue
		}
		w.found()
		if job.Status != iothub.JobCompleted || r.final() || attempt == rowAttempts {
			return r, nil
		}
		attempt++
		if err := w.wait(ctx, rowPause); err != nil {
			return r, err
		}
	}
}
