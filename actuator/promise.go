package actuator

import (
	"cmp"
	"time"
)

// promises are what the lock will do later without another command. At most one of
// hold and release is set.
type promises struct {
	hold    bool // the door stays unlocked until the next lock
	release release
	pending pending
	// retry is when a promised lock that could not be driven is tried again.
	retry time.Duration
}

// release is an unlock that ends by itself.
type release struct {
	made    bool
	end     time.Duration
	wallEnd time.Time // end, for people
	opened  bool      // the door has been open since the release began
	overdue bool      // the end has passed, and the door is open
}

// pending is a lock that waits for the door to close. A release suspends it.
type pending struct {
	made   bool
	name   string
	by     string
	reason string
	origin Origin
}

// promise takes over what a command says about the time after it.
func (m *machine) promise(c Command) {
	p := &m.promises

	switch {
	case c.Target == Locked:
		*p = promises{}
	case m.set.mode == Pulse: // the pulse itself is the release
		m.energise(cmp.Or(c.For, m.set.pulse))
	case c.For == 0:
		m.supersedePending(c)
		*p = promises{hold: true}
	case p.hold: // a release changes nothing during a hold
	default:
		r := &p.release
		if end := m.now.uptime + c.For; !r.made || end > r.end {
			r.end, r.wallEnd = end, m.now.wall.Add(c.For)
		}
		r.made, r.overdue = true, false
		r.opened = r.opened || m.door.state == DoorOpen
	}
}

// promiseLock promises a lock for the time when the door is closed and nobody is
// leaving. It ends a hold, and a release unless somebody is leaving.
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

// endHold starts the count for a door that is held open.
func (m *machine) endHold() {
	if m.promises.hold {
		m.door.countFrom = m.now.uptime
	}
}

// retryPromises puts promised locks off after a drive that failed.
func (m *machine) retryPromises() {
	p, retry := &m.promises, m.now.uptime+driveRetry
	if p.release.made {
		p.release.end = max(p.release.end, retry)
	}
	if p.pending.made {
		p.retry = retry
	}
}

// supersedePending tells that a hold cancels the lock that was promised.
func (m *machine) supersedePending(by Command) {
	p := m.promises.pending
	if !p.made {
		return
	}
	m.tell(Event{Kind: EventSuperseded, Command: p.name, By: p.by, Reason: p.reason, Origin: p.origin})
}

// lockDueAt returns when a promised lock is due, or never.
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

// settledAt returns when the closed door has settled.
func (m *machine) settledAt() time.Duration {
	if m.door.state != DoorClosed || !m.door.closedSeen {
		return 0
	}
	return m.door.closedAt + m.set.settle
}

// promisedLock returns the command by which the lock keeps its promise.
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

// leaving reports whether the bolt is about to unlock for somebody who leaves.
func (m *machine) leaving() bool {
	return m.wanted.target == Unlocked || m.motion != nil && m.motion.target == Unlocked && m.motion.leaving
}

// recordPromises adds the promises to a record. In Dual mode, promises stay on disk
// until the pulse that keeps them has ended.
func (s state) recordPromises(r *Record, set settings) {
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

// restorePromises takes over the promises of the previous process. A release and a
// pending lock end with the boot in which they were made.
func (m *machine) restorePromises(past Record) {
	m.promises.hold = past.Hold && m.set.mode != Pulse
	if p := past.Relock; p != nil && p.BootID == m.set.bootID {
		m.promises.release = release{made: true, end: p.Uptime, wallEnd: m.now.wall.Add(p.Uptime - m.now.uptime)}
	}
	if p := past.Pending; p != nil && p.BootID == m.set.bootID {
		m.promises.pending = pending{made: true, name: p.Name, by: p.By, reason: p.Reason, origin: p.Origin}
	}
}
