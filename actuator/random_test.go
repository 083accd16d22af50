package actuator

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestMachineInvariants feeds random events to the state machine, in all modes, with
// and without sensors. It checks these invariants:
//   - The lines are set only after a command for that target, for a promised relock
//     that is due, or at the end of a pulse.
//   - The minimum interval passes between two motions, except before the end of a
//     pulse.
//   - The machine never locks an open door, or a door whose sensor has not reported
//     yet.
//   - No line is energised beyond its pulse or the longest permitted time.
//   - The position, unless moving or jammed, is the bolt sensor's last reading.
//   - Each command is answered exactly once, within a limited time, and at once if the
//     lines are lost.
//   - When a command is answered, the record on disk equals the state: position, level
//     and promises.
//   - A promised relock remains planned until the lines are set to locked, or until a
//     later unlock replaces it.
func TestMachineInvariants(t *testing.T) {
	seed := rand.Uint64()
	if text, ok := os.LookupEnv("SEED"); ok {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 900 {
		l := &life{T: t, r: r, set: withSensor, commands: map[int64]Command{}, lastDrive: -time.Hour, idleSince: -time.Hour}
		l.set.mode = []Mode{Hold, Pulse, Dual}[r.IntN(3)]
		l.set.sensor = r.IntN(3) > 0
		l.set.pulse, l.set.maxEnergised = 600*time.Millisecond, 5*time.Second
		l.hasDoor = r.IntN(2) == 0
		l.set.doorSensor = l.hasDoor
		l.set.atPowerOn = []Position{Locked, Unlocked, ""}[r.IntN(3)]
		l.live()
	}
}

// life is a random sequence of events for one simulated lock and door.
type life struct {
	*testing.T
	r       *rand.Rand
	set     settings
	hasDoor bool

	s      state
	now    time.Duration
	bolt   Position
	door   DoorState
	onDisk Record

	commands  map[int64]Command // commands without an answer
	lastID    int64
	lastDrive time.Duration
	promised  []time.Duration

	energised    bool
	since        time.Duration // time at which the line was energised
	healthy      bool          // simulated failures have ended
	failedToIdle bool
	idleSince    time.Duration // when the last pulse ended
}

func (l *life) live() {
	l.bolt = l.position()
	var acts []action
	l.s, acts = start(l.set, Record{}, at(l.now))
	l.happen(l.outcome(acts))
	for range 200 {
		l.now += time.Duration(l.r.Int64N(int64(1500 * time.Millisecond)))
		if next, ok := l.s.next(l.set); ok && next < l.now && l.r.IntN(8) > 0 {
			l.now = next // usually do not let time pass beyond the deadline
		}
		l.happen(l.event())
		if l.set.sensor && l.s.motion == nil && l.s.bolt.sensed != "" && l.s.bolt.position != Jammed && l.s.bolt.position != l.bolt {
			l.Fatalf("reported %s, sensed %s", l.s.bolt.position, l.bolt)
		}
		if next, ok := l.s.next(l.set); ok && next <= l.now {
			l.Fatalf("a deadline of %s is left at %s: %+v", next, l.now, l.s)
		}
	}
	l.healthy = true
	if l.hasDoor {
		l.happen(doorReading{DoorClosed})
	}
	for range 6 { // let the machine finish: every command must be answered
		if next, ok := l.s.next(l.set); ok {
			l.now = max(l.now, next)
			l.happen(tick{})
		}
	}
	if len(l.commands) > 0 || l.s.promises.release.made || l.energised {
		l.Fatalf("at rest: %d commands without an answer, promises %+v, energised %v", len(l.commands), l.s.promises, l.energised)
	}
}

func (l *life) position() Position { return []Position{Locked, Unlocked}[l.r.IntN(2)] }

// event returns a random next event.
func (l *life) event() event {
	n := l.r.IntN(11)
	switch {
	case n < 2:
		l.lastID++
		relock := time.Duration(l.r.Int64N(3)) * 2 * time.Second
		if relock > 0 && l.set.mode != Pulse {
			l.promised = append(l.promised, l.now+relock)
		}
		c := unlock(l.lastID, relock)
		l.commands[l.lastID] = c.Command
		return c
	case n < 4:
		l.lastID++
		c := lock(l.lastID)
		l.commands[l.lastID] = c.Command
		return c
	case n < 7 && l.set.sensor:
		if l.r.IntN(4) > 0 {
			if l.s.output.level != Unknown {
				l.bolt = l.s.output.level // the bolt follows the line
			}
		} else if l.s.motion == nil {
			l.bolt = l.position() // somebody moves the bolt by hand
		}
		return reading{l.bolt}
	case n < 8 && l.hasDoor:
		l.door = []DoorState{DoorOpen, DoorClosed, DoorUnknown}[l.r.IntN(3)]
		return doorReading{l.door}
	}
	return tick{}
}

// happen passes an event to the machine, and then the result of the action on the
// lines, as a Lock does.
func (l *life) happen(e event) {
	for e != nil {
		before, level := l.s.promises.release, l.s.output.level
		asked := l.s.wanted.target
		var acts []action
		l.s, acts = step(l.set, l.s, e, at(l.now))
		if level == Locked && l.keepsPromise(e) {
			l.promised = nil
		}
		l.keptPromise(e, before, asked)
		if os.Getenv("SEED") != "" {
			l.Logf("%s %T%v -> %s", l.now, e, e, show(acts))
		}
		l.check(acts)
		e = l.outcome(acts)
	}
	if !reflect.DeepEqual(l.onDisk, l.s.recordIn(l.set)) {
		l.Fatalf("on disk is %+v, the state is %+v", l.onDisk, l.s)
	}
	waitsForDoor := l.set.doorSensor && l.s.door.state == "" && l.now < l.s.lines.patience
	if !l.s.lines.open && len(l.commands) > 0 && !waitsForDoor {
		l.Fatalf("the lines are lost, and %d commands wait", len(l.commands))
	}
	if l.energised && !l.failedToIdle {
		if most := l.set.maxEnergised; l.now-l.since >= most && l.now >= l.s.energised.until {
			l.Fatalf("energised for %s", l.now-l.since)
		}
		if !l.s.energised.on {
			l.Fatalf("energised, and nobody will end it: %+v", l.s)
		}
	}
}

// keepsPromise reports whether an event, which follows a drive to locked, fulfils the
// promise of a relock.
func (l *life) keepsPromise(e event) bool {
	switch e := e.(type) {
	case driven:
		return e.err == nil && l.set.mode != Dual
	case idled:
		return e.err == nil
	}
	return false
}

// keptPromise checks that the machine has not forgotten a promised relock.
func (l *life) keptPromise(e event, before release, asked Position) {
	_, failed := e.(driven)
	c, isCommand := e.(command)
	_, reopened := e.(opened)
	replaced := isCommand && c.Target == Unlocked || reopened && asked == Unlocked
	if before.made && !l.s.promises.release.made && l.s.output.level != Locked && !replaced && !failed {
		l.Fatalf("%T lost the promise of %s", e, before.end)
	}
}

// check checks that the machine's actions follow from its commands.
func (l *life) check(acts []action) {
	for _, a := range acts {
		switch a := a.(type) {
		case save:
			l.onDisk = a.record
		case remember:
			l.onDisk = a.record
		case openLines:
			l.checkOpen(a.level)
		case setLines:
			l.checkDrive(a.target)
		case answer:
			l.checkAnswer(a)
		}
	}
}

func (l *life) checkOpen(level Position) {
	asked := slices.ContainsFunc(slices.Collect(maps.Values(l.commands)), func(c Command) bool { return c.Target == level })
	switch {
	case l.set.mode != Hold && level != "":
		l.Fatalf("lines of %s requested at %s", l.set.mode, level)
	case l.set.mode == Hold && level == Unlocked && !asked && l.s.door.state == DoorOpen:
		l.promised = append(l.promised, l.now) // the door locks when it is closed
	case l.set.mode == Hold && l.set.atPowerOn != "" && level != l.set.atPowerOn && !asked:
		l.Fatalf("requested at %s", level)
	case l.set.mode == Hold && l.set.atPowerOn == Unlocked && level == Locked && l.s.door.state == DoorOpen:
		l.Fatal("requested at locked with the door open")
	}
}

func (l *life) checkDrive(target Position) {
	endOfPulse := l.set.mode == Pulse && target == Locked
	if l.set.mode == Pulse && target == Unlocked && !l.energised && l.now-l.idleSince < l.set.minInterval {
		l.Fatalf("energised %s after the end of the previous pulse", l.now-l.idleSince)
	}
	if l.set.mode != Pulse && l.now-l.lastDrive < l.set.minInterval && !endOfPulse && !l.energised {
		l.Fatalf("driven %s after the drive before", l.now-l.lastDrive)
	}
	if !endOfPulse {
		l.lastDrive = l.now
	}
	asked := slices.ContainsFunc(slices.Collect(maps.Values(l.commands)), func(c Command) bool { return c.Target == target })
	due := slices.ContainsFunc(l.promised, func(d time.Duration) bool { return d <= l.now })
	if !asked && !(target == Locked && due) && !endOfPulse {
		l.Fatalf("driven to %s without a command or a promise", target)
	}
	if target == Locked && (l.s.door.state == DoorOpen || (l.set.doorSensor && l.s.door.state == "")) && !endOfPulse {
		l.Fatalf("locked with the door %q", l.s.door.state)
	}
}

func (l *life) checkAnswer(a answer) {
	c, ok := l.commands[a.id]
	if !ok {
		l.Fatalf("command %d answered twice or never asked", a.id)
	}
	delete(l.commands, a.id)
	if a.refusal == nil && a.result.Position != c.Target {
		l.Fatalf("%s answered with %s", c.Target, a.result.Position)
	}
	if a.refusal == nil && a.result.Confirmed && l.set.sensor && l.s.bolt.sensed != c.Target {
		l.Fatalf("%s confirmed, sensed %s", c.Target, l.s.bolt.sensed)
	}
	if !reflect.DeepEqual(l.onDisk, l.s.recordIn(l.set)) {
		l.Fatalf("answered with %+v on disk, the state is %+v", l.onDisk, l.s)
	}
}

// outcome simulates the action on the lines, which may fail. It returns the result as
// an event, or nil if no action changes the lines.
func (l *life) outcome(acts []action) event {
	fails := func() error {
		switch {
		case l.healthy || l.r.IntN(6) > 0:
			return nil
		case l.r.IntN(3) == 0:
			l.energised = false
			return fmt.Errorf("chip: %w", ErrLinesGone)
		}
		return errors.New("line busy")
	}
	for _, a := range acts {
		switch a := a.(type) {
		case openLines:
			if err := fails(); err != nil {
				return opened{err: err}
			}
			l.energised = false
			return opened{level: a.level, kept: a.level != "" && l.r.IntN(2) == 0}
		case setLines:
			err := fails()
			switch {
			case l.set.mode == Pulse && a.target == Locked:
				l.letGo(err)
			case l.set.mode != Hold && !errors.Is(err, ErrLinesGone): // also if the drive failed half way
				if !l.energised || l.set.mode == Dual {
					l.since = l.now
				}
				l.energised, l.failedToIdle = true, err != nil
			}
			return driven{err}
		case idleLines:
			err := fails()
			l.letGo(err)
			return idled{err}
		}
	}
	return nil
}

func (l *life) letGo(err error) {
	if err == nil {
		if l.energised {
			l.idleSince = l.now
		}
		l.energised = false
	}
	l.failedToIdle = err != nil
}
