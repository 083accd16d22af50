// Latchsim simulates a fleet of door locks in one process. Each door runs latchd's
// agent with a mock lock and has its own MQTT connection over TLS.
//
// Only the seed and a door's device id determine whether and how the door fails. A test
// can therefore predict the result for each door.
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
	context.AfterFunc(ctx, stop) // after the first signal, a second one kills the process
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
	signal.Ignore(syscall.SIGPIPE) // keep the doors connected when nobody reads the output any more
	fmt.Fprintf(stderr, "latchsim: %s\n", plan)
	return simulate(ctx, o, plan, stdout, stderr)
}

// usageError is an error in the command line. It makes the exit code 2.
type usageError struct{ error }

// exitCode prints err and returns the program's exit code.
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
