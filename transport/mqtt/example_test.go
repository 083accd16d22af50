package mqtt_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// A device answers direct methods on each link until its context ends.
func ExampleRun() {
	device, err := iothub.ParseDevice("HostName=hub.example;DeviceId=front;SharedAccessKey=c2VjcmV0")
	if err != nil {
		panic(err)
	}

	err = mqtt.Run(context.Background(), mqtt.Options{Device: device}, func(ctx context.Context, link *mqtt.Link) error {
		for method := range link.Methods() {
			answer := iothub.MethodResponse{Status: http.StatusOK, Payload: method.Payload}
			if err := link.Respond(ctx, method.RequestID, answer); err != nil {
				return err
			}
		}
		return nil
	})
	fmt.Println(err)
}
