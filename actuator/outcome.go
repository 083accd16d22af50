package actuator

import (
	"fmt"
	"slices"
)

// arrive ends a motion because the bolt has reached its target. It answers the motion's
// commands.
func (m *machine) arrive(source Source) {
	mot := m.motion
	m.motion = nil
	m.setPosition(mot.target, source, source == Sensor, mot.cause())

	for _, w := range mot.waiters {
		m.succeed(w, true)
	}
}

// overdue ends a motion that the bolt sensor has not confirmed in time. The bolt counts
// as jammed, unless the sensor has reported the target since before the motion.
func (m *machine) overdue() {
	if m.bolt.sensed == m.motion.target {
		m.arrive(Sensor)
		return
	}
	m.jam(fmt.Sprintf("the bolt sensor did not say %s within %s", m.motion.target, m.set.confirmTimeout))
}

// jam ends a motion as jammed and refuses its commands.
func (m *machine) jam(fault string) {
	mot := m.motion
	m.motion = nil
	m.fault = fault
	m.setPosition(Jammed, Sensor, false, mot.cause())
	m.refuseAll(mot.waiters, Refusal{CodeJammed, fault})
}

// cause returns the fields of an event that say what started a motion.
func (mot *motion) cause() Event {
	switch {
	case len(mot.waiters) > 0:
		c := mot.waiters[0].cmd
		return Event{Command: c.Name, By: c.By, Reason: c.Reason, Origin: c.Origin}
	case mot.start:
		return Event{Cause: CausePowerOn}
	}
	return Event{}
}

// join adds a command to the motion in progress. A command that the machine itself
// issued is added only once.
func (m *machine) join(w waiter) {
	same := func(other waiter) bool { return other.id == 0 && other.cmd == w.cmd }
	if w.id == 0 && slices.ContainsFunc(m.motion.waiters, same) {
		return
	}

	joined := *m.motion
	joined.waiters = append(joined.waiters[:len(joined.waiters):len(joined.waiters)], w)
	joined.unasked = false
	joined.leaving = joined.leaving || w.cmd.Origin == Exit
	m.motion = &joined
}

// succeed answers a command that was carried out.
func (m *machine) succeed(w waiter, changed bool) {
	m.finish(w, "", "")
	m.reply(answer{id: w.id, result: Result{
		Position: m.bolt.position, Confirmed: m.bolt.confirmed, Changed: changed,
		Took: m.now.uptime - w.asked,
		Held: w.cmd.Target == Unlocked && w.cmd.For > 0 && m.promises.hold,
	}})
}

// answerPending tells the caller that the lock will execute the lock command later.
func (m *machine) answerPending(w waiter, pending Pending) {
	m.finish(w, "", pending)
	m.reply(answer{id: w.id, result: Result{
		Position: m.bolt.position, Confirmed: m.bolt.confirmed, Took: m.now.uptime - w.asked, Pending: pending,
	}})
}

// refuse answers a command with the reason why it was not carried out.
func (m *machine) refuse(w waiter, why Refusal) {
	m.finish(w, why.Code, "")
	m.reply(answer{id: w.id, refusal: &why})
}

func (m *machine) refuseAll(waiters []waiter, why Refusal) {
	for _, w := range waiters {
		m.refuse(w, why)
	}
}

// finish records how a command ended, as the status's last command and as an event.
func (m *machine) finish(w waiter, code Code, pending Pending) {
	c := w.cmd
	if c.Origin == "" || c.Origin == Remote || c.Origin == Local {
		m.last = &Last{Name: c.Name, Reason: c.Reason, At: m.now.wall, Code: code, Pending: pending}
	}

	e := Event{
		Kind: EventCommand, Command: c.Name, By: c.By, Reason: c.Reason, Origin: c.Origin,
		Code: code, Pending: pending, Position: m.bolt.position, Source: m.bolt.source,
	}
	if c.Origin == Exit {
		e.Repeats = m.exit.released
		m.exit.released = true
	}
	if e.Repeats && m.chattering[exitInput] {
		return // a loose contact must not fill the disk
	}
	m.tell(e)
}

// reply collects an answer for the caller. A command that the machine itself issued has
// no caller.
func (m *machine) reply(a answer) {
	if a.id != 0 {
		m.answers = append(m.answers, a)
	}
}
