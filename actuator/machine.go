package actuator

import (
	"reflect"
	"time"
)

// This file holds the lock's state machine: a pure function of a state and an event.
// The other files of the machine follow an event on its way:
//
//	commands.go, inputs.go, lines.go  take an event
//	due.go                            does what has become due, and sets deadlines
//	drive.go                          starts a motion or ends a pulse
//	outcome.go                        ends a motion and answers commands
//	promise.go                        keeps what was promised for later
//
// All deadlines are on the boot-time clock.

// settings are constant over the life of a machine.
type settings struct {
	mode      Mode
	atPowerOn Position // Hold: the level of the first request; empty means the last level
	bootID    string

	sensor     bool // a bolt sensor is fitted
	doorSensor bool
	manual     bool // the door has a handle, a thumb-turn or a key that opens it
	exitShunts bool // the exit input only announces an opening; it does not unlock

	relockOnClose  bool // end a release as soon as the door has opened and closed
	confirmTimeout time.Duration
	minInterval    time.Duration
	pulse          time.Duration // Pulse and Dual
	maxEnergised   time.Duration // Pulse: the bound on an unlock's time
	exitTime       time.Duration // how long after a release or an exit an opening is expected
	settle         time.Duration // how long the door must be closed before a promised lock
}

// moment is the time of an event on both clocks.
type moment struct {
	uptime time.Duration
	wall   time.Time
}

// never is a deadline that does not come.
const never = time.Duration(1<<63 - 1)

// An event is one of the types below.
type event any

type (
	command struct {
		id int64
		Command
	}
	reading     struct{ position Position }
	doorReading struct{ door DoorState }
	exitReading struct{ exit ExitState }
	lockdownSet struct {
		id int64
		on bool
	}
	tuned struct {
		id int64
		Tuning
	}
	chatter struct { // an input has begun or ceased to change too often
		input input
		on    bool
	}
	opened struct { // the outcome of openLines
		level Position
		kept  bool
		err   error
	}
	driven struct{ err error } // the outcome of setLines
	idled  struct{ err error } // the outcome of idleLines
	tick   struct{}            // a deadline may have passed
)

// An action is one of the types below. The owner carries actions out in their order.
// A step returns at most one action on the lines; its outcome is the next event.
type action any

type (
	openLines struct{ level Position }
	setLines  struct{ target Position }
	idleLines struct{}
	save      struct { // the lock's record has changed
		record Record
		events []Event
	}
	remember struct { // only events, or what was seen of the door, have changed
		record Record
		events []Event
	}
	answer struct { // the owner gives the answer when the save before it is on disk
		id      int64
		result  Result
		refusal *Refusal
	}
)

// input is one of the lock's sensors.
type input int

const (
	boltInput input = iota
	doorInput
	exitInput
	inputCount
)

var inputs = [inputCount]input{boltInput, doorInput, exitInput}

func (i input) String() string {
	return [inputCount]string{"bolt sensor", "door sensor", "exit input"}[i]
}

// state is everything that the machine knows. It is a value: step returns a new one.
type state struct {
	bolt       bolt
	door       door
	exit       exit
	forced     forced
	lines      lines
	output     output
	energised  energised
	motion     *motion // nil while nothing moves
	wanted     wanted
	promises   promises
	unfinished promises // Dual: promises that end with the present pulse
	lockdown   bool
	fault      string // of the bolt or the lines; see state.faults for all
	chattering [inputCount]bool
	tuning     Tuning
	last       *Last
	past       Record // of the previous process, or of the time before the lines were lost
}

// bolt is what the machine knows of the bolt.
type bolt struct {
	position  Position
	source    Source
	confirmed bool
	changedAt time.Time
	sensed    Position // the sensor's last reading; empty before the first and while it cannot be read
	settled   bool     // the position was definite at least once in this process
	told      Position // the position in the last event
}

// lines tells whether the lock holds its lines.
type lines struct {
	open     bool
	retry    time.Duration // when to request them again
	patience time.Duration // how long the first request waits for the door sensor
}

// output is what the lines were driven to.
type output struct {
	level    Position // Unknown after a failure
	driven   bool     // drivenAt is valid
	drivenAt time.Duration
}

// waiter is a command without an answer. id is 0 if nobody waits for the answer.
type waiter struct {
	id    int64
	cmd   Command
	asked time.Duration
}

// wanted is a motion that has not started. The zero value wants nothing.
type wanted struct {
	target  Position
	waiters []waiter
}

// machine is the working copy of one step. It collects the step's actions.
type machine struct {
	state
	set settings
	now moment

	onLines action // nil, or the step's one action on the lines
	events  []Event
	answers []answer
}

// start returns the state of a lock whose lines are still to be requested, and the
// first actions.
func start(set settings, past Record, now moment) (state, []action) {
	m := &machine{set: set, now: now}
	m.restore(past)
	before := m.record()
	m.advance()

	return m.state, m.actions(before)
}

// step returns the state after an event, and what the owner must do.
func step(set settings, s state, e event, now moment) (state, []action) {
	m := &machine{state: s, set: set, now: now}
	before := m.record()

	switch e := e.(type) {
	case command:
		m.onCommand(waiter{e.id, e.Command, now.uptime})
	case lockdownSet:
		m.onLockdown(e.on)
		m.reply(answer{id: e.id})
	case reading:
		m.onBolt(e.position)
	case doorReading:
		m.onDoor(e.door)
	case exitReading:
		if m.onExit(e.exit) {
			m.onCommand(waiter{cmd: m.exitCommand(), asked: now.uptime})
		}
	case opened:
		for _, w := range m.onOpened(e) {
			m.onCommand(w)
		}
	case driven:
		m.onDriven(e.err)
	case idled:
		m.onIdled(e.err)
	case tuned:
		m.tuning = e.Tuning
		m.reply(answer{id: e.id})
	case chatter:
		m.onChattering(e.input, e.on)
	case tick:
	}
	m.advance()

	return m.state, m.actions(before)
}

// actions returns the step's actions in their order: the lines first, because nothing
// may delay an edge, then the disk, then the answers.
func (m *machine) actions(before Record) []action {
	var all []action
	if m.onLines != nil {
		all = append(all, m.onLines)
	}

	after := m.record()
	changedLock, changedSeen := changes(before, after)
	switch {
	case changedLock:
		all = append(all, save{after, m.events})
	case changedSeen || len(m.events) > 0:
		all = append(all, remember{after, m.events})
	}

	for _, a := range m.answers {
		all = append(all, a)
	}
	return all
}

// changes reports which parts of a record differ.
func changes(before, after Record) (lock, seen bool) {
	seen = !reflect.DeepEqual(before.Seen, after.Seen)
	before.Seen, after.Seen = Seen{}, Seen{}
	return !reflect.DeepEqual(before, after), seen
}

// restore begins a state with what the previous process left.
func (m *machine) restore(past Record) {
	m.past = past
	m.bolt = bolt{position: Unknown, source: Assumed, changedAt: m.now.wall, told: past.Seen.Bolt}
	if m.set.sensor {
		m.bolt.source = Sensor
	}
	m.output.level, m.last, m.lockdown = past.Level, past.Last, past.Lockdown
	m.lines.patience = m.now.uptime + doorPatience

	m.restorePromises(past)
	m.restoreDoor(past.Seen)
	if past.Level == Unlocked && m.set.mode == Pulse || past.Position == Unlocked {
		m.door.expectedUntil = m.now.uptime + m.set.exitTime
	}
}

// recordIn returns the part of the state that must be on disk.
func (s state) recordIn(set settings) Record {
	r := s.past
	if s.lines.open {
		r = Record{Level: s.output.level, Position: s.bolt.position, Source: s.bolt.source, ChangedAt: s.bolt.changedAt}
		if s.motion != nil {
			r.Motion = s.motion.target
		}
	}

	r.Lockdown, r.Last = s.lockdown, s.last
	s.recordPromises(&r, set)
	s.recordSeen(&r.Seen, set)
	return r
}

func (m *machine) record() Record { return m.recordIn(m.set) }

// tell adds an event to those of this step.
func (m *machine) tell(e Event) {
	e.Time = m.now.wall
	m.events = append(m.events, e)
}

// setPosition sets the bolt's position and tells of it. why names the command or the
// cause that moved the bolt.
func (m *machine) setPosition(position Position, source Source, confirmed bool, why Event) {
	if m.bolt.position != position {
		m.bolt.changedAt = m.now.wall
	}
	if m.bolt.position == Unlocked && position != Unlocked {
		m.expectOpening()
	}
	m.bolt.position, m.bolt.source, m.bolt.confirmed = position, source, confirmed

	m.tellPosition(why)
	m.clearForced()
}

// tellPosition tells of a definite position that differs from the last one told.
func (m *machine) tellPosition(why Event) {
	switch m.bolt.position {
	case Locked:
		why.Kind = EventLocked
	case Unlocked:
		why.Kind = EventUnlocked
	case Jammed:
		why.Kind = EventJammed
	default:
		return
	}

	told, first := m.bolt.told, !m.bolt.settled
	m.bolt.told, m.bolt.settled = m.bolt.position, true
	switch {
	case m.bolt.position == Jammed: // each jam is news
	case told == m.bolt.position:
		return
	case told == "" && why.Command == "":
		return // where the bolt is found the first time ever is no event
	}

	why.Position, why.Source = m.bolt.position, m.bolt.source
	why.Unseen = first && why.Command == "" && why.Cause == ""
	m.tellOfInput(boltInput, why)
}

// tellOfInput tells an event unless its input changes too often.
func (m *machine) tellOfInput(i input, e Event) {
	if !m.chattering[i] || e.Command != "" {
		m.tell(e)
	}
}
