package systemd_test

import (
	"fmt"

	"github.com/latchd/latchd/systemd"
)

// A service tells systemd that it is ready, and what it is doing.
func ExampleManager_Notify() {
	manager := systemd.FromEnvironment()
	if _, err := manager.Notify(systemd.Ready, systemd.Status("locked")); err != nil {
		fmt.Println("systemd does not know that the service is ready:", err)
	}
}
