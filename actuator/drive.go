package actuator

import (
	"fmt"
	"time"
)

// motion is a bolt on its way.
type motion struct {
	target   Position
	since    time.Duration // when the lines were driven; 0 means in the previous process
	deadline time.Duration // for the sensor to confirm
	waiters  []waiter
	atTarget bool     // the sensor reported the target before the motion and may have nothing new to say
	unasked  bool     // a strike that locks again by itself: nobody waits for it
	leaving  bool     // the bolt unlocks for somebody who leaves
	start    bool     // the request of the line at power-on started it
	before   promises // what was promised before the motion, in case the drive fails
}

// energised describes a line of Pulse or Dual mode.
type energised struct {
	on      bool
	since   time.Duration
	until   time.Duration
	opened  bool          // the door has been opened meanwhile
	ending  bool          // the line is being idled
	ended   bool          // endedAt is valid
	endedAt time.Duration // the end of the previous pulse
}

// drive starts a motion to target, for the waiters. It ends when the sensor confirms it
// or time is up; without a sensor, as soon as the lines are set.
func (m *machine) drive(target Position, waiters []waiter) {
	preempted := m.motion
	m.motion = nil
	m.preempt(preempted)

	m.motion = &motion{
		target: target, since: m.now.uptime, deadline: m.now.uptime + m.set.confirmTimeout,
		waiters: waiters, leaving: anyExit(waiters), before: m.promises,
		// A bolt on its way may not have left its place yet: the machine then waits for
		// its sensor.
		atTarget: preempted == nil && m.bolt.sensed == target,
	}
	if m.set.mode != Pulse || target == Unlocked {
		m.output.driven, m.output.drivenAt = true, m.now.uptime
	}
	m.output.level, m.fault, m.unfinished = target, "", promises{}

	m.takePromises(target, waiters)
	m.startPulse(target)
	if m.set.sensor {
		m.setPosition(Moving, Sensor, false, Event{})
	}
	m.onLines = setLines{target}
}

// takePromises replaces the promises by those of the new motion's commands.
func (m *machine) takePromises(target Position, waiters []waiter) {
	if target == Locked {
		m.endHold()
		if m.set.mode == Dual {
			m.unfinished = m.promises
		}
		m.promises = promises{}
		m.exit.released = false
		return
	}
	for _, w := range waiters {
		m.promise(w.cmd)
	}
}

// startPulse notes when a pulse ends.
func (m *machine) startPulse(target Position) {
	switch {
	case m.set.mode == Pulse && target == Locked:
		m.endEnergised()
	case m.set.mode == Dual:
		m.energised.on = false // Drive idles the line of the other direction
		m.energise(m.set.pulse)
	}
}

// preempt answers the commands of a motion that another motion has replaced.
func (m *machine) preempt(old *motion) {
	if old == nil {
		return
	}
	if old.target == Locked {
		m.postpone(old.waiters)
		return
	}
	m.refuseAll(old.waiters, Refusal{CodeBusy, "the door was locked again before the bolt had moved"})
}

// energise sets the time at which an energised line must be idle again. An unlock may
// prolong a pulse of Pulse mode up to maxEnergised after the pulse began.
func (m *machine) energise(duration time.Duration) {
	e := &m.energised
	if !e.on {
		*e = energised{on: true, since: m.now.uptime, opened: m.door.state == DoorOpen}
	}
	if m.set.mode != Pulse {
		e.until = m.now.uptime + duration
		return
	}
	e.until = min(max(e.until, m.now.uptime+duration), e.since+m.set.maxEnergised)
}

// endEnergised notes that a line is being idled. If that fails, the line has been
// energised since the pulse began, or perhaps since now.
func (m *machine) endEnergised() {
	e := energised{since: m.now.uptime, ended: m.energised.ended, endedAt: m.energised.endedAt}
	if m.energised.on {
		e.since, e.ending = m.energised.since, true
		m.expectOpening()
	}
	m.energised = e
}

// pulseEnded notes that the line is idle.
func (m *machine) pulseEnded() {
	if e := &m.energised; e.ending {
		e.ending, e.ended, e.endedAt = false, true, m.now.uptime
	}
}

// endPulse idles an energised line. In Dual mode the bolt stays or goes on its way. In
// Pulse mode the strike locks by itself.
func (m *machine) endPulse() {
	if m.set.mode == Dual {
		m.energised = energised{}
		m.onLines = idleLines{}
		return
	}

	if m.motion != nil && m.motion.target == Unlocked {
		m.jam(fmt.Sprintf("the bolt sensor did not say unlocked in the %s of the pulse",
			(m.now.uptime - m.energised.since).Round(time.Millisecond)))
	}
	kept, fault := m.promises, m.fault
	m.drive(Locked, nil)
	m.promises, m.motion.before, m.motion.unasked = kept, kept, true
	m.fault = fault // an earlier problem stays visible
}

func anyExit(waiters []waiter) bool {
	for _, w := range waiters {
		if w.cmd.Origin == Exit {
			return true
		}
	}
	return false
}
