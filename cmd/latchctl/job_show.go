package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type jobShowOptions struct {
	app     *app
	cmd     *cobra.Command
	id      string
	devices bool
	failed  bool
}

func newJobShow(a *app, run func(context.Context, *jobShowOptions) error) *cobra.Command {
	if run == nil {
		run = runJobShow
	}
	o := &jobShowOptions{app: a}
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a job as it is now",
		Example: "  latchctl job show lock-20261123-114500-4f3a9c01 --devices",
		Args:    named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.devices, "devices", false, "show each device's result")
	cmd.Flags().BoolVar(&o.failed, "failed", false, "show the result of the devices that did not succeed")
	return cmd
}

func runJobShow(ctx context.Context, o *jobShowOptions) error {
	if err := jobID(o.cmd, o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	job, err := client.Job(ctx, o.id)
	if err != nil {
		return noSuchJob(o.id, err)
	}
	if !o.devices && !o.failed {
		return o.app.printOne(job, func(w io.Writer) error { return o.app.showJob(w, job) })
	}
	report, err := watch.Rows(ctx, client, job)
	if err != nil {
		return err
	}
	if o.app.format == "table" {
		if err := o.app.showJob(o.app.out, job); err != nil {
			return err
		}
		fmt.Fprintln(o.app.out)
		return o.app.showRows(report, o.failed)
	}
	return o.app.showReport(report, o.failed)
}

// showRows prints all rows that were asked for, however many.
func (a *app) showRows(r watch.Report, onlyFailed bool) error {
	devices := r.Devices
	if onlyFailed {
		devices = r.Failed()
	}
	results := make([]deviceResult, len(devices))
	for i, d := range devices {
		results[i] = newDeviceResult(d)
	}
	if len(results) > 0 {
		if err := resultTable(results).Write(a.out, a.outWidth(), a.color()); err != nil {
			return err
		}
	}
	return a.printParagraph(summaryLine(r))
}

func (a *app) showJob(w io.Writer, job iothub.Job) error {
	pairs := []string{
		"Job", job.JobID,
		"What", jobWork(job),
	}
	if m := job.CloudToDeviceMethod; m != nil && len(m.Payload) > 0 && string(m.Payload) != "null" {
		pairs = append(pairs, "Payload", string(m.Payload))
	}
	if len(job.UpdateTwin) > 0 {
		pairs = append(pairs, "Change", string(job.UpdateTwin))
	}
	pairs = append(pairs,
		"Condition", job.QueryCondition,
		"Status", string(job.Status),
		"Reason", job.FailureReason,
		"Message", job.StatusMessage,
		"Created", a.localTime(job.CreatedTime),
		"Start", a.localTime(job.StartTime),
		"End", a.localTime(job.EndTime),
		"Time limit", ui.Duration(time.Duration(job.MaxExecutionTimeInSeconds)*time.Second),
	)
	if s := job.DeviceJobStatistics; s != nil {
		p := a.progress(job)
		pairs = append(pairs, "Devices", fmt.Sprintf("%d: %d %s, %d failed, %d running, %d pending",
			s.DeviceCount, s.SucceededCount, p.Word, s.FailedCount, s.RunningCount, s.PendingCount))
	}
	return a.fields(w, pairs...)
}

// noSuchJob names the job in the hub's answer that there is none.
func noSuchJob(id string, err error) error {
	var refusal *iothub.Error
	if errors.As(err, &refusal) && refusal.Status == 404 {
		return fmt.Errorf("no such job: %s; see 'latchctl job list'", id)
	}
	return err
}
