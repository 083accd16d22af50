package actuator

import (
	"reflect"
	"time"
)

// This file holds the lock's state machine: a pure function of a state and an event.
// The other files are the steps in which the machine processes an event:
//
//	commands.go, inputs.go, lines.go  process the event itself
//	due.go                            carries out what is due, and sets deadlines
//	drive.go                          starts a motion or ends a pulse
//	outcome.go                        ends a motion and answers commands
//	promise.go                        plans automatic locks
//
// All deadlines are times since boot.

// settings are the parts of a lock's configuration that never change while it runs.
type settings struct {
	mode      Mode
	atPowerOn Position // Hold mode: the level at which to request the line after a power cut; empty means the last level
	bootID    string

	sensor     bool // a bolt sensor is fitted
	doorSensor bool
	manual     bool // the door has a handle, a thumb-turn or a key that opens it
	exitShunts bool // the exit input announces that the door will open; it does not unlock

	relockOnClose  bool // lock as soon as the door has opened and closed, without waiting for the time limit
	confirmTimeout time.Duration
	minInterval    time.Duration
	pulse          time.Duration // Pulse and Dual modes: how long a line is energised
	maxEnergised   time.Duration // Pulse mode: how long unlocks may keep the strike energised
	exitTime       time.Duration // how long the door may be opened without an alarm after it was unlocked
	settle         time.Duration // how long the door must stay closed before it is locked automatically

	waits waits
}

// waits are delays that no configuration can change. Tests shorten them.
type waits struct {
	openRetry  time.Duration // time between two attempts to request missing GPIO lines
	driveRetry time.Duration // time after which an automatic lock is repeated if its line could not be set
	idleRetry  time.Duration // time after which the machine tries again to switch off an energised line
	// doorSensor is the maximum time to wait at start for the door sensor's first
	// reading. Until then the door may be open, and requesting the line could throw the
	// bolt.
	doorSensor time.Duration
	exitStuck  time.Duration // how long an exit input may be active without a fault
}

var standardWaits = waits{
	openRetry:  5 * time.Second,
	driveRetry: 10 * time.Second,
	idleRetry:  200 * time.Millisecond,
	doorSensor: time.Second,
	exitStuck:  30 * time.Second,
}

// moment is a point in time: the time since boot and the wall clock's time.
type moment struct {
	uptime time.Duration
	wall   time.Time
}

// never is a deadline that is later than all others.
const never = time.Duration(1<<63 - 1)

// An event is one of the types below. It tells the machine what has happened.
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
	chatter struct { // a sensor has begun or ceased to change too often
		input input
		on    bool
	}
	opened struct { // the driver has requested the lines or has failed to
		level Position
		kept  bool
		err   error
	}
	driven struct{ err error } // the driver has set the lines or has failed to
	idled  struct{ err error } // the driver has switched the lines off or has failed to
	tick   struct{}            // a deadline may have passed
)

// An action is one of the types below. The lock's goroutine carries out the actions of
// a step in order. At most one action of a step changes the lines. The machine receives
// the result of this action as the next event.
type action any

type (
	openLines struct{ level Position }
	setLines  struct{ target Position }
	idleLines struct{}
	save      struct { // write the record and the events; the lock's part of the record has changed
		record Record
		events []Event
	}
	remember struct { // write the record and the events; only the door's part of the record has changed
		record Record
		events []Event
	}
	answer struct { // answer a command once all earlier writes are on disk
		id      int64
		result  Result
		refusal *Refusal
	}
)

// input identifies one of the lock's sensors.
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

// state is everything that the machine knows about the lock and its door. step does not
// modify a state; it returns a new one.
type state struct {
	bolt       bolt
	door       door
	exit       exit
	forced     forced
	lines      lines
	output     output
	energised  energised
	motion     *motion // nil while the bolt is not moving
	wanted     wanted
	promises   promises
	unfinished promises // Dual mode: promises that remain on disk until the current pulse has ended
	lockdown   bool
	fault      string // the current fault of the bolt or of the lines, in words
	chattering [inputCount]bool
	seenBefore Seen // the record's part about bolt and door; frozen while a sensor changes too often
	tuning     Tuning
	last       *Last
	past       Record // the record of the previous process, or of the time before the lines were lost
}

// bolt holds the bolt's position and how the machine knows it.
type bolt struct {
	position  Position
	source    Source
	confirmed bool
	changedAt time.Time
	sensed    Position // the bolt sensor's last reading; empty if there is none
	settled   bool     // the bolt has been locked, unlocked or jammed at least once since the start
	told      Position // the position that the last event reported
}

// lines holds whether the lock has its GPIO lines, and when it requests them.
type lines struct {
	open     bool
	retry    time.Duration // when to request the lines again
	patience time.Duration // the time until which the first request waits for the door sensor's first reading
}

// output holds the level to which the machine last set the lines.
type output struct {
	level    Position // Unknown if the last drive failed
	driven   bool     // whether drivenAt is set
	drivenAt time.Duration
}

// waiter is a command without an answer. Its id is 0 if the machine itself issued the
// command.
type waiter struct {
	id    int64
	cmd   Command
	asked time.Duration
}

// wanted is a planned motion that cannot start yet, for example because of the minimum
// interval. An empty target means that no motion is planned.
type wanted struct {
	target  Position
	waiters []waiter
}

// machine is the working copy of the state during one step. It collects the actions that
// the step returns.
type machine struct {
	state
	set settings
	now moment

	onLines action // nil, or the step's only action that touches the lines
	events  []Event
	answers []answer
}

// start returns the initial state of a lock and its first actions. past is the record
// that the previous process saved. The lock has not requested its lines yet.
func start(set settings, past Record, now moment) (state, []action) {
	m := &machine{set: set, now: now}
	m.restore(past)
	before := m.record()
	m.advance()

	return m.state, m.actions(before)
}

// step processes one event. It returns the new state and the actions that the caller
// must carry out.
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

// actions returns the collected actions. The action on the lines comes first, so that
// nothing delays the bolt. The write to disk and the answers follow.
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

// changes reports which parts of a record differ: the part about the lock and the part
// about the door.
func changes(before, after Record) (lock, seen bool) {
	seen = !reflect.DeepEqual(before.Seen, after.Seen)
	before.Seen, after.Seen = Seen{}, Seen{}
	return !reflect.DeepEqual(before, after), seen
}

// restore initialises the state from the previous process's record.
func (m *machine) restore(past Record) {
	m.past = past
	m.bolt = bolt{position: Unknown, source: Assumed, changedAt: m.now.wall, told: past.Seen.Bolt}
	if m.set.sensor {
		m.bolt.source = Sensor
	}
	m.output.level, m.last, m.lockdown = past.Level, past.Last, past.Lockdown
	m.lines.patience = m.now.uptime + m.set.waits.doorSensor

	m.restorePromises(past)
	m.restoreDoor(past.Seen)
	if past.Level == Unlocked && m.set.mode == Pulse || past.Position == Unlocked {
		m.door.expectedUntil = m.now.uptime + m.set.exitTime
	}
}

// recordIn returns the part of the state that must survive the end of the process.
func (s *state) recordIn(set settings) Record {
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

	if s.chattering[boltInput] && s.motion == nil {
		r.Position, r.ChangedAt = Unknown, time.Time{}
	}
	if s.chattering[boltInput] || s.chattering[doorInput] {
		r.Seen = s.seenBefore // a loose contact must not wear out the disk
	}
	return r
}

func (m *machine) record() Record { return m.recordIn(m.set) }

func (m *machine) tell(e Event) {
	e.Time = m.now.wall
	m.events = append(m.events, e)
}

// setPosition sets the bolt's position. If the bolt has arrived at a new position,
// setPosition adds an event with the command or the cause from why.
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

// tellPosition adds an event if the bolt is locked, unlocked or jammed now and the last
// event reported another position.
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
	case m.bolt.position == Jammed: // each jam causes an event of its own
	case told == m.bolt.position:
		return
	case told == "" && why.Command == "":
		return // the very first reading of a bolt is not an event
	}

	why.Position, why.Source = m.bolt.position, m.bolt.source
	why.Unseen = first && why.Command == "" && why.Cause == ""
	m.tellOfInput(boltInput, why)
}

// tellOfInput adds an event that a sensor caused. It omits the event if the sensor
// changes too often and no command explains the event.
func (m *machine) tellOfInput(i input, e Event) {
	if !m.chattering[i] || e.Command != "" {
		m.tell(e)
	}
}
