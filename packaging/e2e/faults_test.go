//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// faults shows what a technician sees of what goes wrong at the door: the method's
// answer, the twin and the journal.
func faults(t *testing.T, g *gateway) {
	answer := answers(t, g)
	twin := func(key string, want any) {
		t.Helper()
		g.twin(fmt.Sprintf("%s %v", key, want), reportedLock(key, want))
	}
	journal := func(want string) {
		t.Helper()
		g.run(`journalctl -q -u latchd -o cat --since -2min | grep -qF -- '` + want + `'`)
	}

	g.heldLocked(1, true)
	g.bolt(1, 100*time.Millisecond, true)
	answer("jam", "unlockDoor", "null", "status 500", `"code":"jammed"`)
	twin("position", "jammed")
	twin("fault", "the bolt sensor did not say unlocked within 4s")
	journal(`jammed`)

	g.heldLocked(1, true)
	g.bolt(1, 3*time.Second, false)
	answer("slow bolt", "unlockDoor", "null", "status 200", `"position":"unlocked"`, `"tookMs":3`)

	g.heldLocked(1, true)
	g.pull("DOOR", true)
	twin("fault", "the door was opened while it was locked")
	answer("forced door, then lock", "lockDoor", "null", "status 409", `"code":"door-open"`)
	g.pull("DOOR", false)

	g.heldLocked(1, true)
	g.pull("BOLT", false) // what a broken wire looks like
	twin("fault", "the bolt went to unlocked without a command")
	g.bolt(1, 0, true)
	g.pull("BOLT", false)
	answer("bolt sensor unplugged, then lock", "lockDoor", "null", "status 500", `"code":"jammed"`)

	// The line is the other's: nothing is driven, and it is said who has it.
	g.run(`systemctl stop latchd`)
	g.hands("/hold", true, nil)
	g.start()
	answer("line held by another process", "lockDoor", "null", "status 503", `"code":"actuator-unavailable"`, "in use by", "somebody")
	twin("fault", `the lock cannot be driven: line "LOCK" of chip door: in use by "somebody" (device or resource busy); free the line or configure another one`)
	journal("lines cannot be taken")
	g.hands("/hold", false, nil)
	g.bolt(1, 100*time.Millisecond, false)
	answer("and given back", "lockDoor", "null", "status 200")

	g.heldLocked(1, true)
	g.run(`systemctl stop latchd; chown root:root /dev/` + g.chip + `; chmod 600 /dev/` + g.chip)
	g.start()
	answer("permission denied", "lockDoor", "null", "status 503", "permission denied; add the agent's user to the group")
	g.run(`chgrp gpio /dev/` + g.chip + `; chmod 660 /dev/` + g.chip)
	answer("and given", "lockDoor", "null", "status 200")
}

// answers returns a function that calls a method and takes down what it answers.
func answers(t *testing.T, g *gateway) func(name, method, payload string, want ...string) {
	return func(name, method, payload string, want ...string) {
		t.Helper()
		out := g.invoke(method, payload)
		record(t, contains(out, want...), name, 1, status(out), want[0])
		if !contains(out, want...) {
			t.Logf("%s: want %q in\n%s", name, want, out)
		}
	}
}

// unplug shows that a chip that goes is told, and that one that comes back is
// used. It is without sensors: the kernel frees the interrupts of a chip that goes
// although its lines are in use.
func unplug(t *testing.T, g *gateway) {
	answer := answers(t, g)
	g.heldLocked(1, false)
	g.plug(false)
	answer("chip gone", "unlockDoor", "null", "status 503", `"code":"actuator-unavailable"`)
	g.plug(true)
	answer("and back", "lockDoor", "null", "status 200", `"position":"locked"`)
}
