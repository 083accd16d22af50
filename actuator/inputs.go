package actuator

import "time"

// door holds the state of the door and the times from which its alarms are computed.
type door struct {
	state      DoorState
	known      DoorState // open or closed, as last read; restored from the previous process
	seen       bool      // this process has read known from the sensor
	told       DoorState // the state that the last event reported
	changedAt  time.Time
	openSince  time.Duration
	openKnown  bool // whether openSince is set
	closedAt   time.Duration
	closedSeen bool          // whether closedAt is set: this process saw the door close
	countFrom  time.Duration // start of the time for the heldOpen alarm: when the last unlock without a time limit ended
	heldOpen   bool
	// expectedUntil is the time until which the door may be opened without an alarm,
	// because it was unlocked shortly before.
	expectedUntil time.Duration
}

// exit describes the exit input: a button, bar or motion sensor on the inside.
type exit struct {
	state ExitState
	since time.Duration // when the input became active
	// announcedUntil is the time until which the door may be opened without an alarm,
	// because the exit input was active.
	announcedUntil time.Duration
	stuck          bool
	released       bool // the exit input has unlocked the door, and no lock has followed
}

// forced holds the alarm that the bolt or the door was moved although the door was
// locked.
type forced struct {
	active bool
	how    string
	at     time.Time // the time of the last alarm; kept when the alarm ends
}

const (
	doorForced = "the door was opened while it was locked"
	boltForced = "the bolt went to unlocked without a command"
)

// onBolt processes a reading of the bolt sensor.
func (m *machine) onBolt(position Position) {
	before := m.bolt.sensed
	m.bolt.sensed = position
	if position == Unknown {
		m.bolt.sensed = ""
	}

	why := Event{}
	switch {
	case m.motion != nil && (position != m.motion.target || m.now.uptime < m.motion.since):
		return // the bolt is still on its way
	case m.motion != nil:
		m.arrive(Sensor)
		m.keepTimeOf(before)
		return
	case !m.lines.open: // the fault explains why the lines are missing: keep it
	case position == before:
		return
	case position == Unknown:
		m.fault = "the bolt sensor cannot be read"
	case position == m.output.level, before == "" && m.output.level == Unknown:
		m.fault = ""
	case position == Locked: // somebody turned the bolt by hand
		m.fault, why.Cause = "", CauseManual
	case m.output.level != Unknown:
		why = m.boltLeft()
	}

	m.sense(why)
	m.keepTimeOf(before)
}

// boltLeft handles a bolt that left its locked position without a command, and returns
// the cause for the event. It raises the forced-door alarm by the same rules as an
// opening of the door.
func (m *machine) boltLeft() Event {
	m.fault = ""

	switch {
	case m.openingExpected():
		return Event{}
	case m.set.manual:
		return Event{Cause: CauseManual}
	case !m.bolt.settled && m.bolt.told != "":
		m.fault = "the bolt went to unlocked while no agent was running"
		return Event{Unseen: true}
	}

	m.forced = forced{active: true, how: boltForced, at: m.now.wall}
	m.bolt.told, m.bolt.settled = Unlocked, true // the alarm includes the position, so no other event is needed
	m.tellOfInput(boltInput, Event{Kind: EventForced, Position: Unlocked, Source: Sensor})
	return Event{}
}

// sense sets the bolt's position to the bolt sensor's last reading.
func (m *machine) sense(why Event) {
	if m.bolt.sensed == "" {
		m.setPosition(Unknown, m.bolt.source, false, why)
		return
	}
	m.setPosition(m.bolt.sensed, Sensor, m.bolt.sensed == m.output.level, why)
}

// keepTimeOf restores the time of the bolt's last move from the previous process's
// record, if the first reading shows the recorded position.
func (m *machine) keepTimeOf(sensedBefore Position) {
	if sensedBefore == "" && m.bolt.position == m.past.Position {
		m.bolt.changedAt = m.past.ChangedAt
	}
}

// onDoor processes a reading of the door sensor.
func (m *machine) onDoor(to DoorState) {
	if to == m.door.state {
		return
	}
	before := m.door.known
	m.door.state = to
	if to != before {
		m.door.changedAt = m.now.wall
	}
	if to == DoorUnknown {
		return
	}

	unseen := !m.door.seen
	m.door.known, m.door.seen = to, true
	switch {
	case to == before: // the door has not moved
	case to == DoorOpen:
		m.onOpening(unseen, before)
	default:
		m.onClosing(unseen, before)
	}
}

// onOpening processes an opening of the door. It raises the forced-door alarm if the
// door was locked and no person was expected to open it. unseen means that the door may
// have been opened before this process started.
func (m *machine) onOpening(unseen bool, before DoorState) {
	m.door.openSince, m.door.openKnown = m.now.uptime, true
	m.promises.release.opened = m.promises.release.made
	m.energised.opened = m.energised.on

	e := Event{Kind: EventDoorOpened}
	switch {
	case before == "":
		m.door.told = DoorOpen
		return // the very first reading of a door is not an event
	case unseen:
		e.Unseen = true
	case m.openingExpected(), m.bolt.position != Locked:
	case m.set.manual:
		e.Cause = CauseManual
	default:
		m.forced = forced{active: true, how: doorForced, at: m.now.wall}
		e = Event{Kind: EventForced, Position: m.bolt.position, Source: m.bolt.source}
	}
	m.tellOfDoor(e)
}

// onClosing processes a closing of the door. unseen means that the door may have been
// closed before this process started.
func (m *machine) onClosing(unseen bool, before DoorState) {
	e := Event{Kind: EventDoorClosed, Unseen: unseen}
	if m.door.openKnown && !unseen {
		e.OpenFor = m.now.uptime - m.door.openSince
	}
	m.door.closedAt, m.door.closedSeen = m.now.uptime, !unseen
	m.door.heldOpen, m.door.openKnown = false, false
	m.promises.release.overdue = false

	m.clearForced()
	if before == "" {
		m.door.told = DoorClosed
		return
	}
	m.tellOfDoor(e)
}

// tellOfDoor adds an event about the door, unless the door sensor changes too often.
func (m *machine) tellOfDoor(e Event) {
	if !m.chattering[doorInput] {
		m.door.told = m.door.known
	}
	m.tellOfInput(doorInput, e)
}

// openingExpected reports whether an opening of the door now raises no alarm.
func (m *machine) openingExpected() bool {
	now := m.now.uptime
	released := m.set.mode == Pulse && m.energised.on && m.output.level == Unlocked
	return m.bolt.position == Unlocked || released || now < m.door.expectedUntil || now < m.exit.announcedUntil
}

// expectOpening suppresses the forced-door alarm for exitTime, because a person may still
// pull the door open.
func (m *machine) expectOpening() {
	m.door.expectedUntil = m.now.uptime + m.set.exitTime
}

// clearForced ends the forced-door alarm when the door is closed and the bolt is locked.
func (m *machine) clearForced() {
	if m.forced.active && m.door.known != DoorOpen && m.bolt.position == Locked {
		m.forced = forced{at: m.forced.at}
	}
}

// onExit processes a reading of the exit input and reports whether it must unlock the
// door. Only a change from idle to active does. An input that is active at the first
// reading, or after a failed reading, may be stuck.
func (m *machine) onExit(to ExitState) bool {
	before := m.exit.state
	if to == before {
		return false
	}
	m.exit.state = to

	if to != ExitActive {
		m.exit.stuck = false
		if m.exit.announcedUntil == never {
			m.exit.announcedUntil = m.now.uptime + m.set.exitTime
		}
		return false
	}

	m.exit.since = m.now.uptime
	if before != ExitIdle {
		return false
	}
	m.exit.announcedUntil = never
	return !m.set.exitShunts
}

// onChattering records that a sensor has begun or ceased to change too often. While the
// sensor does so, its changes cause no events. Afterwards one event reports the door's
// state.
func (m *machine) onChattering(i input, on bool) {
	if on && m.chattering == ([inputCount]bool{}) {
		m.recordSeen(&m.seenBefore, m.set)
	}
	m.chattering[i] = on
	if on {
		m.tell(Event{Kind: EventChattering, Cause: i.String()})
		return
	}

	if i == doorInput && m.door.told != m.door.known {
		kinds := map[DoorState]EventKind{DoorOpen: EventDoorOpened, DoorClosed: EventDoorClosed}
		m.tellOfDoor(Event{Kind: kinds[m.door.known]})
	}
}

// recordSeen writes the state of the door and of its alarms into a record.
func (s *state) recordSeen(seen *Seen, set settings) {
	*seen = Seen{
		Bolt: s.bolt.told, Door: s.door.known, DoorChangedAt: s.door.changedAt,
		HeldOpen: s.door.heldOpen, LastForcedAt: s.forced.at,
	}
	if s.forced.active {
		seen.Forced = s.forced.how
	}
	if s.door.openKnown {
		seen.OpenSince = &Promise{BootID: set.bootID, Uptime: s.door.openSince}
	}
	if s.door.openKnown && s.door.countFrom > s.door.openSince {
		seen.CountFrom = &Promise{BootID: set.bootID, Uptime: s.door.countFrom}
	}
}

// restoreDoor reads the state of the door and of its alarms from the previous process's
// record.
func (m *machine) restoreDoor(seen Seen) {
	m.door = door{known: seen.Door, told: seen.Door, changedAt: seen.DoorChangedAt, heldOpen: seen.HeldOpen}
	m.forced = forced{active: seen.Forced != "", how: seen.Forced, at: seen.LastForcedAt}
	if seen.Door != DoorOpen {
		return
	}

	m.door.openKnown, m.door.openSince = true, m.now.uptime
	if since := seen.OpenSince; since != nil && since.BootID == m.set.bootID {
		m.door.openSince = since.Uptime
	}
	if from := seen.CountFrom; from != nil && from.BootID == m.set.bootID {
		m.door.countFrom = from.Uptime
	}
}
