package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/spf13/cobra"
)

type rolloutResumeOptions struct {
	selection  // holds only --yes and --dry-run, because the rollout's file names the devices
	app        *app
	cmd        *cobra.Command
	id         string
	abortAbove rollout.Percent
	minDevices int
	skip       []string // ids of devices to leave out
	acceptHub  bool     // continue even if the rollout's file does not prove that the chosen hub is the rollout's
	wait       seconds
	tier       tierFlags
}

func newRolloutResume(a *app) *cobra.Command {
	o := &rolloutResumeOptions{app: a}
	cmd := &cobra.Command{
		Use:   "resume ID",
		Short: "Continue a rollout where it ended",
		Long: "A rollout that was interrupted, killed or stopped continues where it was: latchctl\n" +
			"watches a started job and does not repeat it. A rollout that was aborted, or that\n" +
			"ended with failed devices, first calls the failed devices again, wave by wave.\n\n" +
			"If a device cannot be repaired now, leave it out with --skip. If its wave then has no\n" +
			"device left, the next devices move up: the rollout is still tried on one device first.",
		Example: "  latchctl rollout resume lockDoor-20261123-114500-4f3a9c01\n" +
			"  latchctl rollout resume lockDoor-20261123-114500-4f3a9c01 --skip front --skip side\n" +
			"  latchctl rollout resume lockDoor-20261123-114500-4f3a9c01 --abort-above 10%",
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().Var(&o.abortAbove, "abort-above", "from now on, abort if more than this percentage of a wave's devices fails (default: the rollout's own limit)")
	cmd.Flags().Lookup("abort-above").DefValue = "" // The help must not show the default 0%, because latchctl uses the limit from the rollout's file.
	cmd.Flags().IntVar(&o.minDevices, "min-devices", 0, "from now on, judge a wave of fewer than `N` devices together with the next wave (default: the rollout's own number)")
	cmd.Flags().Lookup("min-devices").DefValue = ""
	cmd.Flags().StringArrayVar(&o.skip, "skip", nil, "leave out the device `ID`, which failed or was not called; repeat the flag for several devices")
	cmd.Flags().BoolVar(&o.acceptHub, "accept-hub", false, "skip the question whether the hub is the rollout's, if the rollout's file does not prove it")
	o.addConfirmationFlags(cmd)
	addRolloutWait(cmd, &o.wait)
	o.tier.addFlags(cmd)

	return cmd
}

func (o *rolloutResumeOptions) run(ctx context.Context) error {
	if err := o.tier.check(o.cmd); err != nil {
		return err
	}
	if o.cmd.Flags().Changed("min-devices") && o.minDevices < 1 {
		return usagef("--min-devices %d: want 1 or more", o.minDevices)
	}
	store, err := o.app.rollouts()
	if err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	f := o.app.fleetOf(client)
	if err := o.tier.addFromConfig(o.app); err != nil {
		return err
	}

	if o.dryRun {
		r, err := o.load(ctx, f)
		if err != nil {
			return err
		}
		next, _ := rollout.Step(r, rollout.Start{}, o.app.now())
		return o.app.showWaves(f, next, o.tier)
	}

	load := func() (rollout.Rollout, error) { return o.loadAndConfirm(ctx, f) }
	return o.app.runRollout(ctx, f, store, o.id, o.wait, load)
}

// load loads the rollout from its file, checks that the chosen hub is the rollout's, and
// applies the flags that change the rollout.
func (o *rolloutResumeOptions) load(ctx context.Context, f *fleet.Fleet) (rollout.Rollout, error) {
	r, err := o.app.loadRollout(o.id)
	if err != nil {
		return r, err
	}

	err = r.ClaimHub(ctx, f, o.acceptHub)
	if doubt, ok := errors.AsType[*rollout.DoubtError](err); ok {
		o.app.note("%s", doubt.Reason)
		question := fmt.Sprintf("continue rollout %s on %s", o.id, doubt.Chosen)
		if err := o.app.ask(ctx, question, "--accept-hub if it is the rollout's hub"); err != nil {
			return r, err
		}
		err = r.ClaimHub(ctx, f, true)
	}
	if err != nil {
		return r, err
	}

	if o.cmd.Flags().Changed("abort-above") {
		r.Rules.AbortAbove = o.abortAbove
	}
	if err := r.Skip(o.skip); err != nil {
		return r, err
	}
	if !o.cmd.Flags().Changed("min-devices") {
		return r, nil
	}
	if n := r.Counts().Devices; o.minDevices > n {
		return r, usagef("--min-devices %d: the rollout has %s, so no wave would be judged", o.minDevices, words.Count(n, "device"))
	}
	r.Rules.MinDevices = o.minDevices
	return r, nil
}

// loadAndConfirm loads the rollout and asks the user for confirmation if the rollout needs
// it.
func (o *rolloutResumeOptions) loadAndConfirm(ctx context.Context, f *fleet.Fleet) (rollout.Rollout, error) {
	r, err := o.load(ctx, f)
	if err != nil {
		return r, err
	}

	next, _ := rollout.Step(r, rollout.Start{}, o.app.now())
	devices := pendingDevices(next)
	if len(devices) == 0 {
		return r, nil
	}
	o.app.note("%s left to call; %s", words.Count(len(devices), "device"), o.tier.estimate(next))

	if o.Yes {
		return r, nil
	}
	return r, f.Ask(ctx, devices, rolloutOperation(r.Work))
}
