package main

import (
	"context"
	"fmt"
	"io"

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
	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	job, err := f.Cancel(ctx, o.id)
	if err != nil {
		return noSuchJob(o.id, err)
	}

	return o.app.printOne(job, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "job %s is %s\n", o.id, job.Status)
		return err
	})
}
