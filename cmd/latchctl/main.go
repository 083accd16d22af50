// Latchctl is the technician's tool: it schedules and watches jobs on the
// devices of an IoT Hub, calls direct methods, reads and changes twins, and says
// what became of each door. It speaks the hub's service API, so that Azure IoT
// Hub and latchhub are the same to it.
//
// Its exit status tells the outcome; exit.go has the table.
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
