package actuator

import (
	"fmt"
	"time"
)

// motion is a movement of the bolt that is in progress.
type motion struct {
	target   Position
	since    time.Duration // when the lines were set; 0 if the previous process set them
	deadline time.Duration // when the bolt counts as jammed unless its sensor has confirmed the target
	waiters  []waiter
	atTarget bool     // the bolt was at the target already, so its sensor may report nothing new
	unasked  bool     // the strike locks by itself; no command caused the motion
	leaving  bool     // the motion unlocks the door for a person who wants to leave
	start    bool     // the request for the line at power-on caused the motion
	before   promises // the promises before the motion, which return if the lines cannot be set
}

// energised describes the pulse on a line in Pulse or Dual mode.
type energised struct {
	on      bool
	since   time.Duration
	until   time.Duration
	opened  bool          // the door has been open during the pulse
	ending  bool          // the line is being switched off
	ended   bool          // whether endedAt is set
	endedAt time.Duration // when the previous pulse ended
}

// drive starts to move the bolt to target. The commands in waiters are answered when the
// bolt sensor confirms the target or its time is up. Without a bolt sensor, they are
// answered as soon as the lines are set.
func (m *machine) drive(target Position, waiters []waiter) {
	preempted := m.motion
	m.motion = nil
	m.preempt(preempted)

	m.motion = &motion{
		target: target, since: m.now.uptime, deadline: m.now.uptime + m.set.confirmTimeout,
		waiters: waiters, leaving: anyExit(waiters), before: m.promises,
		// If the bolt was already moving, an old reading at target proves nothing.
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

// takePromises updates the plan for the next automatic lock when a motion starts. After
// an unlock, the unlock commands decide when the door locks again.
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

// startPulse records the beginning or the end of a pulse when a motion to target
// starts.
func (m *machine) startPulse(target Position) {
	switch {
	case m.set.mode == Pulse && target == Locked:
		m.endEnergised()
	case m.set.mode == Dual:
		m.energised.on = false // the driver switches off the other direction's line
		m.energise(m.set.pulse)
	}
}

// preempt answers the commands of a motion that a new motion has replaced.
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

// energise sets the time at which the energised line must be switched off. In Pulse
// mode, further unlock commands may extend a pulse, but not beyond maxEnergised after
// its beginning.
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

// endEnergised records that the energised line is being switched off. It keeps the time
// at which the pulse began, because switching off may fail.
func (m *machine) endEnergised() {
	old := m.energised
	e := energised{since: m.now.uptime, ended: old.ended, endedAt: old.endedAt}
	if old.on || old.ending {
		e.since, e.ending = old.since, true
	}
	if old.on {
		m.expectOpening()
	}
	m.energised = e
}

func (m *machine) pulseEnded() {
	if e := &m.energised; e.ending {
		e.ending, e.ended, e.endedAt = false, true, m.now.uptime
	}
}

// endPulse switches off an energised line. In Dual mode, this does not affect the bolt.
// In Pulse mode, the strike locks by itself.
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
	m.fault = fault // an earlier fault remains, because only a line was switched off
}

// anyExit reports whether the exit input caused at least one of the commands.
func anyExit(waiters []waiter) bool {
	for _, w := range waiters {
		if w.cmd.Origin == Exit {
			return true
		}
	}
	return false
}
