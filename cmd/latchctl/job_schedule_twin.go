package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type jobScheduleTwinOptions struct {
	scheduling
	app     *app
	cmd     *cobra.Command
	desired string
	tags    string
}

func newJobScheduleTwin(a *app) *cobra.Command {
	o := &jobScheduleTwinOptions{app: a}
	cmd := &cobra.Command{
		Use:   "twin --where CONDITION --desired JSON | --tags JSON",
		Short: "Schedule a change of the twins of the devices that a condition selects",
		Long: "With --watch, latchctl waits up to 30 seconds until the doors have acknowledged the\n" +
			"properties that latchd knows: " + wrapWords(fleet.Properties, 31, 80) + ".\n" +
			"A door that is offline is pending: it follows when it connects.\n" +
			"Exit status with --watch: 0 if every door has acknowledged or is pending, 3 if a door\n" +
			"refused a value, 5 if a connected door did not acknowledge in time.",
		Example: `  latchctl job schedule twin --where "deviceId = 'front-door'" --desired '{"building":"43","floor":3}' --watch
  latchctl job schedule twin --where "properties.desired.building = '43'" --tags '{"tenant":"north"}'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd = cmd
			return a.perform(cmd.Context(), o)
		},
	}

	o.addScheduleFlags(cmd)
	addPatchFlags(cmd, &o.desired, &o.tags)

	return cmd
}

// addPatchFlags adds the flags --desired and --tags, which set the properties and tags
// of a twin.
func addPatchFlags(cmd *cobra.Command, desired, tags *string) {
	cmd.Flags().StringVar(desired, "desired", "", "merge this `JSON` object, or the content of @FILE, into the desired properties; null removes a property")
	cmd.Flags().StringVar(tags, "tags", "", "merge this `JSON` object, or the content of @FILE, into the tags; null removes a tag")
}

// jobPatch returns the twin patch that --desired and --tags describe, as a job needs
// it.
func jobPatch(desired, tags string) (json.RawMessage, error) {
	patch, err := readPatch(desired, tags)
	if err != nil {
		return nil, err
	}

	patch.ETag = "*" // IoT Hub requires an etag in the patch of a job.
	return json.Marshal(patch)
}

func (o *jobScheduleTwinOptions) run(ctx context.Context) error {
	if err := o.scheduling.check(o.app, o.cmd); err != nil {
		return err
	}
	patch, err := jobPatch(o.desired, o.tags)
	if err != nil {
		return err
	}

	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	job := iothub.Job{Type: iothub.ScheduleUpdateTwin, UpdateTwin: patch}
	o.app.noteUnknown(fleet.DesiredOf(job))
	return o.app.schedule(ctx, f, o.scheduling, job, fleet.OperationOf(job))
}

// noteUnknown warns about desired properties that latchd ignores.
func (a *app) noteUnknown(desired iothub.Object) {
	for _, name := range fleet.UnknownProperties(desired) {
		hint := ""
		for _, known := range fleet.Properties {
			if strings.EqualFold(name, known) || editDistance(name, known) <= 2 {
				hint = fmt.Sprintf(" (did you mean %s?)", known)
			}
		}
		a.note("note: latchd has no property %q%s; a door of latchd ignores it", name, hint)
	}
}
