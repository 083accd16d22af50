package main

import (
	"context"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// jobSeries is a command that may need several jobs: IoT Hub limits the length of a
// condition, so one job cannot name any number of devices.
type jobSeries struct {
	name    string // what the notes call the command, such as "the retry"
	jobs    []iothub.Job
	devices int     // number of devices of all jobs; 0 if the jobs do not name their devices
	wait    seconds // how long to wait for the end of all jobs; 0 means no limit
}

// newSeries returns the jobs that do the work of job on the given devices. Each job has
// an id that is generated from word.
func (a *app) newSeries(job iothub.Job, ids []string, word string) []iothub.Job {
	var jobs []iothub.Job
	for _, part := range rest.SplitDevices(ids, rest.MaxCondition) {
		job.JobID, job.QueryCondition = a.newJobID(word), rest.DevicesIn(part)
		jobs = append(jobs, job)
	}

	return jobs
}

// runAndReport runs jobs one after the other, prints the result of each device and
// returns the exit status. If an error ends the jobs early, it prints the results that
// it has.
func (a *app) runAndReport(ctx context.Context, client *rest.Client, series jobSeries) error {
	report, failure := a.runJobs(ctx, client, series)
	if report.Total() == 0 && failure != nil {
		return failure
	}
	if err := a.showReport(report, false); err != nil {
		return err
	}

	return a.seriesExitStatus(series, report, failure)
}

// seriesExitStatus returns the exit status of jobs, as an error. failure is the error
// that ended the jobs early, or nil.
func (a *app) seriesExitStatus(series jobSeries, report watch.Report, failure error) error {
	if failure == nil {
		return jobExitStatus(report)
	}

	a.note("%s stopped early; %s had no result", series.name, words.Count(series.devices-report.Total(), "device"))
	return failure
}

// runJobs runs jobs one after the other and returns the results of all of them. It stops
// after a job that did not complete. If an error ends it early, it returns the error and
// the results that it has.
func (a *app) runJobs(ctx context.Context, client *rest.Client, series jobSeries) (watch.Report, error) {
	var all watch.Report
	limit := time.Duration(series.wait) * time.Second
	begin := a.now()

	for i, job := range series.jobs {
		wait := series.wait
		if limit > 0 && i > 0 {
			left := limit - a.now().Sub(begin)
			if left <= 0 {
				return all, fmt.Errorf("%w: the jobs did not end within %s", watch.ErrTimeout, words.Duration(limit))
			}
			wait = seconds(max(left/time.Second, 1))
		}

		_, wait, err := a.createJob(ctx, client, job, wait)
		if err != nil {
			return all, err
		}
		a.note("job %s", job.JobID)

		report, err := a.watchJob(ctx, client, job.JobID, wait, true)
		if err != nil {
			a.noteJobContinues(ctx, job.JobID, err)
			return all, err
		}
		all = all.Join(report)

		if report.Job.Status != iothub.JobCompleted {
			if left := series.devices - all.Total(); left > 0 {
				a.note("%s stopped early; not called: %s", series.name, words.Count(left, "device"))
			}
			break
		}
	}

	return all, nil
}

// createJobs creates jobs and does not wait for their end. It returns the jobs that it
// has created, even if it returns an error, too.
func (a *app) createJobs(ctx context.Context, client *rest.Client, series jobSeries) ([]iothub.Job, error) {
	var created []iothub.Job
	for _, job := range series.jobs {
		one, _, err := a.createJob(ctx, client, job, series.wait)
		if err != nil {
			return created, err
		}
		one.JobID = job.JobID
		created = append(created, one)
	}

	return created, nil
}
