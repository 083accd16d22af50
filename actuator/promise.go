package actuator

import (
	"cmp"
	"time"
)

// promises describe how the door's lock will move without a further command. At most
// one of hold and release is set.
type promises struct {
	hold    bool // the door stays unlocked until the next lock command
	release release
	pending pending
	// retry is the earliest time for the next attempt, after an automatic lock has failed.
	retry time.Duration
}

// release is an unlock with a time limit: at its end, the lock locks the door.
type release struct {
	made    bool
	end     time.Duration
	wallEnd time.Time // the end on the wall clock
	opened  bool      // the door has been open since the release began
	overdue bool      // the end has passed, but the door is still open
}

// pending is a lock command that waits until the door is closed. If a release is in
// progress, it also waits for the release's end.
type pending struct {
	made   bool
	name   string
	by     string
	reason string
	origin Origin
}

// promise updates the promises when a command is carried out. A lock ends all promises.
// An unlock begins a hold (no time limit) or a release (with a time limit).
func (m *machine) promise(c Command) {
	p := &m.promises

	switch {
	case c.Target == Locked:
		*p = promises{}
	case m.set.mode == Pulse: // the strike locks by itself when its pulse ends
		m.energise(cmp.Or(c.For, m.set.pulse))
	case c.For == 0:
		m.supersedePending(c)
		*p = promises{hold: true}
	case p.hold: // the door stays unlocked without a limit
	default:
		r := &p.release
		if end := m.now.uptime + c.For; !r.made || end > r.end {
			r.end, r.wallEnd = end, m.now.wall.Add(c.For)
		}
		r.made, r.overdue = true, false
		r.opened = r.opened || m.door.state == DoorOpen
	}
}

// promiseLock plans a lock for the time when the door is closed and nobody is leaving.
// It ends a hold. It also ends a release, unless the release lets a person leave.
func (m *machine) promiseLock(c Command) {
	m.endHold()
	kept := release{}
	if m.leaving() {
		kept = m.promises.release
	}

	m.promises = promises{
		release: kept,
		pending: pending{made: true, name: c.Name, by: c.By, reason: c.Reason, origin: c.Origin},
	}
}

// endHold records the end of a hold, an unlock without a time limit. The time until the
// alarm of an open door counts from this moment.
func (m *machine) endHold() {
	if m.promises.hold {
		m.door.countFrom = m.now.uptime
	}
}

// retryPromises delays the promised locks after the line could not be set.
func (m *machine) retryPromises() {
	p, retry := &m.promises, m.now.uptime+m.set.waits.driveRetry
	if p.release.made {
		p.release.end = max(p.release.end, retry)
	}
	if p.pending.made {
		p.retry = retry
	}
}

// supersedePending adds an event if a hold (an unlock without a time limit) has
// cancelled a lock that waited for the door to close.
func (m *machine) supersedePending(by Command) {
	p := m.promises.pending
	if !p.made {
		return
	}
	m.tell(Event{Kind: EventSuperseded, Command: p.name, By: p.by, Reason: p.reason, Origin: p.origin})
}

// lockDueAt returns the time at which an automatic lock is due. It returns never if no
// lock is promised, the door is open or a person is leaving.
func (m *machine) lockDueAt() time.Duration {
	p := m.promises
	if m.door.state == DoorOpen || m.leaving() {
		return never
	}

	due := time.Duration(0)
	switch {
	case p.release.made:
		due = p.release.end
		if m.set.relockOnClose && p.release.opened && m.door.state == DoorClosed {
			due = min(due, m.door.closedAt)
		}
	case !p.pending.made:
		return never
	}
	return max(due, p.retry, m.settledAt())
}

// settledAt returns the time at which the door has been closed long enough for an
// automatic lock.
func (m *machine) settledAt() time.Duration {
	if m.door.state != DoorClosed || !m.door.closedSeen {
		return 0
	}
	return m.door.closedAt + m.set.settle
}

// promisedLock returns the lock command that the machine itself issues when an
// automatic lock is due.
func (m *machine) promisedLock() Command {
	c := Command{Name: "lockDoor", Target: Locked, Origin: Relock}
	if p := m.promises.pending; p.made {
		c.By, c.Reason = p.by, p.reason
		if p.origin == Lockdown {
			c.Origin = Lockdown
		}
	}
	return c
}

// leaving reports whether the bolt is being unlocked for a person who pressed the exit
// button.
func (m *machine) leaving() bool {
	return m.wanted.target == Unlocked || m.motion != nil && m.motion.target == Unlocked && m.motion.leaving
}

// recordPromises copies the promises into a record. In Dual mode, a promised lock stays
// in the record until its pulse has ended.
func (s *state) recordPromises(r *Record, set settings) {
	p := cmp.Or(s.promises, s.unfinished)
	r.Hold, r.Relock, r.Pending = p.hold, nil, nil

	if p.release.made {
		r.Relock = &Promise{BootID: set.bootID, Uptime: p.release.end}
	}
	if p.pending.made {
		r.Pending = &PendingLock{
			BootID: set.bootID, Name: p.pending.name, By: p.pending.by, Reason: p.pending.reason, Origin: p.pending.origin,
		}
	}
}

// restorePromises restores the promises from the previous process's record. It ignores
// promised locks from before the last reboot.
func (m *machine) restorePromises(past Record) {
	m.promises.hold = past.Hold && m.set.mode != Pulse
	if p := past.Relock; p != nil && p.BootID == m.set.bootID {
		m.promises.release = release{made: true, end: p.Uptime, wallEnd: m.now.wall.Add(p.Uptime - m.now.uptime)}
	}
	if p := past.Pending; p != nil && p.BootID == m.set.bootID {
		m.promises.pending = pending{made: true, name: p.Name, by: p.By, reason: p.Reason, origin: p.Origin}
	}
}
