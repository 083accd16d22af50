package main

import (
	"context"

	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type deviceCreateOptions struct {
	app      *app
	id       string
	disabled bool
}

func newDeviceCreate(a *app) *cobra.Command {
	o := &deviceCreateOptions{app: a}
	cmd := &cobra.Command{
		Use:     "create ID",
		Short:   "Create a device; the hub generates its keys",
		Example: "  latchctl device create front-door\n  latchctl device connection-string front-door > front-door.connection-string",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().BoolVar(&o.disabled, "disabled", false, "create the device disabled, so that it cannot connect yet")

	return cmd
}

func (o *deviceCreateOptions) run(ctx context.Context) error {
	if err := checkDeviceID(o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	identity := iothub.DeviceIdentity{DeviceID: o.id}
	if o.disabled {
		identity.Status = iothub.Disabled
	}
	created, err := client.CreateDevice(ctx, identity)
	if err != nil {
		return err
	}

	if err := o.app.showDevice(created); err != nil {
		return err
	}
	o.app.note("to get the connection string that the device needs, run: latchctl device connection-string %s", words.ShellArgument(o.id))

	return nil
}
