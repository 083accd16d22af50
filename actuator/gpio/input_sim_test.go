//go:build gpiosim

package gpio

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/packaging/e2e/expander"
)

// A chip with two device paths is found by its label, and its lines by Check. Raspberry
// Pi OS links gpiochip4 to gpiochip0.
func TestAChipWithTwoPathsIsOneChip(t *testing.T) {
	s := newSim(t, "LOCK", "DOOR")
	link := "/dev/gpiochip99"
	s.must(os.Symlink(s.name, link))
	t.Cleanup(func() { os.Remove(link) })

	c := Config{Mode: actuator.Hold, Line: Line{Chip: s.label, Name: "LOCK"}, Active: actuator.Locked}
	if inputs, err := Check(c); err != nil || len(inputs) != 0 {
		t.Errorf("Check: inputs %v, %v", inputs, err)
	}
	open(t, c, nil, actuator.Locked)
	s.want("1", "requested by the label")

	// A line is one line, whichever path names its chip.
	c.Line = Line{Chip: link, Name: "DOOR"}
	c.Door = &DoorSensor{Line: Line{Chip: s.name, Offset: 1}, Active: actuator.DoorOpen}
	if inputs, err := Check(c); err == nil || !strings.Contains(err.Error(), "are the same line") || len(inputs) != 0 {
		t.Errorf("Check of one line by two paths: inputs %v, %v", inputs, err)
	}
}

// Check tells how each input is read, and leaves it free.
func TestCheckTellsHowInputsAreRead(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT", "DOOR")
	e := newExpander(t)
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Locked,
		Bolt: &BoltSensor{Line: Line{Chip: s.name, Name: "BOLT"}, Active: actuator.Locked},
		Door: &DoorSensor{Line: Line{Chip: s.name, Name: "DOOR"}, Active: actuator.DoorOpen, Debounce: time.Millisecond},
		Exit: &ExitInput{Line: Line{Chip: e.Label, Offset: 3}, Debounce: time.Millisecond},
	}

	for range 2 {
		inputs, err := Check(c)
		var got []string
		for _, input := range inputs {
			got = append(got, input.String())
		}
		want := "the bolt sensor is read by edges; the door sensor is read by edges; " +
			"the exit input is read every 50ms, because its chip delivers no edges"
		if err != nil || strings.Join(got, "; ") != want {
			t.Errorf("got  %s, %v\nwant %s", strings.Join(got, "; "), err, want)
		}
	}
	s.want("0", "after Check")
}

// Inputs of a chip without interrupts are read at intervals: their present levels first,
// then each change that lasts for the debounce time.
func TestInputsWithoutEdgesArePolled(t *testing.T) {
	s := newSim(t, "LOCK")
	e := newExpander(t)
	s.must(e.Set(0, true))
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Unlocked,
		Bolt: &BoltSensor{Line: Line{Chip: e.Name, Offset: 0}, Active: actuator.Locked},
		Door: &DoorSensor{Line: Line{Chip: e.Label, Offset: 1, ActiveLow: true}, Active: actuator.DoorClosed, Debounce: 300 * time.Millisecond},
		Exit: &ExitInput{Line: Line{Chip: e.Name, Offset: 2}},
	}
	d, _, _ := open(t, c, nil, actuator.Locked)

	door := func(want actuator.DoorState) {
		t.Helper()
		if r := receive(t, d.Door()); r.Door != want {
			t.Errorf("door %s, want %s", r.Door, want)
		}
	}
	exit := func(want actuator.ExitState) {
		t.Helper()
		if r := receive(t, d.Exit()); r.Exit != want {
			t.Errorf("exit %s, want %s", r.Exit, want)
		}
	}

	if r := receive(t, d.Bolt()); r.Position != actuator.Locked {
		t.Errorf("bolt %s, want locked", r.Position)
	}
	door(actuator.DoorClosed)
	exit(actuator.ExitIdle)

	s.must(e.Set(2, true))
	exit(actuator.ExitActive)
	s.must(e.Set(2, false))
	exit(actuator.ExitIdle)

	before := uptime()
	s.must(e.Set(1, true))
	door(actuator.DoorOpen)
	if took := uptime() - before; took < 300*time.Millisecond {
		t.Errorf("the door's level counted after %s, before its debounce time", took)
	}

	s.must(e.Set(0, false))
	if r := receive(t, d.Bolt()); r.Position != actuator.Unlocked || r.Time < before || r.Time > uptime() {
		t.Errorf("bolt %s at %s, want unlocked between %s and %s", r.Position, r.Time, before, uptime())
	}
}

// newExpander makes a chip without interrupts. It ends with the test.
func newExpander(t *testing.T) *expander.Expander {
	t.Helper()
	e, err := expander.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
