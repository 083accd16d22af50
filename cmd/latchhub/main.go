// Command latchhub is an IoT hub in one process. It serves devices over MQTT and
// services over HTTPS, and stores all its data in one directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/termtext"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr))
}

// usageError is an error in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode prints err on stderr and returns the program's exit code: 0 if err is nil, 2
// for a usage error and 1 for any other error.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "%slatchhub: %s\nTry 'latchhub --help'.\n", systemd.ErrorPrefix(stderr), termtext.Clean(err.Error()))
		return 2
	}
	fmt.Fprintf(stderr, "%slatchhub: %s\n", systemd.ErrorPrefix(stderr), termtext.Clean(err.Error()))
	return 1
}
