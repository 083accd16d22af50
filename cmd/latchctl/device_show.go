package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type deviceShowOptions struct {
	app *app
	id  string
}

func newDeviceShow(a *app) *cobra.Command {
	o := &deviceShowOptions{app: a}
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a device of the registry, without its keys",
		Example: "  latchctl device show front-door",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}
}

func (o *deviceShowOptions) run(ctx context.Context) error {
	if err := checkRegisteredID(o.id); err != nil {
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

	return o.app.showDevice(identity)
}

// deviceView is a device of the registry as latchctl prints it, without keys.
type deviceView struct {
	DeviceID           string     `json:"deviceId"`
	Status             string     `json:"status"`
	StatusReason       string     `json:"statusReason,omitempty"`
	ConnectionState    string     `json:"connectionState"`
	AuthenticationType string     `json:"authenticationType"`
	LastActivityTime   *time.Time `json:"lastActivityTime,omitempty"`
	GenerationID       string     `json:"generationId,omitempty"`
	ETag               string     `json:"etag,omitempty"`
}

func newDeviceView(d iothub.DeviceIdentity) deviceView {
	v := deviceView{
		DeviceID:         d.DeviceID,
		Status:           string(d.Status),
		ConnectionState:  string(d.ConnectionState),
		LastActivityTime: timeOrNil(d.LastActivityTime),
		GenerationID:     d.GenerationID,
		ETag:             d.ETag,
	}
	if d.StatusReason != nil {
		v.StatusReason = *d.StatusReason
	}
	if d.Authentication != nil {
		v.AuthenticationType = string(d.Authentication.Type)
	}

	return v
}

// timeOrNil returns nil for a time in the year 1, by which the service API means
// "never".
func timeOrNil(t time.Time) *time.Time {
	if t.Year() <= 1 {
		return nil
	}

	return &t
}

// showDevice prints a device of the registry in the format of --output.
func (a *app) showDevice(d iothub.DeviceIdentity) error {
	v := newDeviceView(d)

	return a.printOne(v, func(w io.Writer) error {
		return a.printFields(w,
			"Device", v.DeviceID,
			"Status", v.Status,
			"Reason", v.StatusReason,
			"Connection", v.ConnectionState,
			"Login", v.AuthenticationType,
			"Last seen", a.localTime(v.LastActivityTime),
			"Generation", v.GenerationID,
			"ETag", v.ETag,
		)
	})
}

// noSuchDevice replaces the hub's error "not found" by an error that names the device.
// It returns other errors unchanged.
func noSuchDevice(id string, err error) error {
	refusal, ok := errors.AsType[*iothub.Error](err)
	if ok && (refusal.Code == iothub.CodeDeviceNotFound || refusal.Status == 404 && refusal.Code == "") {
		return fmt.Errorf("no such device: %s; see 'latchctl device list'", id)
	}

	return err
}
