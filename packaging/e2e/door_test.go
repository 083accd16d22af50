//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// exitButton is the table of an exit button at the line EXIT of the simulated chip.
const exitButton = `
[lock.exit]
line = "EXIT"
`

// closes are keys of [lock] with which the door locks when it is closed. Until somebody
// opens it, it stays unlocked for long enough to look at the twin.
const closes = `
relock = "close"
exit_time = "60s"
`

// slack is how much later than promised the emulated machine may lock or unlock.
const slack = 700 * time.Millisecond

// drives returns when a process set the lock's line to a level, in order.
func drives(level int, o observed) []time.Duration {
	var at []time.Duration
	for _, e := range o.Events {
		if e.Kind == trace.Set && e.Level == level {
			at = append(at, e.At)
		}
	}
	return at
}

// sleepUntil waits until the machine's time since boot is at.
func (g *gateway) sleepUntil(at time.Duration) {
	g.t.Helper()
	if rest := at - g.uptime(); rest > 0 {
		g.run(fmt.Sprintf("sleep %.2f", rest.Seconds()))
	}
}

// exit shows that the exit button unlocks the door and that the door locks again, without
// the network and without a false alarm; and that a button that is stuck when the agent
// starts does not unlock.
func exit(t *testing.T, g *gateway) {
	g.startLocked(settings{sensor: true, tables: exitButton})
	var pressed time.Duration
	o := g.observe(g.chip, 0, func() {
		g.run(`systemctl stop latchhub`)
		pressed = g.uptime()
		g.pull("EXIT", true)
		g.run(`sleep 0.5`)
		g.pull("EXIT", false)
		g.sleepUntil(pressed + 5*time.Second + slack)
		g.run(`systemctl start latchhub`)
	})
	unlocks, locks := drives(0, o), drives(1, o)
	if len(unlocks) != 1 || len(locks) != 1 {
		t.Fatalf("after the exit button: %+v", o.Events)
	}
	delay := unlocks[0] - pressed
	record(t, delay <= slack, "exit button, without the hub: unlocks", 1, fmt.Sprintf("after %.2f s", delay.Seconds()), fmt.Sprintf("%.2f s", slack.Seconds()))
	lasted := locks[0] - pressed // the time counts from the press
	record(t, lasted >= 5*time.Second && lasted <= 5*time.Second+slack, "exit button: locks again after exit_time", 1,
		fmt.Sprintf("%.2f s", lasted.Seconds()), "5 s")
	g.connected()

	// Somebody leaves through the door.
	g.startLocked(settings{sensor: true, keys: closes, tables: exitButton})
	var closed time.Duration
	o = g.observe(g.chip, 0, func() {
		g.pull("EXIT", true)
		g.run(`sleep 0.3`) // much longer than the debounce time
		g.pull("EXIT", false)
		g.twin("an unlocked door", reportedLock("position", "unlocked"))
		g.pull("DOOR", true)
		reported := g.twin("an open door", reportedDoor("open", true))
		record(t, reportedLock("fault", nil)(reported), "exit through the door: alarm", 1, fmt.Sprint(reported["lock"]), "no fault")
		closed = g.uptime()
		g.pull("DOOR", false)
		g.twin("a locked door", reportedLock("position", "locked"))
	})
	recordSettled(t, "exit through the door, relock on close", o, closed, time.Second)

	// A stuck button must not unlock the door at the start.
	g.run(`systemctl stop latchd`)
	g.pull("EXIT", true)
	o = g.observe(g.chip, 0, func() {
		g.start()
		g.run(`sleep 2`)
	})
	n := len(drives(0, o))
	record(t, n == 0 && g.level("LOCK") == 1, "exit button stuck at the start", 1, fmt.Sprintf("%d unlocks", n), "0 unlocks")
	g.pull("EXIT", false)
}

// recordSettled records that the door locked once, and that it had then been closed for
// the settle time.
func recordSettled(t *testing.T, name string, o observed, closed, settle time.Duration) {
	t.Helper()
	locks := drives(1, o)
	if len(locks) != 1 {
		t.Errorf("%s: %+v", name, o.Events)
		return
	}
	after := locks[0] - closed
	record(t, after >= settle && after <= settle+slack, name, 1, fmt.Sprintf("%.2f s after closing", after.Seconds()), settle.String())
}

// door shows what an opening means: forced, once for each opening, or held open; and that
// the door locks when it is closed.
func door(t *testing.T, g *gateway) {
	const forced = "the door was opened while it was locked"
	g.startLocked(settings{sensor: true})
	time.Sleep(exitTimePassed)
	var times []any
	o := g.observe(g.chip, 0, func() {
		for range 2 {
			g.pull("DOOR", true)
			g.twin("a forced door", reportedLock("fault", forced))
			reported := g.twin("the alarm", reportedDoor("forced", true))
			door, _ := reported["door"].(map[string]any)
			times = append(times, door["lastForcedAt"])
			g.pull("DOOR", false)
			g.twin("a secured door", reportedLock("secured", true))
			g.twin("no alarm", reportedDoor("forced", false))
		}
	})
	edges := trace.Edges(1, o.Events)
	record(t, edges == 0, "door forced", 2, fmt.Sprintf("%d edges", edges), "0 edges")
	record(t, times[0] != nil && times[0] != times[1], "door forced: each opening has its alarm", 2, fmt.Sprint(times), "two times")

	g.startLocked(settings{sensor: true, keys: `held_open = "2s"`})
	if out := g.invoke("unlockDoor", `{"forSeconds":60}`); !contains(out, "status 200") {
		t.Fatalf("unlockDoor: %s", out)
	}
	g.pull("DOOR", true)
	opened := g.uptime()
	g.twin("a door held open", reportedDoor("heldOpen", true))
	record(t, g.uptime()-opened >= 2*time.Second, "door held open for 2 s", 1, "heldOpen true", "heldOpen true")
	g.pull("DOOR", false)
	reported := g.twin("no longer held open", reportedDoor("heldOpen", false))
	record(t, reportedLock("position", "unlocked")(reported), "door held open, then closed", 1, "heldOpen false", "heldOpen false")

	// The door opens, closes, opens again within the settle time, and closes.
	g.startLocked(settings{sensor: true, keys: "relock = \"close\"\nsettle = \"4s\""})
	var closed time.Duration
	o = g.observe(g.chip, 0, func() {
		if out := g.invoke("unlockDoor", `{"forSeconds":60}`); !contains(out, "status 200") {
			t.Fatalf("unlockDoor: %s", out)
		}
		for range 2 {
			g.pull("DOOR", true)
			g.run(`sleep 0.3`)
			closed = g.uptime()
			g.pull("DOOR", false)
			g.run(`sleep 0.2`)
		}
		g.twin("a locked door", reportedLock("position", "locked"))
	})
	recordSettled(t, "relock on close, after two closings", o, closed, 4*time.Second)
}

// polled shows that a door sensor and an exit button work at a chip that delivers no
// edges, and that latchd check tells how they are read.
func polled(t *testing.T, g *gateway) {
	var label string
	g.ask("/expander", struct{}{}, &label)
	defer g.ask("/expander/remove", struct{}{}, nil)
	contact := func(line int, high bool) {
		t.Helper()
		g.ask("/expander/contact", map[string]any{"Line": line, "High": high}, nil)
	}
	const doorLine, exitLine = 0, 1
	g.startLocked(settings{keys: closes, tables: fmt.Sprintf(`
[lock.bolt_sensor]
line = "BOLT"
active = "locked"
[lock.door_sensor]
chip = "%[1]s"
line = %[2]d
active = "open"
[lock.exit]
chip = "%[1]s"
line = %[3]d
`, label, doorLine, exitLine)})

	var pressed, closed time.Duration
	o := g.observe(g.chip, 0, func() {
		pressed = g.uptime()
		contact(exitLine, true)
		g.run(`sleep 0.3`)
		contact(exitLine, false)
		g.twin("an unlocked door", reportedLock("position", "unlocked"))
		contact(doorLine, true)
		g.twin("an open door", reportedDoor("open", true))
		closed = g.uptime()
		contact(doorLine, false)
		g.twin("a locked door", reportedLock("position", "locked"))
	})
	if unlocks := drives(0, o); len(unlocks) != 1 {
		t.Errorf("polled exit button: %+v", o.Events)
	} else {
		delay := unlocks[0] - pressed
		record(t, delay <= slack, "polled exit button: unlocks", 1, fmt.Sprintf("after %.2f s", delay.Seconds()), fmt.Sprintf("%.2f s", slack.Seconds()))
	}
	recordSettled(t, "polled door sensor: relock on close", o, closed, time.Second)

	g.run(`systemctl stop latchd`)
	found := g.checkLock()
	record(t, contains(found, "ok ", "the bolt sensor is read by edges", "the door sensor is read every 50ms", "the exit input is read every 50ms"),
		"latchd check of polled inputs", 1, found, "how each input is read")
}

// checkLock returns the line of 'latchd check' about the lock. The agent must be stopped.
func (g *gateway) checkLock() string {
	g.t.Helper()
	// Other checks fail, because nothing has set the machine's clock.
	return g.run(`latchd check 2>/dev/null | grep ' lock: '`)
}

// alias shows that a lock works by its chip's label although two device paths lead to the
// chip. Raspberry Pi OS links gpiochip4 to gpiochip0.
func alias(t *testing.T, g *gateway) {
	g.run(`ln -s ` + g.chip + ` /dev/gpiochip9`)
	defer g.run(`rm /dev/gpiochip9`)

	g.run(`systemctl stop latchd`)
	g.startLocked(settings{sensor: true})
	record(t, g.level("LOCK") == 1, "second path to the chip: cold start", 1, fmt.Sprintf("line at %d", g.level("LOCK")), "line at 1")
	g.job("unlock", 0)
	record(t, g.level("LOCK") == 0, "second path to the chip: unlock", 1, fmt.Sprintf("line at %d", g.level("LOCK")), "line at 0")

	g.run(`systemctl stop latchd`)
	found := g.checkLock()
	record(t, strings.HasPrefix(found, "ok "), "second path to the chip: latchd check", 1, found, "ok")
}
