package actuator

import "time"

// advance does what has become due. It starts at most one motion, and none while the
// step already acts on the lines, because the outcome of that comes first. The rest is
// due again at once, after that outcome.
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
		m.lockIfDue() // in Pulse mode, this also ends the pulse
	}
	if m.onLines == nil && m.pulseEndsAt() <= now {
		m.endPulse()
	}
}

// next returns the machine's next deadline.
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

// watchDoor raises the alarms that come with time.
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

// heldOpenAt returns when the door has been open for too long. A hold suspends the
// count; it begins again when the hold ends.
func (m *machine) heldOpenAt() time.Duration {
	d := m.door
	if d.state != DoorOpen || d.heldOpen || m.tuning.HeldOpen == 0 || m.promises.hold {
		return never
	}
	return max(d.openSince, d.countFrom) + m.tuning.HeldOpen
}

func (m *machine) exitStuckAt() time.Duration {
	if m.exit.state != ExitActive || m.exit.stuck {
		return never
	}
	return m.exit.since + exitStuckAfter
}

// relockOverdueAt returns when an open door begins to delay a promised relock.
func (m *machine) relockOverdueAt() time.Duration {
	r := m.promises.release
	if !r.made || r.overdue || m.door.state != DoorOpen {
		return never
	}
	return r.end
}

// requestAt returns when the machine requests its lines. A request that may throw the
// bolt waits a moment for the door sensor's first reading.
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

func (m *machine) requestIfDue() {
	if m.requestAt() > m.now.uptime {
		return
	}

	level := m.levelToRequest()
	if level == Locked && m.door.state == DoorOpen {
		level = Unlocked // the bolt is never thrown into an open door; see lockLater
	}
	m.lines.retry = m.now.uptime + openRetry
	m.onLines = openLines{level}
}

// levelToRequest returns the level at which to request Hold's line: that of a waiting
// command, or else the configured one.
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
		return Unlocked // the last level; a release of an earlier boot has ended
	}
	return Locked
}

// confirmAt returns when the bolt sensor must have confirmed the motion.
func (m *machine) confirmAt() time.Duration {
	if m.motion == nil || !m.set.sensor {
		return never
	}
	return m.motion.deadline
}

// pulseEndsAt returns when an energised line must be idle again.
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

// unlockAt returns when the bolt may be unlocked. A pulse may be prolonged at any time;
// a new pulse waits for the minimum interval after the end of the last one, so that
// repeated unlocks cannot keep a strike energised.
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

// drivableAt returns when the minimum interval since the last drive has passed.
func (m *machine) drivableAt() time.Duration {
	if !m.output.driven {
		return 0
	}
	return m.output.drivenAt + m.set.minInterval
}

// lockAt returns when the machine locks, or never. In Pulse mode a lock only ends a
// pulse and needs no interval.
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

// awaitingDoor reports whether the door sensor has not spoken yet. Until it does, the
// door may be open.
func (m *machine) awaitingDoor() bool { return m.set.doorSensor && m.door.state == "" }

// lockIfDue locks the door if a promised lock is due or a command waits for the minimum
// interval. It never locks an open door.
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
