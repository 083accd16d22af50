// Command latchhub is the embedded IoT hub: it serves devices over MQTT and
// services over HTTPS, and keeps everything in one directory.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr))
}

// usageError is a wrong use of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode says on stderr what went wrong, and returns 0 if nothing did, 2 for a
// wrong use, 1 for everything else.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(usageError)):
		fmt.Fprintf(stderr, "%slatchhub: %v\nTry 'latchhub --help'.\n", systemd.ErrorPrefix(stderr), err)
		return 2
	default:
		fmt.Fprintf(stderr, "%slatchhub: %v\n", systemd.ErrorPrefix(stderr), err)
		return 1
	}
}
