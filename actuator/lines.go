package actuator

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

const (
	// openRetry is the time between two requests of lines that are not there: a chip's
	// driver may load late, and a chip may be plugged in again.
	openRetry = 5 * time.Second
	// driveRetry is the time after which a promised lock that failed is tried again.
	driveRetry = 10 * time.Second
	// idleRetry is the time after which a line that could not be idled is tried again.
	idleRetry = 200 * time.Millisecond
)

// onOpened takes the outcome of a request of the lines. It returns the commands that
// must be judged again, now that the lines are there.
func (m *machine) onOpened(e opened) []waiter {
	m.lines.open = e.err == nil
	m.lines.retry = m.now.uptime + openRetry
	locksLater := m.wanted.target == "" && m.door.state == DoorOpen && e.level == Unlocked && m.levelToRequest() == Locked
	commands := m.takeWanted()
	if e.err != nil {
		m.fault = unavailable(e.err)
		m.refuseAll(commands, Refusal{CodeUnavailable, m.fault})
		return nil
	}
	m.fault = ""

	m.adoptLevel(e)
	if locksLater && !e.kept {
		m.lockLater()
	}
	if len(commands) > 0 && m.set.mode == Hold && !e.kept && commands[0].cmd.Target == e.level {
		m.requested(commands) // the request itself carried the commands out
		return nil
	}
	m.adoptPosition(e)
	return commands
}

// lockLater promises the lock that the configuration demands at power-on and that an
// open door prevented. A line that was kept open keeps what was promised before instead.
func (m *machine) lockLater() {
	m.endHold()
	m.promises.hold = false
	m.promises.pending = pending{made: true, name: "lockDoor", origin: Relock}
}

// adoptLevel takes over the level of the lines.
func (m *machine) adoptLevel(e opened) {
	m.output.level = e.level
	switch m.set.mode {
	case Pulse:
		m.output.level = Locked
	case Dual:
		m.output.level = cmp.Or(m.past.Level, Unknown)
		if m.past.Motion != "" {
			m.output.level = Unknown
		}
	}

	if m.set.mode != Dual && m.output.level == Locked {
		m.promises = promises{} // the line has kept them
	}
}

// adoptPosition works out where the bolt is when the lines have been requested.
func (m *machine) adoptPosition(e opened) {
	interrupted := m.past.Motion != ""
	moves := m.set.mode == Hold && (!e.kept || interrupted)

	switch {
	case m.set.sensor && moves && (interrupted || m.bolt.sensed != m.output.level):
		m.motion = &motion{target: m.output.level, deadline: m.now.uptime + m.set.confirmTimeout, start: true}
		m.setPosition(Moving, Sensor, false, Event{})
	case m.set.sensor:
		m.sense(Event{})
	case m.set.mode == Pulse: // an idle strike is locked
		m.setPosition(Locked, Assumed, false, Event{})
	case m.set.mode == Dual, interrupted, m.past.Position == Unknown:
		m.setPosition(Unknown, Assumed, false, Event{})
	default:
		m.setPosition(m.output.level, Assumed, false, m.startCause(e))
	}

	if m.bolt.position == m.past.Position {
		m.bolt.changedAt = m.past.ChangedAt
	}
}

// startCause explains a position that the request of a line at power-on has caused.
func (m *machine) startCause(e opened) Event {
	if e.kept {
		return Event{}
	}
	return Event{Cause: CausePowerOn}
}

// requested follows the motion that a request of Hold's line has started for commands.
func (m *machine) requested(commands []waiter) {
	m.motion = &motion{
		target: m.output.level, since: m.now.uptime, deadline: m.now.uptime + m.set.confirmTimeout,
		waiters: commands, leaving: anyExit(commands),
	}
	m.output.driven, m.output.drivenAt = true, m.now.uptime
	for _, w := range commands {
		m.promise(w.cmd)
	}

	if !m.set.sensor {
		m.arrive(Assumed)
		return
	}
	m.setPosition(Moving, Sensor, false, Event{})
}

// onDriven takes the outcome of a drive.
func (m *machine) onDriven(err error) {
	mot := m.motion
	if err == nil {
		m.pulseEnded()
	}

	switch {
	case mot == nil:
	case err != nil:
		m.driveFailed(err)
	case !m.set.sensor:
		m.arrive(Assumed)
	case mot.atTarget:
		m.arrive(Sensor)
	}
}

// driveFailed ends a motion whose lines could not be set. What was promised before it
// stays promised.
func (m *machine) driveFailed(err error) {
	mot := m.motion
	m.fault = unavailable(err)
	m.motion, m.output.level = nil, Unknown
	m.promises, m.unfinished = mot.before, promises{}
	if mot.target == Locked {
		m.retryPromises()
	}
	m.sense(Event{})

	switch {
	case errors.Is(err, ErrLinesGone):
		m.refuseAll(mot.waiters, Refusal{CodeUnavailable, m.fault})
		m.lose()
		return
	case m.set.mode != Hold: // idle what may be half set
		m.energised.on, m.energised.until = true, m.now.uptime
		if m.set.mode == Pulse && mot.target == Locked {
			m.energised.until += idleRetry
		}
	}
	m.refuseAll(mot.waiters, Refusal{CodeUnavailable, m.fault})
}

// onIdled takes the outcome of an idle.
func (m *machine) onIdled(err error) {
	switch {
	case err == nil:
		m.unfinished = promises{}
	case errors.Is(err, ErrLinesGone):
		m.fault = unavailable(err)
		m.lose()
	default:
		m.fault = unavailable(err)
		m.energised = energised{on: true, since: m.now.uptime, until: m.now.uptime + idleRetry}
	}
}

// lose gives up lines that are gone. Promises stay; commands are refused.
func (m *machine) lose() {
	m.past = m.record()
	m.promises, m.unfinished = cmp.Or(m.promises, m.unfinished), promises{}
	m.lines.open, m.lines.retry = false, m.now.uptime+openRetry
	m.endEnergised()
	m.pulseEnded()

	waiters := m.takeWanted()
	if m.motion != nil {
		waiters = append(m.motion.waiters[:len(m.motion.waiters):len(m.motion.waiters)], waiters...)
		m.motion = nil
		m.sense(Event{})
	}
	m.refuseAll(waiters, Refusal{CodeUnavailable, m.fault})
}

func unavailable(err error) string { return fmt.Sprintf("the lock cannot be driven: %v", err) }
