package main

import (
	"context"
	"fmt"
	"io"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type jobCancelOptions struct {
	app *app
	id  string
}

func newJobCancel(a *app) *cobra.Command {
	o := &jobCancelOptions{app: a}
	return &cobra.Command{
		Use:     "cancel ID",
		Short:   "Cancel a job that has not started",
		Long:    "IoT Hub cancels only jobs that have not started. A started job runs to completion.",
		Example: "  latchctl job cancel lock-20261123-114500-4f3a9c01",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}
}

func (o *jobCancelOptions) run(ctx context.Context) error {
	if err := checkJobID(o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	job, err := client.CancelJob(ctx, o.id)
	if fleet.HasStatus(err, 400) {
		return o.explainRefusal(ctx, client, err)
	}
	if err != nil {
		return noSuchJob(o.id, err)
	}

	return o.app.printOne(job, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "job %s is %s\n", o.id, job.Status)
		return err
	})
}

// explainRefusal returns an error that explains, from the job's state, why the hub
// refused to cancel the job.
func (o *jobCancelOptions) explainRefusal(ctx context.Context, client *rest.Client, refusal error) error {
	job, err := client.Job(ctx, o.id)

	switch {
	case err != nil || job.Status == iothub.JobScheduled:
		return fmt.Errorf("the hub did not cancel job %s: %w", o.id, refusal)
	case job.Status.Ended():
		return fmt.Errorf("job %s has ended (%s) and cannot be cancelled; see 'latchctl job show %s --devices': %w",
			o.id, job.Status, words.ShellArgument(o.id), refusal)
	}

	return fmt.Errorf("job %s has started (%s), and IoT Hub cannot cancel a started job; see 'latchctl job watch %s': %w",
		o.id, job.Status, words.ShellArgument(o.id), refusal)
}
