package main

import (
	"context"

	"github.com/spf13/cobra"
)

type jobWatchOptions struct {
	app  *app
	id   string
	wait seconds
}

func newJobWatch(a *app) *cobra.Command {
	o := &jobWatchOptions{app: a}
	cmd := &cobra.Command{
		Use:   "watch ID",
		Short: "Wait for a job's end and show each device's result",
		Long: "Exit status: 0 if all devices succeeded, 3 if some did not, 4 if the job failed or\n" +
			"was cancelled, 5 if the job did not end within --wait.",
		Example: "  latchctl job watch lock-20261123-114500-4f3a9c01 --wait 10m",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().Var(&o.wait, "wait", "stop watching after this time, with exit status 5; the job continues")

	return cmd
}

func (o *jobWatchOptions) run(ctx context.Context) error {
	if err := checkJobID(o.id); err != nil {
		return err
	}

	return noSuchJob(o.id, o.app.watchAndReport(ctx, o.id, o.wait))
}
