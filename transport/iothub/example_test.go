package iothub_test

import (
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// A device's connection string holds what its token needs.
func Example() {
	device, err := iothub.ParseDevice("HostName=hub.example;DeviceId=front;SharedAccessKey=c2VjcmV0")
	if err != nil {
		panic(err)
	}

	resource := iothub.DeviceResource(device.HostName, device.DeviceID, "")
	token := iothub.Sign(resource, device.Key, "", time.Unix(1795437432, 0))

	fmt.Println(device.DeviceID)
	fmt.Println(token[:44])
	// Output:
	// front
	// SharedAccessSignature sr=hub.example%2Fdevic
}
