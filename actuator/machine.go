package actuator

import (
	"cmp"
	"reflect"
	"slices"
	"time"
)

// The state machine of a lock: a pure function of state and event. All times in
// it are on the boot-time clock, but for those that people read.

// settings of the machine, constant over its life.
type settings struct {
	mode           Mode
	atPowerOn      Position // of Hold: what its line is requested at; empty is the last level
	sensor         bool     // there is a bolt sensor
	doorSensor     bool
	confirmTimeout time.Duration
	minInterval    time.Duration
	pulse          time.Duration // of Pulse and Dual
	maxEnergised   time.Duration // of Pulse: however long an unlock asks for
	bootID         string
}

// moment is when an event happened, on both clocks.
type moment struct {
	uptime time.Duration
	wall   time.Time
}

// An event is one of command, reading, doorReading, opened, driven, idled, tick.
type event any

type (
	command struct {
		id int64
		Command
	}
	reading     struct{ position Position }
	doorReading struct{ door DoorState }
	opened      struct { // what came of the open before
		level Position
		kept  bool
		err   error
	}
	driven struct{ err error } // the lines of the drive before are set, or are not
	idled  struct{ err error } // likewise of the idle before
	tick   struct{}            // a deadline of state.next may have passed
)

// An action is one of open, drive, idle, save, answer. They are carried out in
// order; answers wait until the saves before them are on disk. A step has at
// most one open, drive or idle, and what came of it is the next event.
type action any

type (
	open   struct{ level Position }
	drive  struct{ target Position }
	idle   struct{}
	save   struct{ record Record }
	answer struct {
		id      int64
		result  Result
		refusal *Refusal
	}
)

// waiter is a command that is not answered yet.
type waiter struct {
	id    int64
	cmd   Command
	asked time.Duration
}

// state is all that the machine knows. It is a value: step returns a new one.
type state struct {
	position  Position
	source    Source
	confirmed bool
	changedAt time.Time
	fault     string
	forced    bool // the fault is that bolt or door moved without a command
	last      *Last
	door      door

	lines     lines
	level     Position // what the lines were last driven to
	sensed    Position // what the bolt sensor said last; empty before it spoke
	motion    *motion
	waiting   []waiter // locks that wait for the minimum interval
	wantLock  bool     // a lock waits, be it only a promised one
	drivenAt  time.Duration
	driven    bool // drivenAt is valid
	energised energised
	relock    relock
	keeping   relock // of Dual: a promise that is being kept, by a pulse that has not ended
	found     Record // of the process before, for a bolt that has not moved since
}

// step is the machine: what becomes of state when event happens, and what is to
// be done about it.
func step(set settings, s state, e event, at moment) (state, []action) {
	before := s.record(set)
	var acts []action
	switch e := e.(type) {
	case command:
		s, acts = s.onCommand(set, waiter{e.id, e.Command, at.uptime}, at)
	case reading:
		s, acts = s.onReading(e.position, at)
	case doorReading:
		s = s.onDoor(e.door, at)
	case opened:
		s, acts = s.onOpened(set, e, at)
	case driven:
		s, acts = s.onDriven(set, e.err, at)
	case idled:
		s, acts = s.onIdled(set, e.err, at)
	case tick:
	}
	if !slices.ContainsFunc(acts, movesLines) { // what comes of that goes first
		var due []action
		s, due = s.onTime(set, at)
		acts = append(acts, due...)
	}
	return s, saveBeforeAnswers(before, s.record(set), acts)
}

// movesLines reports whether another event follows an action at once.
func movesLines(a action) bool {
	switch a.(type) {
	case open, drive, idle:
		return true
	}
	return false
}

// onTime does the first thing that is due: lines to be opened again, a motion
// that was not confirmed, a pulse to be ended, and a lock that was promised or
// waited for the minimum interval. What is left is due again at once, after the
// outcome of the first.
func (s state) onTime(set settings, at moment) (state, []action) {
	if !s.lines.open {
		if at.uptime >= s.lines.retry {
			return s.askOpen(set, nil, at)
		}
		return s, nil
	}
	var acts []action
	if set.sensor && s.motion != nil && at.uptime >= s.motion.deadline {
		s, acts = s.overdue(set, at)
	}
	var more []action
	if s.energised.on && at.uptime >= s.energised.until {
		s, more = s.endPulse(set, at)
	} else {
		s, more = s.lockIfDue(set, at)
	}
	return s, append(acts, more...)
}

// next returns when the machine wants its next tick.
func (s state) next(set settings) (at time.Duration, ok bool) {
	soonest := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if !s.lines.open {
		return s.lines.retry, true
	}
	if s.motion != nil && set.sensor {
		soonest(s.motion.deadline)
	}
	if s.energised.on {
		soonest(s.energised.until)
	}
	switch {
	case s.doorUnheard(set): // its sensor's first reading is waited for
	case s.wantLock:
		soonest(s.lockableAt(set))
	case s.relock.made && s.door.state != DoorOpen: // else it waits for the door
		soonest(s.relock.at)
	}
	return at, ok
}

func (s state) at(position Position, source Source, confirmed bool, at moment) state {
	if s.position != position {
		s.changedAt = at.wall
	}
	s.position, s.source, s.confirmed = position, source, confirmed
	return s
}

// earliest returns when the lock may be driven again.
func (s state) earliest(set settings) time.Duration {
	if !s.driven {
		return 0
	}
	return s.drivenAt + set.minInterval
}

// lockableAt returns when a lock may be carried out: in Pulse it only ends a
// pulse, which needs no rest before.
func (s state) lockableAt(set settings) time.Duration {
	if set.mode == Pulse {
		return 0
	}
	return s.earliest(set)
}

// record returns what of the state has to be on disk.
func (s state) record(set settings) Record {
	if !s.lines.open { // nothing that the record before does not say
		r := s.found
		r.Last = s.last
		return r
	}
	r := Record{Level: s.level, Position: s.position, Source: s.source, ChangedAt: s.changedAt, Last: s.last}
	if s.motion != nil {
		r.Motion = s.motion.target
	}
	if promise := cmp.Or(s.relock, s.keeping); promise.made {
		r.Relock = &Promise{BootID: set.bootID, Uptime: promise.at}
	}
	return r
}

// saveBeforeAnswers adds a save if there is something new to be on disk: after
// what drives the lines, before the first answer.
func saveBeforeAnswers(before, after Record, acts []action) []action {
	if reflect.DeepEqual(before, after) {
		return acts
	}
	first := slices.IndexFunc(acts, func(a action) bool { _, ok := a.(answer); return ok })
	if first < 0 {
		first = len(acts)
	}
	return slices.Insert(acts, first, action(save{after}))
}

func (s state) status() Status {
	return Status{
		Position: s.position, Source: s.source, Confirmed: s.confirmed,
		ChangedAt: s.changedAt, Fault: s.fault, Forced: s.forced, Last: s.last,
		Door: s.door.state, DoorChangedAt: s.door.changedAt,
	}
}
