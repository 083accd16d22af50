package main

import (
	"context"
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type rolloutResumeOptions struct {
	app         *app
	cmd         *cobra.Command
	id          string
	abortAbove  rollout.Percent
	yes, dryRun bool
	wait        seconds
	tier        tier
}

func newRolloutResume(a *app, run func(context.Context, *rolloutResumeOptions) error) *cobra.Command {
	if run == nil {
		run = runRolloutResume
	}
	o := &rolloutResumeOptions{app: a}
	cmd := &cobra.Command{
		Use:   "resume ID",
		Short: "Take a rollout up where it is",
		Long: "A rollout that was interrupted, killed or stopped goes on where it was: a job that\n" +
			"was begun is followed, not repeated. One that was aborted, or has ended with\n" +
			"failed devices, first calls these again, wave by wave.",
		Example: "  latchctl rollout resume lockDoor-20261123-114500-4f3a9c01\n" +
			"  latchctl rollout resume lockDoor-20261123-114500-4f3a9c01 --abort-above 10%",
		Args: named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().Var(&o.abortAbove, "abort-above", "from now on, stop when more than this part of a wave's devices has failed")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask, however many devices it is for")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "only show which devices it would be for")
	addRolloutWait(cmd, &o.wait)
	o.tier.addFlags(cmd)
	return cmd
}

func runRolloutResume(ctx context.Context, o *rolloutResumeOptions) error {
	if err := o.tier.check(o.cmd); err != nil {
		return err
	}
	store, err := o.app.rollouts()
	if err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	if err := o.tier.fromConfig(o.app); err != nil {
		return err
	}
	if o.dryRun {
		r, err := o.app.loadRollout(o.id)
		if err != nil {
			return err
		}
		next, _ := rollout.Step(r, rollout.Start{}, o.app.now())
		return o.app.showWaves(next, o.tier, workOf(iothub.Job{CloudToDeviceMethod: r.Work.Method}))
	}
	return o.app.runRollout(ctx, client, store, o.id, o.wait, func() (rollout.Rollout, error) { return o.settle(ctx, client) })
}

// settle reads the rollout and asks where that is due.
func (o *rolloutResumeOptions) settle(ctx context.Context, client *rest.Client) (rollout.Rollout, error) {
	r, err := o.app.loadRollout(o.id)
	if err != nil {
		return r, err
	}
	if r.Hub != client.HostName() {
		return r, fmt.Errorf("rollout %s is of the hub %s, and this is %s", o.id, r.Hub, client.HostName())
	}
	if o.cmd.Flags().Changed("abort-above") {
		r.Rules.AbortAbove = o.abortAbove
	}
	next, _ := rollout.Step(r, rollout.Start{}, o.app.now())
	devices := toBeCalled(next)
	if len(devices) == 0 {
		return r, nil
	}
	o.app.note("%s to be called; %s", plural(len(devices), "device"), o.tier.estimate(next))
	return r, o.app.agree(ctx, o.cmd, devices, o.yes, workOf(iothub.Job{CloudToDeviceMethod: r.Work.Method}))
}
