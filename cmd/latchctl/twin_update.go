package main

import (
	"context"

	"github.com/spf13/cobra"
)

type twinUpdateOptions struct {
	app           *app
	cmd           *cobra.Command
	id            string
	desired, tags string
	etag          string
}

func newTwinUpdate(a *app, run func(context.Context, *twinUpdateOptions) error) *cobra.Command {
	if run == nil {
		run = runTwinUpdate
	}
	o := &twinUpdateOptions{app: a}
	cmd := &cobra.Command{
		Use:     "update ID --desired JSON | --tags JSON",
		Short:   "Change a device's desired properties or tags",
		Long:    "What the JSON names is changed, null removes, all else stays.",
		Example: `  latchctl twin update front-door --tags '{"building":"43"}' --desired '{"floor":3}'`,
		Args:    named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.desired, "desired", "", "the change of the desired properties: `JSON`, or @FILE")
	cmd.Flags().StringVar(&o.tags, "tags", "", "the change of the tags: `JSON`, or @FILE")
	cmd.Flags().StringVar(&o.etag, "etag", "", "only if the twin still has this `ETAG`")
	return cmd
}

func runTwinUpdate(ctx context.Context, o *twinUpdateOptions) error {
	if err := deviceID(o.cmd, o.id); err != nil {
		return err
	}
	patch, err := readPatch(o.cmd, o.desired, o.tags)
	if err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	twin, err := client.UpdateTwin(ctx, o.id, patch, o.etag)
	if err != nil {
		return noSuchDevice(o.id, err)
	}
	return o.app.showTwin(twin)
}
