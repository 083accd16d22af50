package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type jobShowOptions struct {
	app     *app
	id      string
	devices bool
	failed  bool
}

func newJobShow(a *app) *cobra.Command {
	o := &jobShowOptions{app: a}
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a job's current state",
		Example: "  latchctl job show lock-20261123-114500-4f3a9c01 --devices",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().BoolVar(&o.devices, "devices", false, "show each device's result (-o json always does)")
	cmd.Flags().BoolVar(&o.failed, "failed", false, "show the results of the devices that did not succeed")

	return cmd
}

func (o *jobShowOptions) run(ctx context.Context) error {
	if err := checkJobID(o.id); err != nil {
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

	report, err := watch.Rows(ctx, client, job)
	if err != nil {
		return err
	}
	if o.app.format != "table" {
		return o.app.showReport(report, o.failed)
	}

	if err := o.app.showJob(o.app.out, report); err != nil {
		return err
	}
	results := fleet.Results(report, o.failed)
	if len(results) == 0 || !o.devices && !o.failed {
		return nil
	}
	fmt.Fprintln(o.app.out)

	return resultTable(results).Write(o.app.out, o.app.outWidth(), o.app.color())
}

// showJob prints a job's fields as text.
func (a *app) showJob(w io.Writer, r watch.Report) error {
	job := r.Job
	pairs := []string{
		"Job", job.JobID,
		"What", fleet.OperationOf(job).Title,
		"Payload", payloadText(job.CloudToDeviceMethod),
		"Change", string(job.UpdateTwin),
		"Condition", job.QueryCondition,
		"Status", string(job.Status),
		"Reason", job.FailureReason,
		"Message", job.StatusMessage,
		"Created", a.localTime(job.CreatedTime),
		"Start", a.localTime(job.StartTime),
		"End", a.localTime(job.EndTime),
		"Time limit", words.Duration(time.Duration(job.MaxExecutionTimeInSeconds) * time.Second),
	}
	if r.Total() > 0 {
		pairs = append(pairs, "Results", fleet.CountsLine(r))
	}

	return a.printFields(w, pairs...)
}

// payloadText returns a method's payload as text, or "" if the payload is null.
func payloadText(m *iothub.MethodRequest) string {
	if m == nil || string(m.Payload) == "null" {
		return ""
	}

	return string(m.Payload)
}

// noSuchJob replaces the hub's error "not found" by an error that names the job. It
// returns other errors unchanged.
func noSuchJob(id string, err error) error {
	if fleet.HasStatus(err, 404) {
		return fmt.Errorf("no such job: %s; see 'latchctl job list'", id)
	}

	return err
}
