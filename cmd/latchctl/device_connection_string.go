package main

import (
	"context"
	"fmt"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type deviceConnectionStringOptions struct {
	app       *app
	cmd       *cobra.Command
	id        string
	secondary bool
}

func newDeviceConnectionString(a *app, run func(context.Context, *deviceConnectionStringOptions) error) *cobra.Command {
	if run == nil {
		run = runDeviceConnectionString
	}
	o := &deviceConnectionStringOptions{app: a}
	cmd := &cobra.Command{
		Use:     "connection-string ID",
		Short:   "Print what a device logs in with, a secret",
		Example: "  (umask 077; latchctl device connection-string front-door > front-door.connection-string)",
		Args:    named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.secondary, "secondary", false, "with the secondary key")
	return cmd
}

func runDeviceConnectionString(ctx context.Context, o *deviceConnectionStringOptions) error {
	if err := deviceID(o.cmd, o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	d, err := client.Device(ctx, o.id)
	if err != nil {
		return noSuchDevice(o.id, err)
	}
	device := iothub.Device{HostName: client.HostName(), DeviceID: d.DeviceID}
	auth := d.Authentication
	switch {
	case auth == nil:
		return fmt.Errorf("%s: the hub does not say how the device logs in", o.id)
	case auth.Type == "sas":
		text := auth.SymmetricKey.PrimaryKey
		if o.secondary {
			text = auth.SymmetricKey.SecondaryKey
		}
		if device.Key, err = iothub.ParseKey(text); err != nil {
			return fmt.Errorf("%s: the hub gave no key; may the policy read keys? (%w)", o.id, err)
		}
	case auth.Type == "selfSigned" || auth.Type == "certificateAuthority":
		device.X509 = true
	default:
		return fmt.Errorf("%s: it logs in by %q, for which there is no connection string", o.id, auth.Type)
	}
	if !device.X509 {
		o.app.note("note: this is a secret, whoever has it can act as %s", o.id)
	}
	return o.app.printSecret(o.id, device.ConnectionString())
}

// deviceSecret is what a device logs in with, as -o json has it.
type deviceSecret struct {
	DeviceID         string `json:"deviceId"`
	ConnectionString string `json:"connectionString"`
}

func (a *app) printSecret(id, text string) error {
	if a.format == "table" {
		_, err := fmt.Fprintln(a.out, text)
		return err
	}
	return a.printOne(deviceSecret{id, text}, nil)
}
