package actuator

import (
	"cmp"
	"errors"
	"fmt"
)

// onOpened processes the result of a request for the GPIO lines. It returns the waiting
// commands that still need a motion.
func (m *machine) onOpened(e opened) []waiter {
	m.lines.open = e.err == nil
	m.lines.retry = m.now.uptime + m.set.waits.openRetry
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
		m.requested(commands) // the request set the line to the commanded level, so the commands are carried out
		return nil
	}
	m.adoptPosition(e)
	return commands
}

// lockLater promises to lock the door when it is closed. It is used when the
// configuration demands a locked door at power-on, but the door is open. If the line
// was kept open, its earlier promises remain instead.
func (m *machine) lockLater() {
	m.endHold()
	m.promises.hold = false
	m.promises.pending = pending{made: true, name: "lockDoor", origin: Relock}
}

// adoptLevel records the level of the lines that were just requested. A locked level
// fulfils all promises to lock.
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
		m.promises = promises{} // the door is locked, so nothing remains to be done
	}
}

// adoptPosition determines the bolt's position after the lines have been requested.
func (m *machine) adoptPosition(e opened) {
	interrupted := m.past.Motion != ""
	moves := m.set.mode == Hold && (!e.kept || interrupted)

	switch {
	case m.set.sensor && moves && (interrupted || m.bolt.sensed != m.output.level):
		m.motion = &motion{target: m.output.level, deadline: m.now.uptime + m.set.confirmTimeout, start: true}
		m.setPosition(Moving, Sensor, false, Event{})
	case m.set.sensor:
		m.sense(Event{})
	case m.set.mode == Pulse: // a strike is locked while it is not energised
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

// startCause returns the cause for the event of a bolt that moved because its line was
// requested at power-on.
func (m *machine) startCause(e opened) Event {
	if e.kept {
		return Event{}
	}
	return Event{Cause: CausePowerOn}
}

// requested begins the motion of commands whose level the request for the line has set.
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

// onDriven processes the result of setting the lines.
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

// driveFailed ends a motion whose lines could not be set. It refuses the motion's
// commands and restores the promises from before the motion.
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
	case m.set.mode != Hold: // switch off a line that may have been energised
		m.energised.on, m.energised.until = true, m.now.uptime
		if m.set.mode == Pulse && mot.target == Locked {
			m.energised.until += m.set.waits.idleRetry
		}
	}
	m.refuseAll(mot.waiters, Refusal{CodeUnavailable, m.fault})
}

// onIdled processes the result of switching the lines off.
func (m *machine) onIdled(err error) {
	switch {
	case err == nil:
		m.unfinished = promises{}
	case errors.Is(err, ErrLinesGone):
		m.fault = unavailable(err)
		m.lose()
	default:
		m.fault = unavailable(err)
		m.energised = energised{on: true, since: m.now.uptime, until: m.now.uptime + m.set.waits.idleRetry}
	}
}

// lose handles the loss of the GPIO lines, for example when their chip is unplugged. It
// refuses all waiting commands and keeps all promises.
func (m *machine) lose() {
	m.past = m.record()
	m.promises, m.unfinished = cmp.Or(m.promises, m.unfinished), promises{}
	m.lines.open, m.lines.retry = false, m.now.uptime+m.set.waits.openRetry
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
