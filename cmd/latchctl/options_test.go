package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/spf13/cobra"
)

// TestOptions checks that the values of flags and arguments arrive in the options of
// each command. It replaces the run functions of the commands.
func TestOptions(t *testing.T) {
	var lock lockOptions
	var method jobScheduleMethodOptions
	var invoke methodInvokeOptions
	parse := func(cmd *cobra.Command, args ...string) {
		t.Helper()
		cmd.SetArgs(args)
		cmd.SetOut(new(bytes.Buffer))
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{}
	keepLock := func(_ context.Context, o *lockOptions) error { lock = *o; return nil }

	parse(newLock(a, keepLock), "a", "b", "--reason", "x")
	if lock.unlock || len(lock.ids) != 2 || lock.reason != "x" || lock.timeout != 15 || lock.maxExecution != 3600 {
		t.Errorf("lock: %+v", lock)
	}
	parse(newUnlock(a, keepLock), "--where", "*", "--for", "30s", "--timeout", "20", "-y", "--wait", "1m")
	if !lock.unlock || lock.where != "*" || lock.relock != 30 || lock.timeout != 20 || !lock.yes || lock.wait != 60 {
		t.Errorf("unlock: %+v", lock)
	}
	parse(newJobScheduleMethod(a, func(_ context.Context, o *jobScheduleMethodOptions) error { method = *o; return nil }),
		"m", "--where", "a = 1", "--payload", "1", "--start", "+1m", "--max-execution", "2h", "--id", "j", "--watch", "-n")
	if method.method != "m" || method.where != "a = 1" || method.payload != "1" || method.start != "+1m" || method.maxExecution != 7200 ||
		method.id != "j" || !method.watch || !method.dryRun {
		t.Errorf("job: %+v", method)
	}
	parse(newMethodInvoke(a, func(_ context.Context, o *methodInvokeOptions) error { invoke = *o; return nil }), "d", "m", "--connect-timeout", "1m")
	if invoke.id != "d" || invoke.method != "m" || invoke.connectTimeout != 60 || invoke.timeout != 15 {
		t.Errorf("invoke: %+v", invoke)
	}
	var roll rolloutMethodOptions
	parse(newRolloutMethod(a, func(_ context.Context, o *rolloutMethodOptions) error { roll = *o; return nil }),
		"m", "--where", "a = 1", "--waves", "5,100%", "--soak", "5m", "--abort-above", "2.5%", "--min-devices", "3", "--require", "b = 2",
		"--tier", "S2", "--units", "4", "--id", "r", "--wait", "1h", "--payload", "1", "-n")
	if roll.method != "m" || roll.where != "a = 1" || roll.waves != "5,100%" || roll.soak != 300 || roll.abortAbove != 250 || roll.minDevices != 3 ||
		roll.require != "b = 2" || roll.tier.name != "S2" || roll.tier.units != 4 || roll.id != "r" || roll.wait != 3600 || roll.payload != "1" || !roll.dryRun {
		t.Errorf("rollout: %+v", roll)
	}
	parse(newRolloutMethod(a, func(_ context.Context, o *rolloutMethodOptions) error { roll = *o; return nil }), "m", "--where", "*")
	if roll.waves != "1,10%,100%" || roll.soak != 0 || roll.abortAbove != 0 || roll.minDevices != 1 || roll.maxExecution != 3600 || roll.timeout != 15 {
		t.Errorf("rollout by default: %+v", roll)
	}
}

// TestEveryCommandHasAnExample checks that every command has a short text and an
// example, and that its help begins with the example.
func TestEveryCommandHasAnExample(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no example or no short text", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(&app{}))
}
