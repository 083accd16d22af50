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

// retryChunk is the maximum number of device ids in one condition. Even if all ids have
// the maximum length, the condition fits into a request.
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
		Short: "Repeat a job on the devices that did not succeed",
		Long: "The job must have ended. latchctl creates a new job with the same work for the\n" +
			"devices that did not succeed, starts it at once and watches it. For more than\n" +
			fmt.Sprintf("%d devices it creates several jobs, one after the other. Devices with an uncertain\n", retryChunk) +
			"result are called again too. Pending devices are not called again, because they\n" +
			"act by themselves.",
		Example: "  latchctl job retry lock-20261123-114500-4f3a9c01 --dry-run\n" +
			"  latchctl job retry lock-20261123-114500-4f3a9c01",
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.job = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}

	o.addRunFlags(cmd)
	o.addConfirmationFlags(cmd)

	return cmd
}

func runJobRetry(ctx context.Context, o *jobRetryOptions) error {
	if err := checkJobID(o.cmd, o.job); err != nil {
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
		return fmt.Errorf("job %s has not ended (%s); wait for its end with 'latchctl job watch %s'", o.job, job.Status, o.job)
	}
	old, err := watch.Rows(ctx, client, job)
	if err != nil {
		return err
	}
	if old.Missing > 0 {
		o.app.note("left out: %s of the job, for which the hub has neither a result nor an id", plural(old.Missing, "device"))
	}

	devices, err := o.failedDevices(ctx, client, old)
	if err != nil {
		return err
	}
	if len(devices) == 0 {
		return o.nothingToRetry(old)
	}

	op := operationOf(job.CloudToDeviceMethod)
	if o.dryRun {
		return o.app.showSelected(devices, op)
	}
	if err := o.app.confirmDevices(ctx, devices, o.yes, op); err != nil {
		return err
	}

	return o.retry(ctx, client, job, devices, op)
}

// failedDevices returns the devices that did not succeed and that are still in the
// registry. It leaves out pending devices, which act later without a new command.
func (o *jobRetryOptions) failedDevices(ctx context.Context, client *rest.Client, old watch.Report) ([]selectedDevice, error) {
	var ids, pending []string
	for _, d := range old.Failed() {
		if d.Verdict.Outcome == iothub.Pending {
			pending = append(pending, d.DeviceID)
			continue
		}
		ids = append(ids, d.DeviceID)
	}
	if len(pending) > 0 {
		o.app.note("left out, because they are pending and act by themselves: %s", firstNames(pending))
	}

	var devices []selectedDevice
	for chunk := range slices.Chunk(ids, retryChunk) {
		found, err := o.app.selectDevices(ctx, client, rest.DevicesIn(chunk))
		if err != nil {
			return nil, err
		}
		devices = append(devices, found...)
	}

	if gone := missingDevices(ids, devices); len(gone) > 0 {
		o.app.note("left out, because they were deleted from the registry: %s", firstNames(gone))
	}

	return devices, nil
}

// nothingToRetry returns the result of a retry that has no devices to call:
//   - nil if all devices of the job succeeded
//   - the exit status for pending devices if the other devices succeeded
//   - an error otherwise
func (o *jobRetryOptions) nothingToRetry(old watch.Report) error {
	if old.Total() > 0 && old.Succeeded() == old.Total() {
		o.app.note("nothing to retry: job %s succeeded on all devices (%s)", o.job, plural(old.Total(), "device"))
		return nil
	}

	if n := old.Counts()[iothub.Pending]; n > 0 && n == len(old.Failed()) && old.Missing == 0 {
		o.app.note("nothing to retry: the other devices of job %s succeeded (%s)", o.job, plural(old.Succeeded(), "device"))
		return exitStatus(exitDevices)
	}

	return fmt.Errorf("job %s has no device left to retry; nothing was sent", o.job)
}

// retry repeats the job on the given devices, prints each device's result and returns
// the exit status. If an error ends the retry early, it prints the results that it has.
func (o *jobRetryOptions) retry(ctx context.Context, client *rest.Client, job iothub.Job, devices []selectedDevice, op operation) error {
	report, failure := o.runJobs(ctx, client, job, devices, op)
	if report.Total() == 0 && failure != nil {
		return failure
	}

	if err := o.app.showReport(report, false); err != nil {
		return err
	}
	if failure != nil {
		o.app.note("the retry stopped early; %s had no result", plural(len(devices)-report.Total(), "device"))
		return failure
	}

	return jobExitStatus(report)
}

// runJobs repeats the job on the given devices with one or more new jobs, and returns
// the results of all new jobs. It stops after a job that did not complete. If an error
// ends it early, it returns the error and the results that it has.
func (o *jobRetryOptions) runJobs(ctx context.Context, client *rest.Client, job iothub.Job, devices []selectedDevice, op operation) (watch.Report, error) {
	var all watch.Report
	if job.CloudToDeviceMethod != nil {
		method := *job.CloudToDeviceMethod
		method.Payload = identifyAgain(method, o.app.by(ctx))
		job.CloudToDeviceMethod = &method
	}

	for chunk := range slices.Chunk(devices, retryChunk) {
		next := iothub.Job{
			JobID: o.app.newJobID(op.name), Type: job.Type, QueryCondition: rest.DevicesIn(deviceIDs(chunk)),
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
			o.app.noteJobContinues(ctx, next.JobID, err)
			return all, err
		}
		all = all.Join(report)

		if report.Job.Status != iothub.JobCompleted {
			if left := len(devices) - all.Total(); left > 0 {
				o.app.note("the retry stopped early; not called: %s", plural(left, "device"))
			}
			break
		}
	}

	return all, nil
}

// operationOf describes to the user what a job does: it calls the method m or, if m is
// nil, updates twins.
func operationOf(m *iothub.MethodRequest) operation {
	switch {
	case m == nil:
		return operation{verb: "update the twins of", name: "twin"}
	case m.MethodName == lockDoor:
		return operation{verb: "lock", name: "lock"}
	case m.MethodName == unlockDoor:
		return operation{verb: "unlock", name: "unlock", confirm: confirmTwo}
	}

	return operation{verb: "call " + m.MethodName + " on", name: m.MethodName}
}
