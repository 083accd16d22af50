package actuator

import "time"

// advance carries out everything that is due now, up to the first action on the lines.
// After that action has ended, the next step continues.
func (m *machine) advance() {
	m.watchDoor()
	if m.onLines != nil {
		return
	}
	if !m.lines.open {
		m.requestIfDue()
		return
	}

	now := m.now.uptime
	if m.confirmAt() <= now {
		m.overdue()
	}
	switch {
	case m.wanted.target == Unlocked && m.unlockAt() <= now:
		m.drive(Unlocked, m.takeWanted())
	case m.set.mode == Dual && m.pulseEndsAt() <= now:
		m.endPulse()
	default:
		m.lockIfDue() // in Pulse mode, locking ends the pulse
	}
	if m.onLines == nil && m.pulseEndsAt() <= now {
		m.endPulse()
	}
}

// next returns the time of the earliest deadline. ok is false if there is no deadline.
func (s state) next(set settings) (at time.Duration, ok bool) {
	m := &machine{state: s, set: set}

	at = min(m.heldOpenAt(), m.exitStuckAt())
	if !m.lines.open {
		at = min(at, m.requestAt())
		return at, at != never
	}
	at = min(at, m.confirmAt(), m.pulseEndsAt(), m.lockAt(), m.relockOverdueAt())
	if m.wanted.target == Unlocked {
		at = min(at, m.unlockAt())
	}
	return at, at != never
}

// watchDoor raises the alarms that are due. They report a door that is open for too
// long, an exit input that is stuck, and a relock that an open door delays.
func (m *machine) watchDoor() {
	now := m.now.uptime
	if m.heldOpenAt() <= now {
		m.door.heldOpen = true
		m.tell(Event{Kind: EventHeldOpen})
	}
	if m.exitStuckAt() <= now {
		m.exit.stuck = true
		m.exit.announcedUntil = 0
		m.tell(Event{Kind: EventExitStuck})
	}
	if m.relockOverdueAt() <= now {
		m.promises.release.overdue = true
	}
}

// heldOpenAt returns the time at which the door will have been open for too long. While
// a command keeps the door unlocked without a limit, the time does not count.
func (m *machine) heldOpenAt() time.Duration {
	d := m.door
	if d.state != DoorOpen || d.heldOpen || m.tuning.HeldOpen == 0 || m.promises.hold {
		return never
	}
	return max(d.openSince, d.countFrom) + m.tuning.HeldOpen
}

// exitStuckAt returns the time at which an exit input that stays active counts as
// stuck.
func (m *machine) exitStuckAt() time.Duration {
	if m.exit.state != ExitActive || m.exit.stuck {
		return never
	}
	return m.exit.since + m.set.waits.exitStuck
}

// relockOverdueAt returns the time at which an automatic lock becomes overdue because
// the door is still open.
func (m *machine) relockOverdueAt() time.Duration {
	r := m.promises.release
	if !r.made || r.overdue || m.door.state != DoorOpen {
		return never
	}
	return r.end
}

// requestAt returns the time at which to request the GPIO lines. If the request could
// throw the bolt, the machine first waits a moment for the door sensor's first reading.
func (m *machine) requestAt() time.Duration {
	retry := m.lines.retry
	if m.wanted.target != "" {
		retry = 0
	}
	if m.levelToRequest() == Locked && m.awaitingDoor() {
		retry = max(retry, m.lines.patience)
	}
	return retry
}

// requestIfDue requests the GPIO lines when it is time.
func (m *machine) requestIfDue() {
	if m.requestAt() > m.now.uptime {
		return
	}

	level := m.levelToRequest()
	if level == Locked && m.door.state == DoorOpen {
		level = Unlocked // the bolt is never thrown while the door is open; see lockLater
	}
	m.lines.retry = m.now.uptime + m.set.waits.openRetry
	m.onLines = openLines{level}
}

// levelToRequest returns the level at which to request the line in Hold mode. If a
// command waits, its target is the level. Otherwise the configuration decides.
func (m *machine) levelToRequest() Position {
	switch {
	case m.set.mode != Hold:
		return ""
	case m.wanted.target != "":
		return m.wanted.target
	case m.set.atPowerOn != "":
		return m.set.atPowerOn
	case m.lockdown:
		return Locked
	case m.output.level == Unlocked && (m.promises.hold || m.promises.release.made || m.past.Relock == nil):
		return Unlocked // restores the last level, except for a temporary unlock that ended with the reboot
	}
	return Locked
}

// confirmAt returns the time at which the bolt counts as jammed unless its sensor has
// confirmed the motion.
func (m *machine) confirmAt() time.Duration {
	if m.motion == nil || !m.set.sensor {
		return never
	}
	return m.motion.deadline
}

// pulseEndsAt returns the time at which the energised line must be switched off.
func (m *machine) pulseEndsAt() time.Duration {
	e := m.energised
	if !e.on {
		return never
	}
	if m.set.mode == Pulse && m.set.relockOnClose && e.opened && m.door.state == DoorClosed {
		return min(e.until, m.settledAt())
	}
	return e.until
}

// unlockAt returns the earliest time for an unlock. In Pulse mode, an unlock may extend
// a running pulse at any time. A new pulse must wait until the minimum interval after
// the previous pulse has passed. Repeated unlocks therefore cannot keep a strike
// energised.
func (m *machine) unlockAt() time.Duration {
	if m.set.mode != Pulse {
		return m.drivableAt()
	}
	prolongs := m.energised.on && m.output.level == Unlocked
	if prolongs || !m.energised.ended {
		return 0
	}
	return m.energised.endedAt + m.set.minInterval
}

// drivableAt returns the time at which the minimum interval between two motions has
// passed.
func (m *machine) drivableAt() time.Duration {
	if !m.output.driven {
		return 0
	}
	return m.output.drivenAt + m.set.minInterval
}

// lockAt returns the time at which the machine will lock the door. In Pulse mode the
// minimum interval does not delay a lock, because a lock only ends a pulse.
func (m *machine) lockAt() time.Duration {
	due := m.lockDueAt()
	if m.wanted.target == Locked {
		due = 0
	}
	switch {
	case due == never:
		return never
	case m.set.mode == Pulse:
		return due
	case m.awaitingDoor():
		return never
	}
	return max(due, m.drivableAt())
}

// awaitingDoor reports whether the door sensor's first reading is still missing. Until
// it arrives, the door may be open.
func (m *machine) awaitingDoor() bool { return m.set.doorSensor && m.door.state == "" }

// lockIfDue locks the door if an automatic lock is due or a lock command has waited
// long enough. It never locks an open door.
func (m *machine) lockIfDue() {
	if m.wanted.target == Locked && m.door.state == DoorOpen {
		for _, w := range m.takeWanted() {
			m.lockOpenDoor(w)
		}
		return
	}
	if m.lockAt() > m.now.uptime {
		return
	}

	waiters := m.takeWanted()
	if len(waiters) == 0 {
		waiters = []waiter{{cmd: m.promisedLock(), asked: m.now.uptime}}
	}
	switch {
	case m.motion != nil && m.motion.target == Locked:
		for _, w := range waiters {
			m.promise(w.cmd)
			m.join(w)
		}
	case m.stands(Locked):
		for _, w := range waiters {
			m.promise(w.cmd)
			m.succeed(w, false)
		}
	default:
		m.drive(Locked, waiters)
	}
}
