package hub_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/latchd/latchd/transport/hub"
)

// A hub runs until the program is interrupted.
func ExampleRun() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	err := hub.Run(ctx, hub.Options{
		DataDir:   "hub-data",
		MQTTAddr:  ":8883",
		HTTPSAddr: ":8443",
		Name:      "hub.example",
		Ready:     func(at hub.Addresses) { fmt.Println("ready for devices on", at.MQTT) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
