//go:build !man

// Latchctl is the technician's tool. It schedules jobs on the devices of an IoT
// hub, calls direct methods, reads and changes twins, and reports the result of
// every door. It uses the hub's service API, which Azure IoT Hub and latchhub
// have in common.
//
// To find your way: newRoot in root.go builds the tree of commands. The file of each
// command has the command's name and contains its flags and its method run. The type
// app in app.go holds what the commands use from the outside world, such as the clock.
//
// Guarantees:
//   - latchctl checks the whole command line before it sends the first request.
//   - The exit status states the outcome; exit.go lists its values.
//   - Only "latchctl device connection-string" prints keys. "latchctl hub token" prints a
//     token, which expires.
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
