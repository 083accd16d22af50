package actuator

import (
	"errors"
	"time"
)

// waitEvent advances the simulated time.
type waitEvent time.Duration

// world is the machine together with the simulated door, its sensors and its callers.
type world struct {
	set   *settings
	now   time.Duration
	state state
	door  DoorState // the door sensor's last reading
	exit  ExitState
	monitor
}

// monitor holds the facts about earlier steps that the invariants need.
type monitor struct {
	open       [3]open       // commands without an answer
	onDisk     Record        // last saved record
	unlockedTo time.Duration // end of the time in which a released door may open
	exitTo     time.Duration // end of the time in which the door may open after an exit
	exitSince  time.Duration // when the exit input became active
	lockdown   bool
	awaited    bool // a lock has been promised since the last lock
	known      DoorState
	lineWant   Position // target of the last action on the lines, until its result arrives
	opening    bool     // the next event is the result of openLines
	idling     bool
	energised  bool
	since      time.Duration // time at which the line was energised
	mayFail    bool          // switching the line off has failed
	movedAt    time.Duration // start of the minimum interval: the last motion, in Pulse mode the end of the last pulse
	closedAt   time.Duration // time at which the door was last seen to close
}

// open is a command without an answer.
type open struct {
	id       int64
	target   Position
	release  bool // an unlock with a time limit
	lockdown bool // an unlock that was sent during lockdown
	replaced bool // an unlock whose hold or release lockdown has ended
	waits    bool // a lock that waits until the door is closed
}

// events returns all events that can happen in the world's current state.
func (w *world) events(c exploreConfig) []event {
	var errs []error
	errs = append(errs, nil)
	if c.faults == 1 {
		errs = append(errs, errors.New("busy"), ErrLinesGone)
	}

	// The result of an action on the lines is always the next event.
	var outcomes []event
	for _, err := range errs {
		switch {
		case w.opening && err != nil:
			outcomes = append(outcomes, opened{err: err})
		case w.opening && w.set.mode != Hold:
			outcomes = append(outcomes, opened{})
		case w.opening:
			outcomes = append(outcomes, opened{level: w.lineWant})
		case w.idling:
			outcomes = append(outcomes, idled{err})
		case w.lineWant != "":
			outcomes = append(outcomes, driven{err})
		}
	}
	if len(outcomes) > 0 {
		return outcomes
	}

	all := []event{waitEvent(exploreTick), lockdownSet{0, !w.lockdown}}
	if id := w.freeID(); id > 0 {
		all = append(all,
			command{id, Command{Name: "lockDoor", Origin: Remote, Target: Locked}},
			command{id, Command{Name: "lockDoor", Origin: Remote, Target: Locked, WhenClosed: true}},
			command{id, Command{Name: "unlockDoor", Origin: Remote, Target: Unlocked, For: 2 * exploreTick}},
		)
		if w.set.mode != Pulse {
			all = append(all, command{id, Command{Name: "unlockDoor", Origin: Remote, Target: Unlocked}})
		}
	}
	if w.set.sensor {
		for _, p := range []Position{Locked, Unlocked, Unknown} {
			all = append(all, reading{p})
		}
	}
	if w.set.doorSensor {
		for _, d := range []DoorState{DoorOpen, DoorClosed, DoorUnknown} {
			if d != w.door {
				all = append(all, doorReading{d})
			}
		}
	}
	if c.exit > 0 {
		for _, e := range []ExitState{ExitActive, ExitIdle} {
			if e != w.exit {
				all = append(all, exitReading{e})
			}
		}
	}
	return all
}

// freeID returns the lowest unused command id, or 0 if all ids are in use.
func (w *world) freeID() int64 {
	for id := int64(1); id <= 2; id++ {
		if w.open[id].id == 0 {
			return id
		}
	}
	return 0
}

// apply updates the monitor with an event.
func (w *world) apply(e event) {
	switch e := e.(type) {
	case command:
		w.open[e.id] = open{id: e.id, target: e.Target, release: e.For > 0, lockdown: e.Target == Unlocked && w.lockdown, waits: e.WhenClosed}
		w.awaited = w.awaited || e.Target == Unlocked && e.For > 0 || e.WhenClosed
	case doorReading:
		w.door = e.door
		if e.door == DoorClosed && w.known == DoorOpen {
			w.closedAt = w.now
		}
	case exitReading:
		w.exit = e.exit
		w.awaited = w.awaited || e.exit == ExitActive && !w.set.exitShunts
	case lockdownSet:
		w.lockdown = e.on
		for i, o := range w.open {
			w.open[i].replaced = o.target == Unlocked && (o.replaced || e.on)
		}
		w.awaited = w.awaited || e.on
	}
}
