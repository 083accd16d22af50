package main

import (
	"context"
	"encoding/json"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

// The direct methods that move a door's bolt.
const (
	lockDoor   = "lockDoor"
	unlockDoor = "unlockDoor"
)

// lockOptions holds the flags and arguments of lock and unlock.
type lockOptions struct {
	scheduling
	app     *app
	cmd     *cobra.Command
	unlock  bool // the command is unlock
	reason  string
	relock  seconds // relock after this time; 0 means that the door stays unlocked
	timeout seconds
}

func newLock(a *app, run func(context.Context, *lockOptions) error) *cobra.Command {
	cmd, _ := newLockCommand(a, run, false)
	cmd.Use = "lock --where CONDITION | ID..."
	cmd.Short = "Lock doors and show each door's result"
	cmd.Example = `  latchctl lock front-door back-door
  latchctl lock --where "tags.building = '43'" --reason "closing time"`

	return cmd
}

func newUnlock(a *app, run func(context.Context, *lockOptions) error) *cobra.Command {
	cmd, o := newLockCommand(a, run, true)
	cmd.Use = "unlock --where CONDITION | ID..."
	cmd.Short = "Unlock doors and show each door's result"
	cmd.Example = `  latchctl unlock front-door --for 30s --reason "delivery"
  latchctl unlock --where "tags.building = '43' AND tags.floor = 1" --dry-run`
	cmd.Flags().Var(&o.relock, "for", "lock the door again after this time")

	return cmd
}

func newLockCommand(a *app, run func(context.Context, *lockOptions) error, unlock bool) (*cobra.Command, *lockOptions) {
	if run == nil {
		run = runLock
	}

	o := &lockOptions{app: a, unlock: unlock, timeout: 15}
	cmd := &cobra.Command{
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.ids = cmd, args
			return run(cmd.Context(), o)
		},
	}

	o.addFlags(cmd)
	o.addRunFlags(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "send this reason to the door, which records it")
	cmd.Flags().Var(&o.timeout, "timeout", "wait this long for a door's answer, 5s to 5m")

	return cmd, o
}

func runLock(ctx context.Context, o *lockOptions) error {
	if err := o.scheduling.check(o.app, o.cmd); err != nil {
		return err
	}
	if o.cmd.Flags().Changed("for") && o.relock == 0 {
		return usagef(o.cmd, "--for is 0; want a duration such as 30s")
	}

	method := iothub.MethodRequest{MethodName: lockDoor, Payload: o.payload(), ResponseTimeoutInSeconds: int(o.timeout)}
	if o.unlock {
		method.MethodName = unlockDoor
	}
	if err := checkMethod(o.cmd, method); err != nil {
		return err
	}

	client, err := o.app.client()
	if err != nil {
		return err
	}

	o.watch = true
	job := iothub.Job{Type: iothub.ScheduleDeviceMethod, CloudToDeviceMethod: &method}
	return o.app.schedule(ctx, client, o.scheduling, job, operationOf(&method))
}

// payload returns the method's JSON payload, or nil if the door needs none.
func (o *lockOptions) payload() json.RawMessage {
	if o.reason == "" && o.relock == 0 {
		return nil
	}

	text, _ := json.Marshal(struct {
		Reason     string  `json:"reason,omitempty"`
		ForSeconds seconds `json:"forSeconds,omitempty"`
	}{o.reason, o.relock})

	return text
}
