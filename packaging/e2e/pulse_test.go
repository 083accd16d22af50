//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/packaging/e2e/trace"
)

const (
	blocked = "blocked main loop"
	// blockDelay is how long the main loop of the debug build may keep running after
	// SIGUSR1 tells it to block. It is a third of the watchdog's interval, the loop's
	// longest wait.
	blockDelay = 2 * time.Second / 3
)

// pulse shows that an energised line does not stay energised if the agent is stopped,
// is killed or hangs during a pulse. The line must become idle within the documented
// bound.
func pulse(t *testing.T, g *gateway) {
	g.run(`apt-get install -y -qq /root/newer.deb`)
	strike := settings{mode: "pulse", keys: `max_energised = "60s"`, gpio: `bias = "as-is"`}

	// check unlocks the door and causes a fault while the line is energised, once for
	// each fault. It measures how much longer the line stays energised. releaseEnds
	// says whether the chip stops driving a line when the line is released.
	check := func(name string, s settings, chip string, line int, releaseEnds bool) {
		t.Helper()
		g.configure(s)
		g.run(`systemctl stop latchd; rm -rf /var/lib/latchd/state.json`)
		g.start()

		// The shell sends the signals itself: under emulation, systemctl would take half a
		// second of the bound to start.
		for _, fault := range []struct{ name, how string }{
			{"SIGKILL", `kill -KILL $pid`},
			{"SIGSTOP", `kill -STOP $pid`},
			{blocked, `kill -USR1 $pid`},
			{"stop", `systemctl stop latchd`},
		} {
			g.connected()
			var at time.Duration
			o := g.observe(chip, line, func() {
				payload := "null"
				if s.mode == "pulse" {
					payload = `{"forSeconds":30}`
				}
				if out := g.invoke("unlockDoor", payload); !contains(out, `"position":"unlocked"`) {
					t.Fatalf("unlockDoor: %s", out)
				}
				pid := g.pid()
				at = g.uptime()
				g.run("pid=" + pid + "\n" + fault.how)
				if fault.name == "stop" {
					g.run(`systemctl start latchd`)
				}
				g.restarted(pid)
			})

			var before []trace.Event // events before the fault
			for _, e := range o.Events {
				if e.At < at {
					before = append(before, e)
				}
			}
			if trace.Longest(1, releaseEnds, before, at) == 0 {
				t.Fatalf("%s, %s: the line was not energised before the fault: %+v", name, fault.name, o.Events)
			}

			energised := trace.Longest(1, releaseEnds, o.Events, o.End)
			over := energised - trace.Longest(1, releaseEnds, before, at)
			allowed := config.EnergisedBound
			if fault.name == blocked {
				allowed += blockDelay
			}
			record(t, over <= allowed, fmt.Sprintf("%s: %s while energised", name, fault.name), 1,
				fmt.Sprintf("%.2f s more", over.Seconds()), fmt.Sprintf("%.2f s more", allowed.Seconds()))
		}
	}

	check("pulse", strike, g.chip, 0, true)
	dual := settings{mode: "dual", keys: "max_energised = \"60s\"\npulse = \"30s\"", gpio: `unlock_line = "UNLOCK"`}
	check("dual", dual, g.chip, 3, true)
	if arch != "amd64" {
		// The GPIO chip of the emulated board keeps driving a line after the line is
		// released.
		strike.chip, strike.line = "gpiochip0", "5"
		check("pulse on a chip that keeps driving", strike, "gpiochip0", 5, false)
	}

	// The later scenarios test the package without debug code.
	g.run(`apt-get install -y -qq --allow-downgrades /root/latchd.deb`)
}
