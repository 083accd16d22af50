package main

import (
	"context"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type jobScheduleMethodOptions struct {
	scheduling
	app     *app
	cmd     *cobra.Command
	method  string
	payload string
	timeout seconds
}

func newJobScheduleMethod(a *app) *cobra.Command {
	o := &jobScheduleMethodOptions{app: a, timeout: 15}
	cmd := &cobra.Command{
		Use:   "method METHOD --where CONDITION",
		Short: "Schedule a direct method on the devices that a condition selects",
		Example: `  latchctl job schedule method lockDoor --where "properties.desired.building = '43'" --start +10m --watch
  latchctl job schedule method ping --where "deviceId IN ['front-door','back-door']" --payload '{"n":1}'`,
		Args: exactArgs("METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.method = cmd, args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	o.addScheduleFlags(cmd)
	addMethodFlags(cmd, &o.payload, &o.timeout)

	return cmd
}

// addMethodFlags adds the flags --payload and --timeout, which describe the call of a
// direct method.
func addMethodFlags(cmd *cobra.Command, payload *string, timeout *seconds) {
	cmd.Flags().StringVar(payload, "payload", "", "send this `JSON` as the method's payload, or the content of @FILE (default null)")
	cmd.Flags().Var(timeout, "timeout", "wait this long for a device's answer, 5s to 5m")
}

func (o *jobScheduleMethodOptions) run(ctx context.Context) error {
	if err := o.scheduling.check(o.app, o.cmd); err != nil {
		return err
	}
	method, err := methodRequest(o.method, o.payload, o.timeout, 0)
	if err != nil {
		return err
	}

	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	method.Payload = fleet.Identify(method, f.By(ctx))
	job := iothub.Job{Type: iothub.ScheduleDeviceMethod, CloudToDeviceMethod: &method}
	return o.app.schedule(ctx, f, o.scheduling, job, fleet.OperationOf(job))
}
