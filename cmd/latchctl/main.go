//go:build !man

// Latchctl is the technician's tool. It schedules jobs on the devices of an IoT
// hub, calls direct methods, reads and changes twins, and reports the result of
// every door. It uses the hub's service API, which Azure IoT Hub and latchhub
// have in common.
//
// To find your way: newRoot in root.go builds the tree of commands. Each command
// has a file of its name, with its flags and its run function. The app type in
// app.go holds everything that a command takes from the outside world.
//
// Guarantees:
//   - latchctl checks a whole command line before it sends the first request.
//   - The exit status states the outcome; exit.go lists the values.
//   - No key is printed, except by "latchctl device connection-string".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, newApp(), os.Args[1:])
	stop()

	os.Exit(status)
}
