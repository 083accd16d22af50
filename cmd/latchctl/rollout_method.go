package main

import (
	"context"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type rolloutMethodOptions struct {
	rolling
	app     *app
	cmd     *cobra.Command
	method  string
	payload string
	timeout seconds
}

func newRolloutMethod(a *app, run func(context.Context, *rolloutMethodOptions) error) *cobra.Command {
	if run == nil {
		run = runRolloutMethod
	}
	o := &rolloutMethodOptions{app: a, timeout: 15}
	cmd := &cobra.Command{
		Use:   "method METHOD --where CONDITION",
		Short: "Call a direct method on the devices that a condition selects, in waves",
		Long:  rolloutHelp,
		Example: `  latchctl rollout method lockDoor --where "tags.building = '43'" --waves 1,10%,100% --soak 5m --abort-above 5% \
    --require "properties.reported.lock.position = 'locked'"
  latchctl rollout method reboot --where '*' --waves 5,100% --dry-run --tier S1`,
		Args: named("METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.method = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	o.addRollingFlags(cmd)
	cmd.Flags().StringVar(&o.payload, "payload", "", "the method's argument: `JSON`, or @FILE; null if not given")
	cmd.Flags().Var(&o.timeout, "timeout", "how long a device may take to answer, 5s to 5m")
	return cmd
}

// rolloutHelp is what both kinds of rollouts say of themselves.
const rolloutHelp = "Which devices it is for, and their order, that of their ids, are fixed when it\n" +
	"begins. A wave is one job, or several one after the other where the hub takes no\n" +
	"condition that long. It is over when each of its devices has its result; if more\n" +
	"than --abort-above of them failed, no further job is scheduled. Left by Ctrl-C or\n" +
	"killed, it is taken up by 'latchctl rollout resume'.\n" +
	"The exit status is 0 if all devices succeeded, 3 if some failed, 4 if it was\n" +
	"aborted, 5 if --wait was over before its end."

func runRolloutMethod(ctx context.Context, o *rolloutMethodOptions) error {
	if err := o.check(o.cmd); err != nil {
		return err
	}
	method, err := methodRequest(o.cmd, o.method, o.payload, o.timeout, 0)
	if err != nil {
		return err
	}
	what := workOf(iothub.Job{CloudToDeviceMethod: &method})
	return o.app.beginRollout(ctx, o.cmd, o.rolling, rollout.Work{Type: iothub.ScheduleDeviceMethod, Method: &method}, what)
}
