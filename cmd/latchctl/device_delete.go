package main

import (
	"context"

	"github.com/spf13/cobra"
)

type deviceDeleteOptions struct {
	app  *app
	cmd  *cobra.Command
	id   string
	etag string
}

func newDeviceDelete(a *app, run func(context.Context, *deviceDeleteOptions) error) *cobra.Command {
	if run == nil {
		run = runDeviceDelete
	}

	o := &deviceDeleteOptions{app: a}
	cmd := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a device with its keys and its twin",
		Example: "  latchctl device delete front-door",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}

	cmd.Flags().StringVar(&o.etag, "etag", "", "delete the device only if it still has this `ETAG`")

	return cmd
}

func runDeviceDelete(ctx context.Context, o *deviceDeleteOptions) error {
	if err := checkRegisteredID(o.cmd, o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	if err := client.DeleteDevice(ctx, o.id, o.etag); err != nil {
		return noSuchDevice(o.id, err)
	}
	o.app.note("device %s is deleted", o.id)

	return nil
}
