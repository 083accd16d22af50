package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
	"github.com/spf13/cobra"
)

type twinShowOptions struct {
	app *app
	id  string
}

func newTwinShow(a *app) *cobra.Command {
	o := &twinShowOptions{app: a}
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show the tags, the desired and the reported properties of a device",
		Long:    "-o json prints the whole twin, as the service API returns it.",
		Example: "  latchctl twin show front-door\n  latchctl twin show front-door -o json",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}
}

func (o *twinShowOptions) run(ctx context.Context) error {
	if err := checkDeviceID(o.id); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	twin, err := client.Twin(ctx, o.id)
	if err != nil {
		return noSuchDevice(o.id, err)
	}

	return o.app.showTwin(twin)
}

// showTwin prints a twin in the format of --output.
func (a *app) showTwin(twin iothub.Twin) error {
	return a.printOne(twin, func(w io.Writer) error {
		err := a.printFields(w,
			"Device", twin.DeviceID,
			"Status", string(twin.Status),
			"Connection", string(twin.ConnectionState),
			"Last seen", a.localTime(timeOrNil(twin.LastActivityTime)),
			"Model", twin.ModelID,
			"ETag", twin.ETag,
		)
		if err != nil {
			return err
		}

		desired, reported := twin.Properties.Desired, twin.Properties.Reported
		if err := showObject(w, "Tags", twin.Tags); err != nil {
			return err
		}
		if err := showObject(w, fmt.Sprintf("Desired (version %d)", desired.Version()), desired); err != nil {
			return err
		}

		return showObject(w, fmt.Sprintf("Reported (version %d)", reported.Version()), reported)
	})
}

// showObject prints the members of an object. It leaves out the members that only the
// hub sets.
func showObject(w io.Writer, name string, object iothub.Object) error {
	shown := make(iothub.Object)
	for k, v := range object {
		if !strings.HasPrefix(k, "$") {
			shown[k] = v
		}
	}

	var text strings.Builder
	if err := printJSON(&text, shown); err != nil {
		return err
	}
	for line := range strings.Lines(name + ": " + text.String()) {
		if _, err := io.WriteString(w, termtext.Clean(strings.TrimSuffix(line, "\n"))+"\n"); err != nil {
			return err
		}
	}

	return nil
}
