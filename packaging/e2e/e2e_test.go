//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"testing"
)

// TestGateway installs all packages on one machine and runs the scenarios on it, in this
// order. The scenarios "unplug" and "driver" remove a chip, after which Linux 6.1 may
// crash; the next scenario, "cuts", therefore restarts the machine first.
func TestGateway(t *testing.T) {
	g := newGateway(t)
	for _, scenario := range []struct {
		name string
		run  func(*testing.T, *gateway)
	}{
		{"system", system},
		{"hold", hold},
		{"pulse", pulse},
		{"relock", relock},
		{"faults", faults},
		{"reboot", reboot},
		{"unplug", unplug},
		{"driver", driver},
		{"cuts", cuts},
		{"packages", packages},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			parent := g.t
			g.t = t
			defer func() { g.t = parent }()
			scenario.run(t, g)
		})
	}
}

// driver runs the tests of the package actuator/gpio on simulated chips.
func driver(t *testing.T, g *gateway) {
	r, err := g.try(`/run/guest/gpio.test -test.v 2>&1`)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 0 {
		t.Errorf("the tests of actuator/gpio exited with %d:\n%s", r.Status, r.Output)
	}
	record(t, r.Status == 0, "driver: tests of actuator/gpio on gpio-sim", 1, "exit status "+strconv.Itoa(r.Status), "0")
}

// system checks the exposure of the unit, and that the armhf program runs on the oldest
// Raspberry Pi.
func system(t *testing.T, g *gateway) {
	security(t, g)
	armv6(t)
}

// arch is the architecture of the machine: amd64, arm64 or armhf.
var arch = os.Getenv("E2E_ARCH")
