package main

import (
	"context"
	"fmt"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type deviceConnectionStringOptions struct {
	app       *app
	id        string
	secondary bool
}

func newDeviceConnectionString(a *app) *cobra.Command {
	o := &deviceConnectionStringOptions{app: a}
	cmd := &cobra.Command{
		Use:     "connection-string ID",
		Short:   "Print a device's connection string, which is a secret",
		Example: "  (umask 077; latchctl device connection-string front-door > front-door.connection-string)",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().BoolVar(&o.secondary, "secondary", false, "use the secondary key")

	return cmd
}

func (o *deviceConnectionStringOptions) run(ctx context.Context) error {
	if err := checkDeviceID(o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	identity, err := client.Device(ctx, o.id)
	if err != nil {
		return noSuchDevice(o.id, err)
	}
	device := iothub.Device{HostName: client.HostName(), DeviceID: identity.DeviceID}
	if err := o.setLogin(&device, identity.Authentication); err != nil {
		return err
	}

	if !device.X509 {
		o.app.note("note: this connection string is a secret: anyone who has it can act as %s", o.id)
	}
	secret := deviceSecret{o.id, device.ConnectionString()}
	if o.app.format != "table" {
		return o.app.printOne(secret, nil)
	}

	_, err = fmt.Fprintln(o.app.out, secret.ConnectionString)
	return err
}

// setLogin completes the connection string of a device from its entry in the registry.
// It sets the key, or marks the device as one that logs in with a certificate.
func (o *deviceConnectionStringOptions) setLogin(device *iothub.Device, auth *iothub.Authentication) (err error) {
	switch {
	case auth == nil:
		return fmt.Errorf("%s: the hub does not state how the device logs in", o.id)

	case auth.Type == "sas":
		key := auth.SymmetricKey.PrimaryKey
		if o.secondary {
			key = auth.SymmetricKey.SecondaryKey
		}
		if device.Key, err = iothub.ParseKey(key); err != nil {
			return fmt.Errorf("%s: the hub's answer has no valid key; check that the shared access policy may read keys (%w)", o.id, err)
		}

	case auth.Type == "selfSigned" || auth.Type == "certificateAuthority":
		device.X509 = true

	default:
		return fmt.Errorf("%s: the device logs in with %q, for which there is no connection string", o.id, auth.Type)
	}

	return nil
}

// deviceSecret is a device's connection string, as -o json prints it.
type deviceSecret struct {
	DeviceID         string `json:"deviceId"`
	ConnectionString string `json:"connectionString"`
}
