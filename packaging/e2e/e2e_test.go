//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"testing"
)

// TestGateway installs everything on one machine, which the scenarios share in
// this order. Those that unplug a chip come last before the machine is started anew:
// Linux 6.1 does not always survive that for long.
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
			whole := g.t
			g.t = t
			defer func() { g.t = whole }()
			scenario.run(t, g)
		})
	}
}

// driver runs the tests of the GPIO driver on the kernel's simulated chips.
func driver(t *testing.T, g *gateway) {
	r, err := g.try(`/run/guest/gpio.test -test.v 2>&1`)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 0 {
		t.Errorf("the driver's tests ended with %d:\n%s", r.Status, r.Output)
	}
	record(t, r.Status == 0, "driver: its own tests on gpio-sim", 1, "exit status "+strconv.Itoa(r.Status), "0")
}

// system shows how exposed the unit leaves the system, and that the program for
// armhf runs on the oldest Raspberry Pi.
func system(t *testing.T, g *gateway) {
	security(t, g)
	armv6(t)
}

var arch = os.Getenv("E2E_ARCH")
