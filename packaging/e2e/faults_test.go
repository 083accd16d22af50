//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// exitTimePassed is longer than exit_time (5 s). An opening within exit_time after the
// door was unlocked raises no alarm.
const exitTimePassed = 6 * time.Second

// faults shows how each fault at the door appears to a technician: in the answer to a
// method, in the twin and in the journal.
func faults(t *testing.T, g *gateway) {
	answer := checkAnswers(t, g)
	twin := func(key string, want any) {
		t.Helper()
		g.twin(fmt.Sprintf("%s %v", key, want), reportedLock(key, want))
	}
	journal := func(want string) {
		t.Helper()
		g.run(`journalctl -q -u latchd -o cat --since -2min | grep -qF -- '` + want + `'`)
	}

	g.lockInHoldMode(1, true)
	g.bolt(1, 100*time.Millisecond, true)
	answer("jam", "unlockDoor", "null", "status 500", `"code":"jammed"`)
	twin("position", "jammed")
	twin("fault", "the bolt sensor did not say unlocked within 4s")
	journal(`jammed`)

	g.lockInHoldMode(1, true)
	g.bolt(1, 3*time.Second, false)
	answer("slow bolt", "unlockDoor", "null", "status 200", `"position":"unlocked"`, `"tookMs":3`)

	g.lockInHoldMode(1, true)
	time.Sleep(exitTimePassed)
	g.pull("DOOR", true)
	twin("fault", "the door was opened while it was locked")
	answer("forced door, then lock", "lockDoor", "null", "status 409", `"code":"door-open"`)
	g.pull("DOOR", false)

	g.lockInHoldMode(1, true)
	time.Sleep(exitTimePassed)
	g.pull("BOLT", false) // simulate a broken wire
	twin("fault", "the bolt went to unlocked without a command")
	g.bolt(1, 0, true)
	g.pull("BOLT", false)
	answer("bolt sensor unplugged, then lock", "lockDoor", "null", "status 500", `"code":"jammed"`)

	// If another program uses the line, the agent must not drive the line and must name
	// the program.
	g.lockInHoldMode(1, true) // end the alarm, which survives a restart
	g.run(`systemctl stop latchd`)
	g.ask("/occupy", true, nil)
	defer g.ask("/occupy", false, nil) // a failure must not affect the next scenario
	g.start()
	answer("line in use by another process", "lockDoor", "null", "status 503", `"code":"actuator-unavailable"`, "in use by", "somebody")
	twin("fault", `the lock cannot be driven: line "LOCK" of chip door: in use by "somebody" (device or resource busy); free the line or configure another one`)
	journal("cannot request the lock")
	g.ask("/occupy", false, nil)
	g.bolt(1, 100*time.Millisecond, false)
	answer("line free again", "lockDoor", "null", "status 200")

	g.lockInHoldMode(1, true)
	g.run(`systemctl stop latchd; chown root:root /dev/` + g.chip + `; chmod 600 /dev/` + g.chip)
	g.start()
	answer("permission denied", "lockDoor", "null", "status 503", "permission denied; add the agent's user to the group")
	g.run(`chgrp gpio /dev/` + g.chip + `; chmod 660 /dev/` + g.chip)
	answer("permission granted", "lockDoor", "null", "status 200")
}

// checkAnswers returns a function that calls a method of the agent. The function checks
// that latchctl's output contains want, and records the result.
func checkAnswers(t *testing.T, g *gateway) func(name, method, payload string, want ...string) {
	return func(name, method, payload string, want ...string) {
		t.Helper()
		out := g.invoke(method, payload)
		record(t, contains(out, want...), name, 1, status(out), want[0])
		if !contains(out, want...) {
			t.Logf("%s: want %q in\n%s", name, want, out)
		}
	}
}

// unplug shows that the agent reports an unplugged GPIO chip and uses it again after it
// is plugged in. The configuration has no sensors. Linux 6.1 frees the interrupts of an
// unplugged chip although a sensor's line is still in use.
func unplug(t *testing.T, g *gateway) {
	answer := checkAnswers(t, g)
	g.lockInHoldMode(1, false)
	g.plug(false)
	answer("chip unplugged", "unlockDoor", "null", "status 503", `"code":"actuator-unavailable"`)
	g.plug(true)
	answer("chip plugged in again", "lockDoor", "null", "status 200", `"position":"locked"`)
}
