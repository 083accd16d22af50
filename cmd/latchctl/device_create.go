package main

import (
	"context"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type deviceCreateOptions struct {
	app      *app
	cmd      *cobra.Command
	id       string
	disabled bool
}

func newDeviceCreate(a *app, run func(context.Context, *deviceCreateOptions) error) *cobra.Command {
	if run == nil {
		run = runDeviceCreate
	}
	o := &deviceCreateOptions{app: a}
	cmd := &cobra.Command{
		Use:     "create ID",
		Short:   "Create a device; the hub makes its keys",
		Example: "  latchctl device create front-door\n  latchctl device connection-string front-door > front-door.connection-string",
		Args:    named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.disabled, "disabled", false, "do not let the device connect yet")
	return cmd
}

func runDeviceCreate(ctx context.Context, o *deviceCreateOptions) error {
	if err := deviceID(o.cmd, o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	d := iothub.DeviceIdentity{DeviceID: o.id}
	if o.disabled {
		d.Status = iothub.Disabled
	}
	created, err := client.CreateDevice(ctx, d)
	if err != nil {
		return err
	}
	if err := o.app.showDevice(created); err != nil {
		return err
	}
	o.app.note("what the device logs in with: latchctl device connection-string %s", o.id)
	return nil
}
