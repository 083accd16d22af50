package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

// retryChunk is how many devices a condition names at most, so that with ids of
// the greatest length it stays a request that a hub takes.
const retryChunk = 100

type jobRetryOptions struct {
	scheduling
	app *app
	cmd *cobra.Command
	job string
}

func newJobRetry(a *app, run func(context.Context, *jobRetryOptions) error) *cobra.Command {
	if run == nil {
		run = runJobRetry
	}
	o := &jobRetryOptions{app: a}
	cmd := &cobra.Command{
		Use:   "retry ID",
		Short: "Do a job again on the devices that did not succeed",
		Long: "The job must have ended. Its work is done again, at once, on each device without\n" +
			"success, by a new job that is watched; by several, one after the other, if there\n" +
			fmt.Sprintf("are more than %d devices. A door whose result is uncertain is called again too.", retryChunk),
		Example: "  latchctl job retry lock-20261123-114500-4f3a9c01 --dry-run\n" +
			"  latchctl job retry lock-20261123-114500-4f3a9c01",
		Args: named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.job = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	o.addRunFlags(cmd)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask, however many devices it is for")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "only show which devices it would be for")
	return cmd
}

func runJobRetry(ctx context.Context, o *jobRetryOptions) error {
	if err := jobID(o.cmd, o.job); err != nil {
		return err
	}
	if err := o.checkTimes(o.cmd); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	job, err := client.Job(ctx, o.job)
	if err != nil {
		return noSuchJob(o.job, err)
	}
	if !job.Status.Ended() {
		return fmt.Errorf("job %s has not ended, it is %s; wait for its end with 'latchctl job watch %s'", o.job, job.Status, o.job)
	}
	old, err := watch.Rows(ctx, client, job)
	if err != nil {
		return err
	}
	if old.Missing > 0 {
		o.app.note("the hub has no row for %s of the job: which ones is not known, they are left out", plural(old.Missing, "device"))
	}
	devices, err := o.failedDevices(ctx, client, old)
	if err != nil {
		return err
	}
	if len(devices) == 0 {
		return o.nothingLeft(old)
	}
	what := workOf(job)
	if o.dryRun {
		return o.app.showSelected(devices, what.verb)
	}
	if err := o.app.agree(ctx, o.cmd, devices, o.yes, what); err != nil {
		return err
	}
	report, failure := o.again(ctx, client, job, devices, what)
	if report.Total() == 0 && failure != nil {
		return failure
	}
	if err := o.app.showReport(report, false); err != nil {
		return err
	}
	if failure != nil {
		o.app.note("the retry ends here, without a result of %s", plural(len(devices)-report.Total(), "device"))
		return failure
	}
	return judged(report)
}

// failedDevices looks up those devices without success that there still are.
func (o *jobRetryOptions) failedDevices(ctx context.Context, client *rest.Client, old watch.Report) ([]selected, error) {
	var ids []string
	for _, d := range old.Failed() {
		ids = append(ids, d.DeviceID)
	}
	var devices []selected
	for chunk := range slices.Chunk(ids, retryChunk) {
		found, err := o.app.selectDevices(ctx, client, rest.DevicesIn(chunk))
		if err != nil {
			return nil, err
		}
		devices = append(devices, found...)
	}
	all := choice{ids: ids}
	if gone := all.missing(devices); len(gone) > 0 {
		o.app.note("not in the registry any more, left out: %s", fewNames(gone))
	}
	return devices, nil
}

// nothingLeft ends a retry without a device. That is well only if all have succeeded.
func (o *jobRetryOptions) nothingLeft(old watch.Report) error {
	if old.Total() > 0 && old.Succeeded() == old.Total() {
		o.app.note("nothing to do again: all of job %s has succeeded (%s)", o.job, plural(old.Total(), "device"))
		return nil
	}
	return fmt.Errorf("job %s has no device to call again; nothing was sent", o.job)
}

// again does the job's work on the devices and returns what became of them all.
// It ends early with a job that did not complete and, after an error, with what
// became of those before.
func (o *jobRetryOptions) again(ctx context.Context, client *rest.Client, job iothub.Job, devices []selected, what work) (watch.Report, error) {
	var all watch.Report
	for chunk := range slices.Chunk(devices, retryChunk) {
		var ids []string
		for _, d := range chunk {
			ids = append(ids, d.DeviceID)
		}
		next := iothub.Job{
			JobID: o.app.madeUpID(what.name), Type: job.Type, QueryCondition: rest.DevicesIn(ids),
			CloudToDeviceMethod: job.CloudToDeviceMethod, UpdateTwin: job.UpdateTwin,
			MaxExecutionTimeInSeconds: int64(o.maxExecution),
		}
		_, wait, err := o.app.createJob(ctx, client, next, o.wait)
		if err != nil {
			return all, err
		}
		o.app.note("job %s", next.JobID)
		report, err := o.app.watchJob(ctx, client, next.JobID, wait, true)
		if err != nil {
			return all, o.app.jobGoesOn(ctx, next.JobID, err)
		}
		all = all.Join(report)
		if report.Job.Status != iothub.JobCompleted {
			if left := len(devices) - all.Total(); left > 0 {
				o.app.note("the retry ends here, %s not called", plural(left, "device"))
			}
			break
		}
	}
	return all, nil
}

// workOf says what a job that there is does.
func workOf(job iothub.Job) work {
	m := job.CloudToDeviceMethod
	switch {
	case m == nil:
		return work{"update the twins of", "twin", false}
	case m.MethodName == lockDoor:
		return work{"lock", "lock", false}
	case m.MethodName == unlockDoor:
		return work{"unlock", "unlock", true}
	}
	return work{"call " + m.MethodName + " on", m.MethodName, false}
}
