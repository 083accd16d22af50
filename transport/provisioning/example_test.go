package provisioning_test

import (
	"context"
	"encoding/json"
	"os"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/provisioning"
)

// A device in an enrollment group asks the provisioning service once for its hub, and
// saves the answer in a file.
func ExampleLocator() {
	group := iothub.Key("the key of the group, which should not be stored on the device")
	locator := &provisioning.Locator{
		Options: provisioning.Options{
			IDScope: "0ne00000A0A", RegistrationID: "front-door",
			Key: provisioning.DeriveKey(group, "front-door"),
		},
		Save: func(a provisioning.Assignment) error {
			text, err := json.Marshal(a)
			if err != nil {
				return err
			}
			return os.WriteFile("assignment.json", text, 0o600)
		},
	}

	if text, err := os.ReadFile("assignment.json"); err == nil {
		if json.Unmarshal(text, &locator.Assignment) != nil {
			locator.Assignment = provisioning.Assignment{} // the saved answer is unreadable: ask the service again
		}
	}

	err := mqtt.Run(context.Background(), mqtt.Options{Locate: locator.Locate},
		func(ctx context.Context, link *mqtt.Link) error {
			<-ctx.Done()
			return nil
		})
	if err != nil {
		panic(err)
	}
}
