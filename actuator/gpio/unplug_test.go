//go:build gpiosim_unplug

package gpio

import (
	"errors"
	"testing"

	"github.com/latchd/latchd/actuator"
)

// A sensor reports that its chip is unplugged, and delivers levels again when the chip
// is back. Run this test in a throw-away machine: Linux 6.1 frees the interrupts of an
// unplugged chip whose lines are in use and may crash later. The test therefore needs
// the build tag gpiosim_unplug in addition to gpiosim.
func TestSensorUnpluggedAndPluggedIn(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT")
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.label, Name: "LOCK"}, Active: actuator.Locked,
		Bolt: &BoltSensor{Line: Line{Chip: s.label, Name: "BOLT"}, Active: actuator.Locked},
	}
	d, _, _ := open(t, c, s.newStore(), actuator.Locked)
	receive(t, d.Bolt())

	s.unplug()
	if err := d.Drive(actuator.Unlocked); !errors.Is(err, actuator.ErrLinesGone) {
		t.Fatalf("err = %v", err)
	}
	if r := receive(t, d.Bolt()); r.Position != actuator.Unknown {
		t.Errorf("without its chip the sensor reads %s", r.Position)
	}

	s.plug()
	s.reopen(d)
	if r := receive(t, d.Bolt()); r.Position != actuator.Unlocked {
		t.Errorf("with its chip back the sensor reads %s", r.Position)
	}
}
