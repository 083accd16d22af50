package main

import (
	"context"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type rolloutTwinOptions struct {
	rolloutPlan
	app     *app
	cmd     *cobra.Command
	desired string
	tags    string
}

func newRolloutTwin(a *app) *cobra.Command {
	o := &rolloutTwinOptions{app: a}
	cmd := &cobra.Command{
		Use:   "twin --where CONDITION --desired JSON | --tags JSON",
		Short: "Change the twins of the devices that a condition selects, in waves",
		Long:  rolloutHelp,
		Example: `  latchctl rollout twin --where "properties.desired.building = '43'" --desired '{"autoRelockSeconds":30}' --waves 1,10%,100% --soak 2m \
    --abort-above 5% --require "properties.reported.autoRelockSeconds.ac = 200"`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd = cmd
			return a.perform(cmd.Context(), o)
		},
	}

	o.addPlanFlags(cmd)
	addPatchFlags(cmd, &o.desired, &o.tags)

	return cmd
}

func (o *rolloutTwinOptions) run(ctx context.Context) error {
	if err := o.check(o.cmd); err != nil {
		return err
	}
	patch, err := jobPatch(o.desired, o.tags)
	if err != nil {
		return err
	}

	o.app.noteUnknown(fleet.DesiredOf(iothub.Job{Type: iothub.ScheduleUpdateTwin, UpdateTwin: patch}))
	work := rollout.Work{Type: iothub.ScheduleUpdateTwin, UpdateTwin: patch}
	return o.app.startRollout(ctx, o.rolloutPlan, work)
}
