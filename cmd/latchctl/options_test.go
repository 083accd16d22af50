package main

import (
	"context"
	"testing"

	"github.com/spf13/cobra"
)

// TestOptions checks that the values of flags and arguments arrive in the options of
// each command. The commands are parsed but not run.
func TestOptions(t *testing.T) {
	var parsed command
	a := &app{perform: func(_ context.Context, c command) error { parsed = c; return nil }}
	parse := func(args ...string) {
		t.Helper()
		cmd := newRoot(a)
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	parse("lock", "a", "b", "--reason", "x")
	lock := parsed.(*lockOptions)
	if lock.unlock || len(lock.IDs) != 2 || lock.reason != "x" || lock.timeout != 15 || lock.maxExecution != 3600 {
		t.Errorf("lock: %+v", lock)
	}
	parse("unlock", "--where", "*", "--for", "30s", "--timeout", "20", "-y", "--wait", "1m")
	lock = parsed.(*lockOptions)
	if !lock.unlock || lock.Where != "*" || lock.relock != 30 || lock.timeout != 20 || !lock.Yes || lock.wait != 60 {
		t.Errorf("unlock: %+v", lock)
	}
	parse("job", "schedule", "method", "m", "--where", "a = 1", "--payload", "1", "--start", "+1m", "--max-execution", "2h", "--id", "j", "--watch", "-n")
	method := parsed.(*jobScheduleMethodOptions)
	if method.method != "m" || method.Where != "a = 1" || method.payload != "1" || method.start != "+1m" || method.maxExecution != 7200 ||
		method.id != "j" || !method.watch || !method.dryRun {
		t.Errorf("job: %+v", method)
	}
	parse("method", "invoke", "d", "m", "--connect-timeout", "1m")
	invoke := parsed.(*methodInvokeOptions)
	if invoke.id != "d" || invoke.method != "m" || invoke.connectTimeout != 60 || invoke.timeout != 15 {
		t.Errorf("invoke: %+v", invoke)
	}
	parse("rollout", "method",
		"m", "--where", "a = 1", "--waves", "5,100%", "--soak", "5m", "--abort-above", "2.5%", "--min-devices", "3", "--require", "b = 2",
		"--tier", "S2", "--units", "4", "--id", "r", "--wait", "1h", "--payload", "1", "-n")
	roll := parsed.(*rolloutMethodOptions)
	if roll.method != "m" || roll.Where != "a = 1" || roll.waves != "5,100%" || roll.soak != 300 || roll.abortAbove != 250 || roll.minDevices != 3 ||
		roll.require != "b = 2" || roll.tier.name != "S2" || roll.tier.units != 4 || roll.id != "r" || roll.wait != 3600 || roll.payload != "1" || !roll.dryRun {
		t.Errorf("rollout: %+v", roll)
	}
	parse("rollout", "method", "m", "--where", "*")
	roll = parsed.(*rolloutMethodOptions)
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
