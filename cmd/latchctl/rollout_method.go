package main

import (
	"context"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type rolloutMethodOptions struct {
	rolloutPlan
	app     *app
	cmd     *cobra.Command
	method  string
	payload string
	timeout seconds
}

func newRolloutMethod(a *app) *cobra.Command {
	o := &rolloutMethodOptions{app: a, timeout: 15}
	cmd := &cobra.Command{
		Use:   "method METHOD --where CONDITION",
		Short: "Call a direct method on the devices that a condition selects, in waves",
		Long:  rolloutHelp,
		Example: `  latchctl rollout method lockDoor --where "properties.desired.building = '43'" --waves 1,10%,100% --soak 5m --abort-above 5% \
    --require "properties.reported.lock.position = 'locked'"
  latchctl rollout method reboot --where '*' --waves 5,100% --dry-run --tier S1`,
		Args: exactArgs("METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.method = cmd, args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	o.addPlanFlags(cmd)
	addMethodFlags(cmd, &o.payload, &o.timeout)

	return cmd
}

// rolloutHelp is the long help of the commands that start a rollout.
const rolloutHelp = "A rollout calls devices in waves (groups of devices), in the order of their ids. The\n" +
	"devices are fixed when the rollout starts. A wave is one job. If its ids are too long\n" +
	"for one condition, it is several jobs, one after the other. A wave ends when each of\n" +
	"its devices has a result. If more than --abort-above of the devices failed, latchctl\n" +
	"aborts the rollout: it creates no further job. A pending device, such as a lock that\n" +
	"waits for an open door, counts as failed, because it may not succeed. After Ctrl-C\n" +
	"or a crash, continue with 'latchctl rollout resume'.\n" +
	"Exit status: 0 if all devices succeeded, 3 if some failed, 4 if the rollout was\n" +
	"aborted, 5 if it did not end within --wait."

func (o *rolloutMethodOptions) run(ctx context.Context) error {
	if err := o.check(o.cmd); err != nil {
		return err
	}
	method, err := methodRequest(o.method, o.payload, o.timeout, 0)
	if err != nil {
		return err
	}

	work := rollout.Work{Type: iothub.ScheduleDeviceMethod, Method: &method}
	return o.app.startRollout(ctx, o.rolloutPlan, work)
}
