package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// Work is a command that may need several jobs: IoT Hub limits the length of a
// condition, so one job cannot name any number of devices.
type Work struct {
	Name    string // what the notes call the command, such as "the retry"
	Jobs    []iothub.Job
	Devices int           // number of devices of all jobs; 0 if the jobs do not name their devices
	Wait    time.Duration // how long to wait for the end of all jobs; 0 means no limit
}

// Plan returns the jobs that do the work of job on the selected devices. If the job has
// no id, its ids are generated from the operation's name.
func (f *Fleet) Plan(s Selection, job iothub.Job, op Operation) []iothub.Job {
	if len(s.IDs) == 0 {
		if job.QueryCondition = s.Where; job.JobID == "" {
			job.JobID = f.NewJobID(op.Name)
		}
		return []iothub.Job{job}
	}

	var jobs []iothub.Job
	for _, part := range rest.SplitDevices(s.IDs, rest.MaxCondition) {
		job.JobID, job.QueryCondition = f.NewJobID(op.Name), rest.DevicesIn(part)
		jobs = append(jobs, job)
	}

	return jobs
}

// NewJobID generates a job id from the name of an operation, the time and random
// letters.
func (f *Fleet) NewJobID(name string) string {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
	if len(word) > 30 {
		word = word[:30]
	}

	return word + "-" + f.Now().UTC().Format("20060102-150405") + "-" + f.NewID()
}

// Create creates jobs and does not wait for their end. It returns the jobs that it has
// created, even if it returns an error, too.
func (f *Fleet) Create(ctx context.Context, work Work) ([]iothub.Job, error) {
	var created []iothub.Job
	for _, job := range work.Jobs {
		one, err := f.createJob(ctx, job, work.Wait)
		if err != nil {
			return created, err
		}
		one.JobID = job.JobID
		created = append(created, one)
	}

	return created, nil
}

// Run creates jobs, one after the other, follows each to its end and returns the results
// of all. It stops after a job that did not complete. If an error ends it early, it
// returns the error and the results that it has.
func (f *Fleet) Run(ctx context.Context, work Work) (watch.Report, error) {
	var all watch.Report
	begin := f.Now()

	for i, job := range work.Jobs {
		passed := f.Now().Sub(begin)
		if work.Wait > 0 && i > 0 && passed >= work.Wait {
			return all, fmt.Errorf("%w: the jobs did not end within %s", watch.ErrTimeout, words.Duration(work.Wait))
		}
		if _, err := f.createJob(ctx, job, work.left(passed)); err != nil {
			return all, err
		}
		f.Note("job %s on %s", job.JobID, f.HubName)

		report, err := f.follow(ctx, job.JobID, work.left(f.Now().Sub(begin)), true)
		if err != nil {
			return all, err
		}
		all = all.Join(report)

		if report.Job.Status != iothub.JobCompleted {
			if left := work.Devices - all.Total(); left > 0 {
				f.Note("%s stopped early; not called: %s", work.Name, words.Count(left, "device"))
			}
			break
		}
	}

	return all, nil
}

// left returns the time that is left of Wait after the given time, at least one second.
// It returns 0 if there is no limit.
func (w Work) left(passed time.Duration) time.Duration {
	if w.Wait == 0 {
		return 0
	}

	return max(w.Wait-passed, time.Second)
}

// Follow follows an existing job until it ends or wait is over, and returns the results.
// A wait of 0 has no limit. A note tells the user if the job continues on the hub.
func (f *Fleet) Follow(ctx context.Context, id string, wait time.Duration) (watch.Report, error) {
	return f.follow(ctx, id, wait, false)
}

func (f *Fleet) follow(ctx context.Context, id string, wait time.Duration, known bool) (watch.Report, error) {
	report, err := f.Watch(ctx, id, wait, known)
	if err != nil && (ctx.Err() != nil || errors.Is(err, watch.ErrTimeout)) {
		f.Note("the job continues; watch it again with: %s", f.Command("job watch", id))
	}

	return report, err
}

// Watch follows a job like Follow, without that note. If known is true, the hub has
// accepted the job, and Watch retries even if its first request does not reach the hub.
func (f *Fleet) Watch(ctx context.Context, id string, wait time.Duration, known bool) (watch.Report, error) {
	show, end := f.Progress()
	defer end()

	return watch.Job(ctx, f.Hub, id, watch.Options{
		Now:      f.Now,
		Sleep:    f.Sleep,
		Limit:    wait,
		Known:    known,
		Note:     func(text string) { f.Note("%s", text) },
		Progress: show,
	})
}

// createJob creates a job on the hub. While the hub is at its limit on active jobs, it
// retries until the time wait has passed. With a wait of 0 it does not retry, and
// returns an error that recommends --wait.
func (f *Fleet) createJob(ctx context.Context, job iothub.Job, wait time.Duration) (iothub.Job, error) {
	var created iothub.Job
	err := f.Retry(ctx, watch.Patience{Full: wait}, func() (err error) {
		created, err = f.Hub.CreateJob(ctx, job)
		return f.explainCreateError(job, err)
	})
	if watch.IsFull(err) && !errors.Is(err, watch.ErrTimeout) {
		err = fmt.Errorf("nothing was scheduled: the hub has reached its limit on active jobs; "+
			"list them with 'latchctl job list', or add --wait 10m to wait until one ends: %w", err)
	}

	return created, err
}

// explainCreateError adds to an error of CreateJob the remedy, and a warning if the
// hub may run the job despite the error.
func (f *Fleet) explainCreateError(job iothub.Job, err error) error {
	network, isNetwork := errors.AsType[*rest.NetworkError](err)

	switch {
	case HasStatus(err, 409):
		return fmt.Errorf("the job id %s is in use; give another --id: %w", job.JobID, err)
	case HasStatus(err, 400):
		return fmt.Errorf("the hub rejects the job: %w", err)
	case errors.Is(err, context.Canceled):
		return &UnknownOutcome{fmt.Errorf("interrupted; the hub may run the job anyway; see '%s'", f.Command("job show", job.JobID))}
	case isNetwork && network.Sent():
		return &UnknownOutcome{fmt.Errorf("%w; the hub may run the job anyway; see '%s'", err, f.Command("job show", job.JobID))}
	}

	return err
}

// Cancel cancels a job that has not started. If the hub refuses, the error says why, from
// the state of the job.
func (f *Fleet) Cancel(ctx context.Context, id string) (iothub.Job, error) {
	job, refusal := f.Hub.CancelJob(ctx, id)
	if !HasStatus(refusal, 400) {
		return job, refusal
	}

	job, err := f.Hub.Job(ctx, id)
	switch {
	case err != nil || job.Status == iothub.JobScheduled:
		return job, fmt.Errorf("the hub did not cancel job %s: %w", id, refusal)
	case job.Status.Ended():
		return job, fmt.Errorf("job %s has ended (%s) and cannot be cancelled: %w", id, job.Status, refusal)
	}

	return job, fmt.Errorf("job %s has started (%s), and IoT Hub cannot cancel a started job: %w", id, job.Status, refusal)
}
