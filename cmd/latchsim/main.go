// Latchsim is a fleet of simulated gateways in one process: the real agent with
// mock locks, each on its own MQTT link over TLS.
//
// Which doors fail, and how, follows from the seed and the device ids alone, so
// that a test knows what to expect of each.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends it the hard way
	os.Exit(exitCode(os.Stderr, run(ctx, os.Args[1:], os.Stdout, os.Stderr)))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, help())
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	plan := o.plan()
	if o.listFaults {
		return plan.list(stdout)
	}
	fmt.Fprintf(stderr, "latchsim: %s\n", plan)
	return simulate(ctx, o, plan, stdout, stderr)
}

// usageError is an error of the command line: the exit code is 2.
type usageError struct{ error }

func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "latchsim: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}
