// Package watch follows a job until it ends and judges the result of each device.
// Use [Job] to follow a job, or [Rows] to read the current results of a job. [Retry]
// repeats requests while the hub is unavailable.
//
// Guarantees:
//   - While the job runs, Job reads only the job itself. It reads the rows (the results
//     of the devices) after the job's end, because each read of the rows counts against
//     the hub's query quota.
//   - Job tolerates an outage of the hub of up to [MaxOutage].
//   - A device counts as succeeded only if its row says so. A device whose row is
//     missing or not final counts as unfinished.
package watch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
)

// The pause between two reads of a running job grows by a quarter each time, from
// minPause to maxPause. It starts again at minPause when the job's status changes.
const (
	minPause = 200 * time.Millisecond
	maxPause = 2 * time.Second
	// scheduledPause is the pause between two reads of a job whose start is more than
	// 2*scheduledPause away.
	scheduledPause = 15 * time.Second
)

// A hub can report a job as completed before it has written the result of every
// device. Job then reads the results up to rowAttempts times, with pauses of
// rowPause.
const (
	rowAttempts = 5
	rowPause    = time.Second
)

// ErrTimeout means that the job did not end within the time limit, or that the hub was
// unreachable for longer than MaxOutage. The job continues on the hub.
var ErrTimeout = errors.New("timed out waiting")

// Hub is the part of the service API that this package uses.
type Hub interface {
	Job(ctx context.Context, id string) (iothub.Job, error)
	DeviceJobs(ctx context.Context, jobID string) iter.Seq2[iothub.DeviceJob, error]
}

// Options configures Job.
type Options struct {
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error
	Progress func(iothub.Job) // receives the job after each read
	Note     func(string)     // receives a message when the connection is lost and when it is restored
	Limit    time.Duration    // maximum time to wait for the job's end; 0 means no limit

	// Known tells Job that the hub has just accepted the job. Job then retries even
	// if its first read fails. If Known is false, an error of the first read ends
	// Job.
	Known bool
}

// Job follows a job until it ends. It returns the job with the result of each device.
func Job(ctx context.Context, hub Hub, id string, opts Options) (Report, error) {
	w := &watcher{hub: hub, id: id, opts: opts, started: opts.Now()}
	job, err := w.awaitEnd(ctx)
	if err != nil {
		return Report{Job: job}, err
	}

	return w.readFinalRows(ctx, job)
}

// Rows reads and judges the results of a job's devices. The job may still be running.
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

// watcher is the state of one call of Job.
type watcher struct {
	hub     Hub
	id      string // id of the job
	opts    Options
	started time.Time
	reached bool // the hub has answered at least once
}

// awaitEnd reads the job repeatedly until it has ended.
func (w *watcher) awaitEnd(ctx context.Context) (iothub.Job, error) {
	var last iothub.Job
	pause := minPause

	for {
		var job iothub.Job
		err := w.read(ctx, func() (err error) {
			job, err = w.hub.Job(ctx, w.id)
			return err
		})
		if err != nil {
			return last, err
		}

		if job.Status != last.Status {
			pause = minPause
		}
		last = job
		w.opts.Progress(job)
		if job.Status.Ended() {
			return job, nil
		}

		next := pause
		if job.Status == iothub.JobScheduled && job.StartTime != nil && job.StartTime.Sub(w.opts.Now()) > 2*scheduledPause {
			next = scheduledPause
		}
		if err := w.sleep(ctx, next); err != nil {
			return last, err
		}
		pause = min(pause*5/4, maxPause)
	}
}

// readFinalRows reads the devices' results after a job's end. It reads them up to
// rowAttempts times, until the hub has the result of every device.
func (w *watcher) readFinalRows(ctx context.Context, job iothub.Job) (Report, error) {
	for attempt := 1; ; attempt++ {
		var r Report
		err := w.read(ctx, func() (err error) {
			r, err = Rows(ctx, w.hub, job)
			return err
		})
		if err != nil {
			return Report{Job: job}, err
		}

		if job.Status != iothub.JobCompleted || r.final() || attempt == rowAttempts {
			return r, nil
		}

		if err := w.sleep(ctx, rowPause); err != nil {
			return r, err
		}
	}
}

// sleep waits for d, but not longer than the time limit. If the time limit has
// passed, it returns ErrTimeout at once.
func (w *watcher) sleep(ctx context.Context, d time.Duration) error {
	if w.opts.Limit > 0 {
		left := w.started.Add(w.opts.Limit).Sub(w.opts.Now())
		if left <= 0 {
			return fmt.Errorf("%w: job %s did not end within %s", ErrTimeout, w.id, words.Duration(w.opts.Limit))
		}
		d = min(d, left)
	}

	return w.opts.Sleep(ctx, d)
}

// read repeats a read while the hub is unavailable. Until the hub has answered once, only a
// job that the hub has accepted is worth a repetition.
func (w *watcher) read(ctx context.Context, do func() error) error {
	r := Retry{Now: w.opts.Now, Sleep: w.sleep, Note: w.opts.Note, Meanwhile: "the job continues on the hub"}
	if w.reached || w.opts.Known {
		r.Patience = Patient
	}

	err := r.Do(ctx, do)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.reached = w.reached || err == nil

	return err
}
