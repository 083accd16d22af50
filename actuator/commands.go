package actuator

import (
	"cmp"
	"fmt"
)

// onCommand processes a lock or unlock command. It refuses or answers the command at
// once, adds it to the motion in progress, or plans a new motion for it. advance later
// starts the planned motion.
func (m *machine) onCommand(w waiter) {
	c := w.cmd
	refusal := m.objection(c)
	if c.Origin == Exit && m.wanted.target == Locked {
		m.postpone(m.takeWanted())
	}

	switch {
	case refusal != nil:
		m.refuse(w, *refusal)
	case c.Origin == Exit && m.leaving():
		m.leaveAgain(w)
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

// objection returns the reason to refuse a command, or nil. A lock command and a
// command of the exit input are never refused.
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
		return nil // the command must move the bolt
	}

	joins := m.motion != nil && m.motion.target == Unlocked
	if m.now.uptime < m.unlockAt() && !joins && !m.stands(Unlocked) {
		return &Refusal{CodeTooSoon, fmt.Sprintf("the lock moved less than %s ago", m.set.minInterval)}
	}
	return nil
}

// leaveAgain handles another press of the exit button while the bolt is still being
// unlocked for an earlier press.
func (m *machine) leaveAgain(w waiter) {
	if m.motion != nil {
		m.promise(w.cmd)
	}
	m.finish(w, "", "")
}

// joinable reports whether the bolt is already moving to target, so that a further
// command can share the motion. It returns false for a strike that locks by itself
// while the door is open, because the door is then not locked.
func (m *machine) joinable(target Position) bool {
	mot := m.motion
	return mot != nil && mot.target == target && !(mot.unasked && m.door.state == DoorOpen)
}

// lockOpenDoor handles a lock command while the door is open. The bolt does not move.
// In Pulse mode, the command ends the pulse, which is safe.
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

// stands reports whether the bolt is known to be at target, so that no motion is
// needed. Either the bolt sensor or the level of the held line proves it.
func (m *machine) stands(target Position) bool {
	return m.lines.open && m.motion == nil && m.bolt.position == target && m.output.level == target &&
		(m.set.mode == Hold || m.bolt.confirmed)
}

// want plans a motion for a command; advance starts the motion. If a motion is already
// planned, it has the same target: see onCommand.
func (m *machine) want(w waiter) {
	m.wanted.target = w.cmd.Target
	m.wanted.waiters = append(m.wanted.waiters[:len(m.wanted.waiters):len(m.wanted.waiters)], w)
}

// takeWanted returns the commands of the planned motion and removes the plan.
func (m *machine) takeWanted() []waiter {
	waiters := m.wanted.waiters
	m.wanted = wanted{}
	return waiters
}

// postpone answers lock commands with the promise to lock the door after a person has
// left.
func (m *machine) postpone(locks []waiter) {
	for _, w := range locks {
		m.promiseLock(w.cmd)
		m.answerPending(w, PendingExit)
	}
}

// exitCommand returns the unlock command that the machine issues when somebody presses
// the exit button. The door always locks again after it.
func (m *machine) exitCommand() Command {
	c := Command{Name: "unlockDoor", Origin: Exit, Target: Unlocked}
	if m.set.mode != Pulse {
		c.For = cmp.Or(m.tuning.AutoRelock, m.set.exitTime)
	}
	return c
}

// onLockdown switches lockdown on or off. At the start of a lockdown, the door is
// locked, or will be as soon as it is closed. The end of a lockdown does not move the
// bolt.
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
