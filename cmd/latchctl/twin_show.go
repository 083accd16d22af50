package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type twinShowOptions struct {
	app *app
	cmd *cobra.Command
	id  string
}

func newTwinShow(a *app, run func(context.Context, *twinShowOptions) error) *cobra.Command {
	if run == nil {
		run = runTwinShow
	}
	o := &twinShowOptions{app: a}
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a device's twin: tags, desired and reported properties",
		Long:    "With -o json the twin is whole, as the service API has it.",
		Example: "  latchctl twin show front-door\n  latchctl twin show front-door -o json",
		Args:    named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
}

func runTwinShow(ctx context.Context, o *twinShowOptions) error {
	if err := deviceID(o.cmd, o.id); err != nil {
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

func (a *app) showTwin(twin iothub.Twin) error {
	return a.printOne(twin, func(w io.Writer) error {
		err := a.fields(w,
			"Device", twin.DeviceID,
			"Status", twin.Status,
			"Connection", twin.ConnectionState,
			"Last seen", a.localTime(set(twin.LastActivityTime)),
			"Model", twin.ModelID,
			"ETag", twin.ETag,
		)
		if err != nil {
			return err
		}
		for _, part := range []struct {
			name   string
			object iothub.Object
		}{
			{"Tags", twin.Tags},
			{fmt.Sprintf("Desired (version %d)", twin.Properties.Desired.Version()), twin.Properties.Desired},
			{fmt.Sprintf("Reported (version %d)", twin.Properties.Reported.Version()), twin.Properties.Reported},
		} {
			if err := showObject(w, part.name, part.object); err != nil {
				return err
			}
		}
		return nil
	})
}

// showObject prints an object's members, without those that are the hub's own.
func showObject(w io.Writer, name string, object iothub.Object) error {
	own := make(iothub.Object)
	for k, v := range object {
		if !strings.HasPrefix(k, "$") {
			own[k] = v
		}
	}
	var text strings.Builder
	if err := printJSON(&text, own); err != nil {
		return err
	}
	for line := range strings.Lines(name + ": " + text.String()) {
		if _, err := io.WriteString(w, ui.Clean(strings.TrimSuffix(line, "\n"))+"\n"); err != nil {
			return err
		}
	}
	return nil
}
