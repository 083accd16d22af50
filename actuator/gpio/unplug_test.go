//go:build gpiosim_unplug

package gpio

import (
	"errors"
	"testing"

	"github.com/latchd/latchd/actuator"
)

// A sensor whose chip goes says so, and speaks again when the chip is back. This
// has a build tag of its own, besides gpiosim: Linux 6.1 frees the interrupts of a
// chip that is unplugged although its lines are in use, and may crash some time
// after. Run it in a machine that is thrown away.
func TestASensorThatGoesAndComesBack(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT")
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.label, Name: "LOCK"}, Active: actuator.Locked,
		Bolt: &BoltSensor{Line: Line{Chip: s.label, Name: "BOLT"}, Active: actuator.Locked},
	}
	l, _, _ := open(t, c, s.keeper(), actuator.Locked)
	receive(t, l.Bolt())
	s.unplug()
	if err := l.Drive(actuator.Unlocked); !errors.Is(err, actuator.ErrLinesGone) {
		t.Fatalf("err = %v", err)
	}
	if r := receive(t, l.Bolt()); r.Position != actuator.Unknown {
		t.Errorf("its sensor says %s", r.Position)
	}
	s.plug()
	s.openAgain(l)
	if r := receive(t, l.Bolt()); r.Position != actuator.Unlocked {
		t.Errorf("its sensor says %s", r.Position)
	}
}
