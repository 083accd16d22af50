package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

type deviceDeleteOptions struct {
	app  *app
	id   string
	etag string
	yes  bool
}

func newDeviceDelete(a *app) *cobra.Command {
	o := &deviceDeleteOptions{app: a}
	cmd := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a device with its keys and its twin",
		Example: "  latchctl device delete front-door\n  latchctl device delete front-door --yes",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().StringVar(&o.etag, "etag", "", "delete the device only if it still has this `ETAG`")

	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "skip the confirmation")

	return cmd
}

func (o *deviceDeleteOptions) run(ctx context.Context) error {
	if err := checkRegisteredID(o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	if !o.yes {
		if _, err := client.Device(ctx, o.id); err != nil {
			return noSuchDevice(o.id, err)
		}
		if err := o.app.confirm(ctx, fmt.Sprintf("delete the device %s from %s, with its keys and its twin", o.id, o.app.hub)); err != nil {
			return err
		}
	}
	if err := client.DeleteDevice(ctx, o.id, o.etag); err != nil {
		return noSuchDevice(o.id, err)
	}
	o.app.note("device %s is deleted", o.id)

	return nil
}
