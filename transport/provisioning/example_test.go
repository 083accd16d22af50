package provisioning_test

import (
	"context"
	"encoding/json"
	"os"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/provisioning"
)

// A device of a group whose members share a key. Its hub is asked for once, and
// kept in a file.
func ExampleKeeper() {
	group := iothub.Key("the key of the group, which is better not on the device")
	keeper := &provisioning.Keeper{
		Options: provisioning.Options{
			IDScope: "0ne00000A0A", RegistrationID: "front-door",
			Key: provisioning.DeriveKey(group, "front-door"),
		},
		Keep: func(a provisioning.Assignment) error {
			text, err := json.Marshal(a)
			if err != nil {
				return err
			}
			return os.WriteFile("assignment.json", text, 0o600)
		},
	}
	if text, err := os.ReadFile("assignment.json"); err == nil {
		if json.Unmarshal(text, &keeper.Assignment) != nil {
			keeper.Assignment = provisioning.Assignment{} // it is asked for again
		}
	}
	err := mqtt.Run(context.Background(), mqtt.Options{Locate: keeper.Locate},
		func(ctx context.Context, link *mqtt.Link) error {
			<-ctx.Done()
			return nil
		})
	if err != nil {
		panic(err)
	}
}
