package main

import (
	"context"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

// lockOptions holds the flags and arguments of lock and unlock.
type lockOptions struct {
	scheduling
	app     *app
	cmd     *cobra.Command
	unlock  bool // true for the command unlock, false for lock
	reason  string
	relock  seconds // lock again after this time; 0 means that the door's own setting decides
	until   string  // lock again at this time, as --until states it; empty without --until
	hold    bool    // keep the door unlocked until somebody locks it
	timeout seconds

	period string // description of the time during which the doors are unlocked; empty if no flag names a time
}

func newLock(a *app) *cobra.Command {
	cmd, _ := newLockCommand(a, false)
	cmd.Use = "lock --where CONDITION | ID..."
	cmd.Short = "Lock doors and show each door's result"
	cmd.Long = "An open door is pending: it locks by itself when somebody closes it. The exit status\n" +
		"is then 3, because the door is not locked yet. With --start, the hub locks the doors\n" +
		"later, and latchctl does not wait until then."
	cmd.Example = `  latchctl lock front-door back-door
  latchctl lock --where "properties.desired.building = '43'" --start 'today 18:00'`

	return cmd
}

func newUnlock(a *app) *cobra.Command {
	cmd, o := newLockCommand(a, true)
	cmd.Use = "unlock --where CONDITION | ID..."
	cmd.Short = "Unlock doors and show each door's result"
	cmd.Example = `  latchctl unlock front-door --for 30s --reason "delivery"
  latchctl unlock --where "properties.desired.building = '43' AND properties.desired.floor = 1" --dry-run
  latchctl unlock front-door --start 'tomorrow 08:00' --until 18:00`
	cmd.Long = "With --start, the hub unlocks the doors later, and latchctl does not wait until then.\n" +
		"With --until or --for, each door locks again by itself, even without a network. The\n" +
		"door counts the time from the moment when it unlocks: a door that unlocks a minute\n" +
		"late also locks a minute late. A door that is offline at the start stays locked."

	cmd.Flags().Var(&o.relock, "for", "lock the door again after this time, at most 24h")
	cmd.Flags().StringVar(&o.until, "until", "", "lock the door again at `TIME`, at most 24h after the start: 18:00, 'tomorrow 02:00', '2026-11-30 02:00' or RFC 3339")
	cmd.Flags().BoolVar(&o.hold, "hold", false, "keep the door unlocked until somebody locks it; ignore the door's own relock setting")

	return cmd
}

func newLockCommand(a *app, unlock bool) (*cobra.Command, *lockOptions) {
	o := &lockOptions{app: a, unlock: unlock, timeout: 15}
	cmd := &cobra.Command{
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.IDs = cmd, args
			return a.perform(cmd.Context(), o)
		},
	}

	o.addFlags(cmd)
	o.addStartFlag(cmd)
	o.addRunFlags(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "send this reason to the door, which records it")
	cmd.Flags().Var(&o.timeout, "timeout", "wait this long for a door's answer, 5s to 5m")

	return cmd, o
}

func (o *lockOptions) run(ctx context.Context) error {
	if err := o.scheduling.check(o.app, o.cmd); err != nil {
		return err
	}
	if err := o.checkPeriod(); err != nil {
		return err
	}

	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	command := fleet.BoltCommand{Unlock: o.unlock, Reason: o.reason, ForSeconds: int64(o.relock), Hold: o.hold}
	method, err := command.Method(f.By(ctx), int(o.timeout))
	if err != nil {
		return err
	}
	if err := checkMethod(method); err != nil {
		return err
	}

	job := iothub.Job{Type: iothub.ScheduleDeviceMethod, CloudToDeviceMethod: &method}
	op := fleet.OperationOf(job)
	if o.period != "" {
		op.When, op.Caution = o.period, fleet.Always
	}
	o.watch = !o.startsLater(o.app) || o.cmd.Flags().Changed("wait")

	return o.app.schedule(ctx, f, o.scheduling, job, op)
}

// checkPeriod validates --for and --until. It computes relock, the time after which
// the doors lock again, and the text that describes this time to the user.
func (o *lockOptions) checkPeriod() error {
	if !o.unlock {
		return nil
	}

	flags := o.cmd.Flags()
	switch {
	case flags.Changed("for") && flags.Changed("until"):
		return usagef("give --for or --until, not both")
	case o.hold && (flags.Changed("for") || flags.Changed("until")):
		return usagef("give --hold or a time to relock, not both")
	case flags.Changed("for") && o.relock == 0:
		return usagef("--for is 0; want a duration such as 30s")
	case time.Duration(o.relock)*time.Second > fleet.MaxUnlock:
		return usagef("--for is %s; at most 24h are allowed", &o.relock)
	}

	start := o.app.now()
	from := ""
	if o.startsLater(o.app) {
		start = *o.startTime
		from = "from " + fleet.ZoneTime(start, o.app.local)
		o.period = from
	}
	if !flags.Changed("until") {
		return nil
	}

	until, err := fleet.ParseUntil(o.until, start, o.app.now(), o.app.local)
	if err != nil {
		return usagef("%w", err)
	}
	o.relock = seconds(max(until.Sub(start).Round(time.Second)/time.Second, 1))
	o.period = strings.TrimSpace(from + " until " + fleet.ZoneTime(until, o.app.local))

	return nil
}
