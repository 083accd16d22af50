//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"testing"
)

// TestGateway installs all packages on one machine and runs the scenarios on it, in
// this order. The scenarios "unplug" and "driver" remove a GPIO chip. Linux 6.1 may
// crash after that, so the next scenario, "cuts", first restarts the machine.
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
		{"exit", exit},
		{"door", door},
		{"polled", polled},
		{"alias", alias},
		{"faults", faults},
		{"bad files", badFiles},
		{"operators", operators},
		{"two doors", twoDoors},
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

// driver runs the tests of the package actuator/gpio on simulated GPIO chips.
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

// system checks two things: the security exposure of latchd's unit, and whether the
// armhf program runs on the processor of the oldest Raspberry Pi.
func system(t *testing.T, g *gateway) {
	security(t, g)
	armv6(t)
}

// arch is the architecture of the virtual machine: amd64, arm64 or armhf.
var arch = os.Getenv("E2E_ARCH")
