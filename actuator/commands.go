package actuator

import (
	"cmp"
	"fmt"
)

// onCommand carries out a command. Lock and unlock take the same path: the machine
// refuses the command, promises it for later, lets it join a motion, finds that there
// is nothing to do, or wants a motion, which advance starts.
func (m *machine) onCommand(w waiter) {
	c := w.cmd
	refusal := m.objection(c)

	switch {
	case refusal != nil:
		m.refuse(w, *refusal)
	case m.joinable(c.Target):
		m.promise(c)
		m.join(w)
	case c.Target == Locked && m.door.state == DoorOpen:
		m.lockOpenDoor(w)
	case c.Target == Locked && m.leaving():
		m.promiseLock(c)
		m.answerPending(w, PendingExit)
	case m.stands(c.Target):
		m.promise(c)
		m.succeed(w, false)
	default:
		m.want(w)
	}
}

// objection returns the reason to refuse a command, or nil. Nothing refuses an exit, and
// only an open door refuses a lock.
func (m *machine) objection(c Command) *Refusal {
	if c.Target == Locked || c.Origin == Exit {
		return nil
	}
	if m.lockdown && !c.OverrideLockdown {
		return &Refusal{CodeLockdown, "lockdown is on; switch it off before you unlock the door"}
	}

	locking := m.motion != nil && m.motion.target == Locked && !m.motion.unasked
	due := m.lines.open && m.lockDueAt() <= m.now.uptime
	if locking || due || m.wanted.target == Locked {
		return &Refusal{CodeBusy, "the door is being locked; unlock it when that has ended"}
	}
	if !m.lines.open {
		return nil // the command asks for the lines
	}

	joins := m.motion != nil && m.motion.target == Unlocked
	if m.now.uptime < m.unlockAt() && !joins && !m.stands(Unlocked) {
		return &Refusal{CodeTooSoon, fmt.Sprintf("the lock moved less than %s ago", m.set.minInterval)}
	}
	return nil
}

// joinable reports whether a motion to target is in progress. A strike that locks by
// itself says nothing about an open door.
func (m *machine) joinable(target Position) bool {
	mot := m.motion
	return mot != nil && mot.target == target && !(mot.unasked && m.door.state == DoorOpen)
}

// lockOpenDoor never throws the bolt. It ends a strike's pulse, which throws nothing.
func (m *machine) lockOpenDoor(w waiter) {
	if m.set.mode == Pulse && m.energised.on {
		m.energised.until = m.now.uptime
	}
	if !w.cmd.WhenClosed {
		m.refuse(w, Refusal{CodeDoorOpen, "the door is open; close it, then lock it"})
		return
	}

	m.promiseLock(w.cmd)
	m.answerPending(w, PendingDoor)
}

// stands reports whether the bolt is at target and driving the lines again would change
// nothing: the sensor confirms it, or the line holds it there.
func (m *machine) stands(target Position) bool {
	return m.lines.open && m.motion == nil && m.bolt.position == target && m.output.level == target &&
		(m.set.mode == Hold || m.bolt.confirmed)
}

// want asks for a motion. Somebody who leaves goes before a lock that has not started.
func (m *machine) want(w waiter) {
	if m.wanted.target != w.cmd.Target {
		m.postpone(m.takeWanted())
		m.wanted.target = w.cmd.Target
	}
	m.wanted.waiters = append(m.wanted.waiters[:len(m.wanted.waiters):len(m.wanted.waiters)], w)
}

func (m *machine) takeWanted() []waiter {
	waiters := m.wanted.waiters
	m.wanted = wanted{}
	return waiters
}

// postpone turns locks into promises for the time after an exit.
func (m *machine) postpone(locks []waiter) {
	for _, w := range locks {
		m.promiseLock(w.cmd)
		m.answerPending(w, PendingExit)
	}
}

// exitCommand returns the unlock that an exit input asks for. It always promises a
// relock.
func (m *machine) exitCommand() Command {
	c := Command{Name: "unlockDoor", Origin: Exit, Target: Unlocked}
	if m.set.mode != Pulse {
		c.For = cmp.Or(m.tuning.AutoRelock, m.set.exitTime)
	}
	return c
}

// onLockdown begins or ends lockdown. Beginning it promises a lock; ending it moves
// nothing.
func (m *machine) onLockdown(on bool) {
	if on == m.lockdown {
		return
	}
	m.lockdown = on

	if on {
		m.tell(Event{Kind: EventLockdownOn})
		m.promiseLock(Command{Name: "lockDoor", Target: Locked, Origin: Lockdown})
		if m.set.mode == Pulse && m.energised.on && !m.leaving() {
			m.energised.until = m.now.uptime
		}
		return
	}

	m.tell(Event{Kind: EventLockdownOff})
	if m.promises.pending.origin == Lockdown {
		m.promises.pending = pending{}
	}
}
