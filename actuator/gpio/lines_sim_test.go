//go:build gpiosim

package gpio

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/actuator"
)

func TestHoldDrivesInBothPolarities(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		t.Run(fmt.Sprintf("active low %t", activeLow), func(t *testing.T) {
			s := newSim(t, "LOCK")
			high, low := "1", "0"
			if activeLow {
				high, low = low, high
			}

			c := Config{Mode: actuator.Hold, Line: Line{Chip: s.label, Name: "LOCK", ActiveLow: activeLow}, Active: actuator.Unlocked}
			d, found, adopted := open(t, c, nil, actuator.Unlocked)
			if found != actuator.Unlocked || adopted {
				t.Errorf("found %s, adopted %v", found, adopted)
			}
			s.want(high, "requested unlocked")

			if err := d.Drive(actuator.Locked); err != nil {
				t.Fatal(err)
			}
			s.want(low, "locked")

			if err := d.Drive(actuator.Unlocked); err != nil {
				t.Fatal(err)
			}
			s.want(high, "unlocked")
		})
	}
}

// A stored line keeps its level when its process ends, and the next process does not
// change it, whatever the configured level at power-on is.
func TestAStoredLineIsAdopted(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		t.Run(fmt.Sprintf("active low %t", activeLow), func(t *testing.T) {
			s := newSim(t, "LOCK")
			if activeLow {
				s.pull(0, "up")
			}
			locked := map[bool]string{false: "1", true: "0"}[activeLow] // the opposite of the pull
			store := s.newStore()
			c := Config{Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK", ActiveLow: activeLow}, Active: actuator.Locked}
			first, _, _ := open(t, c, store, actuator.Locked)
			s.want(locked, "locked")
			first.Close()
			s.want(locked, "without a process")
			second, found, adopted := open(t, c, store, actuator.Unlocked)
			if found != actuator.Locked || !adopted {
				t.Errorf("found %s, adopted %v", found, adopted)
			}
			s.want(locked, "adopted")
			second.Close()
			s.want(locked, "without a process again")

			c.Line.ActiveLow = !activeLow // the stored line no longer matches
			_, found, adopted = open(t, c, store, actuator.Unlocked)
			if found != actuator.Unlocked || adopted || len(store.removed) != 1 {
				t.Errorf("with other flags: found %s, adopted %v, removed %v", found, adopted, store.removed)
			}
		})
	}
}

// Without a store, the line falls to its pull when it is closed. This also proves that
// TestAStoredLineIsAdopted can see the difference.
func TestWithoutAStoreTheLineFalls(t *testing.T) {
	s := newSim(t, "LOCK")
	c := Config{Mode: actuator.Hold, Line: Line{Chip: s.name, Offset: 0}, Active: actuator.Locked}
	d, _, _ := open(t, c, nil, actuator.Locked)
	s.want("1", "open")
	d.Close()
	s.want("0", "closed")
}

func TestPulseLines(t *testing.T) {
	s := newSim(t, "STRIKE")
	c := Config{Mode: actuator.Pulse, Line: Line{Chip: s.name, Name: "STRIKE"}}
	d, _, _ := open(t, c, nil, "")
	s.want("0", "requested")

	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return d.Drive(actuator.Unlocked) }, "1"},
		{func() error { return d.Drive(actuator.Locked) }, "0"},
		{func() error { return d.Drive(actuator.Unlocked) }, "1"},
		{d.Idle, "0"},
		{func() error { return d.Drive(actuator.Unlocked) }, "1"},
		{d.Close, "0"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		s.want(step.want, "pulse")
	}
}

func TestDualLines(t *testing.T) {
	s := newSim(t, "LOCK", "UNLOCK")
	c := Config{
		Mode:   actuator.Dual,
		Line:   Line{Chip: s.name, Name: "LOCK"},
		Unlock: Line{Chip: s.name, Name: "UNLOCK"},
	}
	d, _, _ := open(t, c, nil, "")
	s.want("00", "requested")

	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return d.Drive(actuator.Unlocked) }, "01"},
		{func() error { return d.Drive(actuator.Locked) }, "10"}, // the line that unlocks is idle again
		{d.Idle, "00"},
		{func() error { return d.Drive(actuator.Locked) }, "10"},
		{d.Close, "00"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		s.want(step.want, "dual")
	}

	c.Unlock = c.Line
	if _, _, err := New(c, nil, zap.NewNop()).Open(""); err == nil || !strings.Contains(err.Error(), "same line") {
		t.Errorf("the same line for both directions: %v", err)
	}
}

func TestRelease(t *testing.T) {
	s := newSim(t, "STRIKE")
	s.pull(0, "up") // simulates a chip that keeps driving a closed line
	c := Config{Mode: actuator.Pulse, Line: Line{Chip: s.name, Name: "STRIKE"}}
	if err := Release(c); err != nil {
		t.Fatal(err)
	}

	d, _, _ := open(t, c, nil, "")
	if err := d.Drive(actuator.Unlocked); err != nil {
		t.Fatal(err)
	}
	if err := Release(c); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "another latchd") {
		t.Errorf("while a process uses the line: %v", err)
	}

	if err := Release(Config{Mode: actuator.Hold, Line: Line{Chip: "none"}}); err != nil {
		t.Errorf("Release opened the line of a lock in Hold mode: %v", err)
	}
}

func TestSensorReadings(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT", "DOOR")
	s.pull(1, "up")
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Unlocked,
		Bolt: &BoltSensor{Line: Line{Chip: s.name, Name: "BOLT"}, Active: actuator.Locked},
		Door: &DoorSensor{Line: Line{Chip: s.name, Name: "DOOR", ActiveLow: true}, Active: actuator.DoorClosed, Debounce: 5 * time.Millisecond},
	}
	d, _, _ := open(t, c, nil, actuator.Locked)

	bolt := func(want actuator.Position) actuator.Reading {
		t.Helper()
		r := receive(t, d.Bolt())
		if r.Position != want {
			t.Errorf("bolt %s, want %s", r.Position, want)
		}
		return r
	}
	door := func(want actuator.DoorState) {
		t.Helper()
		if r := receive(t, d.Door()); r.Door != want {
			t.Errorf("door %s, want %s", r.Door, want)
		}
	}

	bolt(actuator.Locked)
	door(actuator.DoorClosed)
	clock, err := actuator.SystemClock()
	s.must(err)
	before := clock.Uptime()
	s.pull(1, "down")
	if r := bolt(actuator.Unlocked); r.Time < before || r.Time > clock.Uptime() {
		t.Errorf("the edge was at %s, want a time from %s to %s", r.Time, before, clock.Uptime())
	}

	s.pull(2, "up")
	door(actuator.DoorOpen)

	for range 40 { // more events than the kernel queues
		s.pull(1, "up")
		s.pull(1, "down")
	}
	s.pull(1, "up")
	// The sensor delivers the final level although the kernel dropped events.
	for deadline := time.After(10 * time.Second); ; {
		select {
		case r := <-d.Bolt():
			if r.Position == actuator.Locked && r.Time == 0 {
				return // a reading without a time is a level, not an edge
			}
		case <-deadline:
			t.Fatal("the sensor did not read the level again")
		}
	}
}

// The exit input is active while somebody presses the button, also if the button
// connects the line to ground.
func TestExitReadings(t *testing.T) {
	s := newSim(t, "LOCK", "EXIT")
	s.pull(1, "up")
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Unlocked,
		Exit: &ExitInput{Line: Line{Chip: s.name, Name: "EXIT", ActiveLow: true}, Debounce: 5 * time.Millisecond},
	}
	d, _, _ := open(t, c, nil, actuator.Locked)

	exit := func(want actuator.ExitState) {
		t.Helper()
		if r := receive(t, d.Exit()); r.Exit != want {
			t.Errorf("exit %s, want %s", r.Exit, want)
		}
	}
	exit(actuator.ExitIdle)
	s.pull(1, "down")
	exit(actuator.ExitActive)
	s.pull(1, "up")
	exit(actuator.ExitIdle)
}

// The driver sees a bolt that moves immediately after the request of its line, because
// Open waits for the bolt sensor before it requests the line. Without that wait the
// kernel sometimes missed the edge.
func TestABoltThatMovesAtOnceIsSeen(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT")
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Locked,
		Bolt: &BoltSensor{Line: Line{Chip: s.name, Name: "BOLT"}, Active: actuator.Locked, Debounce: time.Millisecond},
	}

	for round := range 30 {
		s.pull(1, "down")
		stop, moved := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(moved)
			for s.level(0) == "0" {
				select {
				case <-stop:
					return
				default:
				}
			}
			s.pull(1, "up")
		}()

		d := New(c, nil, zap.NewNop())
		_, _, err := d.Open(actuator.Locked)
		for err == nil {
			if r := receive(t, d.Bolt()); r.Position == actuator.Locked {
				break
			}
		}

		close(stop)
		<-moved
		if err := errors.Join(err, d.Close()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// receive returns the next reading of a sensor.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("no reading from the sensor")
		panic("unreachable")
	}
}

func TestOpenNamesWhatIsWrongWithALine(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT")
	c := Config{Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Locked}
	open(t, c, nil, actuator.Locked)
	_, _, err := New(c, nil, zap.NewNop()).Open(actuator.Locked)
	want := fmt.Sprintf(`line "LOCK" of chip %s: in use by another latchd process`, s.name)
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}

	c.Line.Name = "LOKC"
	if _, _, err := New(c, nil, zap.NewNop()).Open(actuator.Locked); err == nil || !strings.Contains(err.Error(), "the chip has the lines LOCK, BOLT") {
		t.Errorf("unknown line name: %v", err)
	}

	c.Line = Line{Chip: s.name, Offset: 8}
	if _, _, err := New(c, nil, zap.NewNop()).Open(actuator.Locked); err == nil || !strings.Contains(err.Error(), "the chip has lines 0 to 7") {
		t.Errorf("offset out of range: %v", err)
	}
}

// The driver reports an unplugged chip and opens the lines again when the chip is back.
// The test has no sensors because Linux 6.1 may crash if it loses a chip whose lines
// have interrupts; unplug_test.go covers sensors.
func TestChipUnpluggedAndPluggedIn(t *testing.T) {
	s := newSim(t, "LOCK")
	c := Config{Mode: actuator.Hold, Line: Line{Chip: s.label, Name: "LOCK"}, Active: actuator.Locked}
	d, _, _ := open(t, c, s.newStore(), actuator.Locked)
	s.unplug()
	if err := d.Drive(actuator.Unlocked); !errors.Is(err, actuator.ErrLinesGone) || !errors.Is(err, unix.ENODEV) {
		t.Fatalf("err = %v", err)
	}
	if _, _, err := d.Open(actuator.Locked); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("opened: %v", err)
	}
	s.plug()
	s.reopen(d)
}

// reopen opens the lines again. It waits until the chip's device node is there.
func (s *sim) reopen(d *Driver) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, adopted, err := d.Open(actuator.Locked)
		if err == nil && !adopted {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("adopted %v, %v", adopted, err)
		}
	}
}
