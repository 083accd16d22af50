//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/packaging/e2e/trace"
)

// TestPulse shows that what is energised ends in time, whatever happens to the
// process in the middle of it: at most the documented bound after the fault.
func TestPulse(t *testing.T) {
	g := newGateway(t)
	g.run(`apt-get install -y -qq /root/newer.deb`)
	pulse := settings{mode: "pulse", keys: `max_energised = "60s"`, gpio: `bias = "as-is"`}
	ends := func(name string, s settings, chip string, line int, releaseEnds bool) {
		t.Helper()
		g.configure(s)
		g.run(`systemctl stop latchd; rm -rf /var/lib/latchd/state.json`)
		g.start()
		for _, fault := range []struct{ name, how string }{
			{"SIGKILL", `systemctl kill --kill-whom=main -s KILL latchd`},
			{"SIGSTOP", `systemctl kill --kill-whom=main -s STOP latchd`},
			{"blocked main loop", `systemctl kill --kill-whom=main -s USR1 latchd`},
			{"stop", `systemctl stop latchd`},
		} {
			g.connected()
			var at time.Duration
			o := g.observe(chip, line, func() {
				if out := g.invoke("unlockDoor", `{"forSeconds":30}`); s.mode == "pulse" && !contains(out, `"position":"unlocked"`) {
					t.Fatalf("unlockDoor: %s", out)
				}
				pid := g.pid()
				at = g.uptime()
				g.run(fault.how)
				if fault.name == "stop" {
					g.run(`systemctl start latchd`)
				}
				g.restarted(pid)
			})
			var before []trace.Event // without the pulse there is nothing to see
			for _, e := range o.Events {
				if e.At < at {
					before = append(before, e)
				}
			}
			if trace.Longest(1, releaseEnds, before, at) == 0 {
				t.Fatalf("%s, %s: the line was not energised: %+v", name, fault.name, o.Events)
			}
			energised := trace.Longest(1, releaseEnds, o.Events, o.End)
			over := energised - trace.Longest(1, releaseEnds, before, at)
			record(t, over <= config.EnergisedBound, fmt.Sprintf("%s: %s when energised", name, fault.name), 1,
				fmt.Sprintf("%.2f s more", over.Seconds()), fmt.Sprintf("%s more", config.EnergisedBound))
		}
	}
	ends("pulse", pulse, g.chip, 0, true)
	dual := settings{mode: "dual", keys: "max_energised = \"60s\"\npulse = \"30s\"", gpio: `unlock_line = "UNLOCK"`}
	ends("dual", dual, g.chip, 3, true)
	if os.Getenv("E2E_ARCH") != "amd64" {
		// The board's own chip, which goes on driving what nobody holds.
		pulse.chip, pulse.line = "gpiochip0", "5"
		ends("pulse on a chip that goes on driving", pulse, "gpiochip0", 5, false)
	}
}
