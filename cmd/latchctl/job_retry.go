package main

import (
	"context"
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type jobRetryOptions struct {
	scheduling
	app *app
	job string
}

func newJobRetry(a *app) *cobra.Command {
	o := &jobRetryOptions{app: a}
	cmd := &cobra.Command{
		Use:   "retry ID",
		Short: "Repeat a job on the devices that did not succeed",
		Long: "The job must have ended. latchctl creates a new job with the same work for the\n" +
			"devices that did not succeed, starts it at once and watches it. If the ids of the\n" +
			"devices are too long for one condition, it creates several jobs, one after the other.\n" +
			"Devices with an uncertain result are called again too. Pending devices are not called\n" +
			"again, because they act by themselves.",
		Example: "  latchctl job retry lock-20261123-114500-4f3a9c01 --dry-run\n" +
			"  latchctl job retry lock-20261123-114500-4f3a9c01",
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.job = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	o.addRunFlags(cmd)
	o.addConfirmationFlags(cmd)

	return cmd
}

func (o *jobRetryOptions) run(ctx context.Context) error {
	if err := checkJobID(o.job); err != nil {
		return err
	}
	if err := o.checkTimes(); err != nil {
		return err
	}
	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	job, err := f.Hub.Job(ctx, o.job)
	if err != nil {
		return noSuchJob(o.job, err)
	}
	if !job.Status.Ended() {
		return fmt.Errorf("job %s has not ended (%s); wait for its end with 'latchctl job watch %s'", o.job, job.Status, words.ShellArgument(o.job))
	}
	old, err := watch.Rows(ctx, f.Hub, job)
	if err != nil {
		return err
	}
	if old.Missing > 0 {
		o.app.note("left out: %s of the job, for which the hub has neither a result nor an id", words.Count(old.Missing, "device"))
	}

	devices, err := o.failedDevices(ctx, f, old)
	if err != nil {
		return err
	}
	if len(devices) == 0 {
		return o.nothingToRetry(old)
	}

	op := fleet.OperationOf(job)
	if o.dryRun {
		return o.app.showSelected(f, devices, op)
	}
	if !o.Yes {
		if err := f.Ask(ctx, devices, op); err != nil {
			return err
		}
	}

	return o.retry(ctx, f, job, devices, op)
}

// failedDevices returns the devices on which the job can be repeated, and tells the user
// which devices it leaves out.
func (o *jobRetryOptions) failedDevices(ctx context.Context, f *fleet.Fleet, old watch.Report) ([]fleet.Device, error) {
	u, err := f.Unsuccessful(ctx, old)
	if err != nil {
		return nil, err
	}

	if len(u.Pending) > 0 {
		o.app.note("left out, because they are pending and act by themselves: %s", words.Names(u.Pending))
	}
	if len(u.Gone) > 0 {
		o.app.note("left out, because they were deleted from the registry: %s", words.Names(u.Gone))
	}

	return u.Failed, nil
}

// nothingToRetry returns the result of a retry that has no devices to call:
//   - nil if all devices of the job succeeded
//   - the exit status for pending devices if the other devices succeeded
//   - an error otherwise
func (o *jobRetryOptions) nothingToRetry(old watch.Report) error {
	if old.Total() > 0 && old.Succeeded() == old.Total() {
		o.app.note("nothing to retry: job %s succeeded on all devices (%s)", o.job, words.Count(old.Total(), "device"))
		return nil
	}

	if n := old.Counts()[iothub.Pending]; n > 0 && n == len(old.Failed()) && old.Missing == 0 {
		o.app.note("nothing to retry: the other devices of job %s succeeded (%s)", o.job, words.Count(old.Succeeded(), "device"))
		return exitStatus(exitDevices)
	}

	return fmt.Errorf("job %s has no device left to retry; nothing was sent", o.job)
}

// retry repeats the job on the given devices, prints each device's result and returns
// the exit status.
func (o *jobRetryOptions) retry(ctx context.Context, f *fleet.Fleet, job iothub.Job, devices []fleet.Device, op fleet.Operation) error {
	next := f.Repeat(ctx, job)
	next.MaxExecutionTimeInSeconds = int64(o.maxExecution)

	jobs := f.Plan(fleet.Selection{IDs: fleet.IDs(devices)}, next, op)
	return o.app.runAndReport(ctx, f, fleet.Work{Name: "the retry", Jobs: jobs, Devices: len(devices), Wait: o.wait.duration()}, fleet.AcknowledgeTime)
}
