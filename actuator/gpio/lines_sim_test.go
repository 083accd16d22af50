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
		t.Run(fmt.Sprint(activeLow), func(t *testing.T) {
			s := newSim(t, "LOCK")
			high, low := "1", "0"
			if activeLow {
				high, low = low, high
			}
			c := Config{Mode: actuator.Hold, Line: Line{Chip: s.label, Name: "LOCK", ActiveLow: activeLow}, Active: actuator.Unlocked}
			l, found, kept := open(t, c, nil, actuator.Unlocked)
			if found != actuator.Unlocked || kept {
				t.Errorf("found %s, kept %v", found, kept)
			}
			s.want(high, "requested unlocked")
			if err := l.Drive(actuator.Locked); err != nil {
				t.Fatal(err)
			}
			s.want(low, "locked")
			if err := l.Drive(actuator.Unlocked); err != nil {
				t.Fatal(err)
			}
			s.want(high, "unlocked")
		})
	}
}

func TestAKeptLineIsTakenAsItIs(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		t.Run(fmt.Sprint(activeLow), func(t *testing.T) {
			s := newSim(t, "LOCK")
			if activeLow {
				s.pull(0, "up")
			}
			held := map[bool]string{false: "1", true: "0"}[activeLow] // against the pull
			keeper := s.keeper()
			c := Config{Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK", ActiveLow: activeLow}, Active: actuator.Locked}
			first, _, _ := open(t, c, keeper, actuator.Locked)
			s.want(held, "held")
			first.Close()
			s.want(held, "without a process")
			second, found, kept := open(t, c, keeper, actuator.Unlocked) // what it is to be at power-on is not asked
			if found != actuator.Locked || !kept {
				t.Errorf("found %s, kept %v", found, kept)
			}
			s.want(held, "taken again")
			second.Close()
			s.want(held, "without a process again")

			c.Line.ActiveLow = !activeLow // another configuration
			_, found, kept = open(t, c, keeper, actuator.Unlocked)
			if found != actuator.Unlocked || kept || len(keeper.dropped) != 1 {
				t.Errorf("with other flags found %s, kept %v, dropped %v", found, kept, keeper.dropped)
			}
		})
	}
}

func TestWithoutAKeeperTheLineFalls(t *testing.T) {
	s := newSim(t, "LOCK")
	c := Config{Mode: actuator.Hold, Line: Line{Chip: s.name, Offset: 0}, Active: actuator.Locked}
	l, _, _ := open(t, c, nil, actuator.Locked)
	s.want("1", "held")
	l.Close()
	s.want("0", "closed") // or the test before proves nothing
}

func TestPulseLines(t *testing.T) {
	s := newSim(t, "STRIKE")
	c := Config{Mode: actuator.Pulse, Line: Line{Chip: s.name, Name: "STRIKE"}}
	l, _, _ := open(t, c, nil, "")
	s.want("0", "requested")
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return l.Drive(actuator.Unlocked) }, "1"},
		{func() error { return l.Drive(actuator.Locked) }, "0"},
		{func() error { return l.Drive(actuator.Unlocked) }, "1"},
		{l.Idle, "0"},
		{func() error { return l.Drive(actuator.Unlocked) }, "1"},
		{l.Close, "0"},
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
	l, _, _ := open(t, c, nil, "")
	s.want("00", "requested")
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return l.Drive(actuator.Unlocked) }, "01"},
		{func() error { return l.Drive(actuator.Locked) }, "10"}, // never both
		{l.Idle, "00"},
		{func() error { return l.Drive(actuator.Locked) }, "10"},
		{l.Close, "00"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		s.want(step.want, "dual")
	}
	c.Unlock = c.Line
	if _, _, err := New(c, nil, zap.NewNop()).Open(""); err == nil || !strings.Contains(err.Error(), "same line") {
		t.Errorf("one line for both: %v", err)
	}
}

func TestReleaseLetsGoWhatAProcessLeft(t *testing.T) {
	s := newSim(t, "STRIKE")
	s.pull(0, "up") // as if the chip went on driving what nobody holds
	c := Config{Mode: actuator.Pulse, Line: Line{Chip: s.name, Name: "STRIKE"}}
	if err := Release(c); err != nil {
		t.Fatal(err)
	}
	l, _, _ := open(t, c, nil, "")
	if err := l.Drive(actuator.Unlocked); err != nil {
		t.Fatal(err)
	}
	if err := Release(c); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "another latchd") {
		t.Errorf("while a process has it: %v", err)
	}
	if err := Release(Config{Mode: actuator.Hold, Line: Line{Chip: "none"}}); err != nil {
		t.Errorf("a hold line is touched: %v", err)
	}
}

func TestSensorsSayWhatTheyAreToldTo(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT", "DOOR")
	s.pull(1, "up")
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Unlocked,
		Bolt: &BoltSensor{Line: Line{Chip: s.name, Name: "BOLT"}, Active: actuator.Locked},
		Door: &DoorSensor{Line: Line{Chip: s.name, Name: "DOOR", ActiveLow: true}, Active: actuator.DoorClosed, Debounce: 5 * time.Millisecond},
	}
	l, _, _ := open(t, c, nil, actuator.Locked)
	bolt := func(want actuator.Position) actuator.Reading {
		t.Helper()
		r := receive(t, l.Bolt())
		if r.Position != want {
			t.Errorf("bolt %s, want %s", r.Position, want)
		}
		return r
	}
	door := func(want actuator.DoorState) {
		t.Helper()
		if r := receive(t, l.Door()); r.Door != want {
			t.Errorf("door %s, want %s", r.Door, want)
		}
	}
	bolt(actuator.Locked)
	door(actuator.DoorClosed)
	clock, err := actuator.SystemClock()
	s.must(err)
	before := clock.Uptime()
	s.pull(1, "down")
	if r := bolt(actuator.Unlocked); r.At < before || r.At > clock.Uptime() {
		t.Errorf("the edge was at %s, between %s and %s", r.At, before, clock.Uptime())
	}
	s.pull(2, "up")
	door(actuator.DoorOpen)
	for range 40 { // more than the kernel keeps, while nobody reads
		s.pull(1, "up")
		s.pull(1, "down")
	}
	s.pull(1, "up")
	// The level at the end is delivered, whatever was lost on the way.
	for deadline := time.After(10 * time.Second); ; {
		select {
		case r := <-l.Bolt():
			if r.Position == actuator.Locked && r.At == 0 {
				return // read again, as edges were lost
			}
		case <-deadline:
			t.Fatal("the level was not read again")
		}
	}
}

// A bolt that follows the request of its line at once is seen: its sensor hears edges
// before. Without that the kernel missed the edge now and then.
func TestABoltThatFollowsAtOnceIsSeen(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT")
	c := Config{
		Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Locked,
		Bolt: &BoltSensor{Line: Line{Chip: s.name, Name: "BOLT"}, Active: actuator.Locked, Debounce: time.Millisecond},
	}
	for round := range 30 {
		s.pull(1, "down")
		stop, followed := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(followed)
			for s.level(0) == "0" {
				select {
				case <-stop:
					return
				default:
				}
			}
			s.pull(1, "up")
		}()
		l := New(c, nil, zap.NewNop())
		_, _, err := l.Open(actuator.Locked)
		for err == nil {
			if r := receive(t, l.Bolt()); r.Position == actuator.Locked {
				break
			}
		}
		close(stop)
		<-followed
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("the sensor says nothing")
		panic("unreachable")
	}
}

func TestAHeldLineIsNamed(t *testing.T) {
	s := newSim(t, "LOCK", "BOLT")
	c := Config{Mode: actuator.Hold, Line: Line{Chip: s.name, Name: "LOCK"}, Active: actuator.Locked}
	open(t, c, nil, actuator.Locked)
	_, _, err := New(c, nil, zap.NewNop()).Open(actuator.Locked)
	want := fmt.Sprintf(`line "LOCK" of chip %s: it is held by another latchd`, s.name)
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
	c.Line.Name = "LOKC"
	if _, _, err := New(c, nil, zap.NewNop()).Open(actuator.Locked); err == nil || !strings.Contains(err.Error(), "there are LOCK, BOLT") {
		t.Errorf("a line that is not there: %v", err)
	}
	c.Line = Line{Chip: s.name, Offset: 8}
	if _, _, err := New(c, nil, zap.NewNop()).Open(actuator.Locked); err == nil || !strings.Contains(err.Error(), "the chip has lines 0 to 7") {
		t.Errorf("a line that is not there: %v", err)
	}
}

// Without sensors: Linux 6.1 does not survive it for long when a chip goes whose
// lines have interrupts. See unplug_test.go.
func TestAChipThatGoesAndComesBack(t *testing.T) {
	s := newSim(t, "LOCK")
	c := Config{Mode: actuator.Hold, Line: Line{Chip: s.label, Name: "LOCK"}, Active: actuator.Locked}
	l, _, _ := open(t, c, s.keeper(), actuator.Locked)
	s.unplug()
	if err := l.Drive(actuator.Unlocked); !errors.Is(err, actuator.ErrLinesGone) || !errors.Is(err, unix.ENODEV) {
		t.Fatalf("err = %v", err)
	}
	if _, _, err := l.Open(actuator.Locked); err == nil || !strings.Contains(err.Error(), "there is no such chip") {
		t.Errorf("opened: %v", err)
	}
	s.plug()
	s.openAgain(l)
}

// openAgain opens the lock once the chip's device is there.
func (s *sim) openAgain(l *Lock) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, kept, err := l.Open(actuator.Locked)
		if err == nil && !kept {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("kept %v, %v", kept, err)
		}
	}
}
