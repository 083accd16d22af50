package main

import (
	"context"
	"encoding/json"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

// lockdownOptions holds the flags and arguments of lockdown on and lockdown off.
type lockdownOptions struct {
	scheduling
	app     *app
	cmd     *cobra.Command
	on      bool
	timeout seconds // how long to wait for the doors' acknowledgements; 0 means no wait
}

func newLockdown(a *app, on bool) *cobra.Command {
	o := &lockdownOptions{app: a, on: on, timeout: 30}
	cmd := &cobra.Command{
		Use:   "off --where CONDITION | ID...",
		Short: "End the lockdown of doors; no bolt moves",
		Example: `  latchctl lockdown off front-door back-door
  latchctl lockdown off --where "properties.desired.building = '43'" --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.IDs = cmd, args
			return a.perform(cmd.Context(), o)
		},
	}
	if on {
		cmd.Use = "on --where CONDITION | ID..."
		cmd.Short = "Lock doors, and refuse to unlock them until the lockdown ends"
		cmd.Example = `  latchctl lockdown on front-door back-door
  latchctl lockdown on --where "properties.desired.building = '43'" --yes`
	}
	cmd.Long = lockdownHelp

	o.addFlags(cmd)
	o.addRunFlags(cmd)
	cmd.Flags().Var(&o.timeout, "timeout", "wait this long for the doors' acknowledgements; 0 does not wait")

	return cmd
}

const lockdownHelp = "A job changes the desired property lockdown of the doors. A door that is offline\n" +
	"follows when it connects. latchctl waits up to --timeout for the other doors to\n" +
	"acknowledge. An open door is pending: it locks when somebody closes it. People can\n" +
	"always leave: the exit input works, and the door locks behind them. A door that\n" +
	"could trap people refuses lockdown.\n" +
	"Exit status: 0 if every door has acknowledged or is pending, 3 if a door refused, 5\n" +
	"if a connected door did not acknowledge in time."

func (o *lockdownOptions) run(ctx context.Context) error {
	if err := o.scheduling.check(o.app, o.cmd); err != nil {
		return err
	}
	patch, err := json.Marshal(iothub.TwinPatch{ETag: "*", // IoT Hub requires an etag in a job's twin patch
		Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"lockdown": o.on}}})
	if err != nil {
		return err
	}
	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	o.watch = true
	work, err := o.app.prepare(ctx, f, o.scheduling, iothub.Job{Type: iothub.ScheduleUpdateTwin, UpdateTwin: patch}, o.operation())
	if err != nil || len(work.Jobs) == 0 {
		return err
	}

	return o.app.runAndReport(ctx, f, work, o.timeout.duration())
}

// operation describes the start or the end of a lockdown to the user.
func (o *lockdownOptions) operation() fleet.Operation {
	if o.on {
		return fleet.Operation{Verb: "lock down", Noun: "door", Name: "lockdown", Caution: fleet.AboveOne}
	}

	return fleet.Operation{Verb: "end the lockdown of", Noun: "door", Name: "lockdown", Caution: fleet.Always}
}
