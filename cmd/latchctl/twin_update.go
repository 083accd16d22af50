package main

import (
	"context"

	"github.com/spf13/cobra"
)

type twinUpdateOptions struct {
	app     *app
	id      string
	desired string
	tags    string
	etag    string
}

func newTwinUpdate(a *app) *cobra.Command {
	o := &twinUpdateOptions{app: a}
	cmd := &cobra.Command{
		Use:     "update ID --desired JSON | --tags JSON",
		Short:   "Change a device's desired properties or tags",
		Long:    "Properties and tags that the JSON does not name keep their values.",
		Example: `  latchctl twin update front-door --tags '{"building":"43"}' --desired '{"floor":3}'`,
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	addPatchFlags(cmd, &o.desired, &o.tags)
	cmd.Flags().StringVar(&o.etag, "etag", "", "change the twin only if it still has this `ETAG`")

	return cmd
}

func (o *twinUpdateOptions) run(ctx context.Context) error {
	if err := checkDeviceID(o.id); err != nil {
		return err
	}
	patch, err := readPatch(o.desired, o.tags)
	if err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	if patch.Properties != nil {
		o.app.noteUnknown(patch.Properties.Desired)
	}
	twin, err := client.UpdateTwin(ctx, o.id, patch, o.etag)
	if err != nil {
		return noSuchDevice(o.id, err)
	}

	return o.app.showTwin(twin)
}
