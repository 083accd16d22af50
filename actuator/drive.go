package actuator

import (
	"fmt"
	"time"
)

// motion is a movement of the bolt that has started and not ended.
type motion struct {
	target   Position
	since    time.Duration // when the lines were set; 0 means by the previous process
	deadline time.Duration // when the bolt sensor must have confirmed the target
	waiters  []waiter
	atTarget bool     // the bolt was at the target before, so its sensor may report nothing new
	unasked  bool     // a strike that locks by itself; no command caused it
	leaving  bool     // the motion unlocks the door for a person who leaves
	start    bool     // requesting the line at power-on caused the motion
	before   promises // the promises from before the motion; restored if the lines cannot be set
}

// energised describes the pulse on a line in Pulse or Dual mode.
type energised struct {
	on      bool
	since   time.Duration
	until   time.Duration
	opened  bool          // the door was open at some time during the pulse
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
		// A bolt that was already moving may still be at target, so its old reading proves
		// nothing.
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

// takePromises updates the promises at the start of a motion. A lock keeps or ends all
// promises. After an unlock, its commands decide when the door locks again.
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

// startPulse notes the beginning or the end of a pulse for a motion to target.
func (m *machine) startPulse(target Position) {
	switch {
	case m.set.mode == Pulse && target == Locked:
		m.endEnergised()
	case m.set.mode == Dual:
		m.energised.on = false // the driver switches off the other direction's line
		m.energise(m.set.pulse)
	}
}

// preempt answers the commands of a motion that a new motion replaces.
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

// energise sets the time at which the energised line must be switched off. In Pulse mode,
// unlocks may prolong a pulse up to maxEnergised after its beginning.
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

// endEnergised notes that the energised line is being switched off. It keeps the beginning
// of the pulse, in case the line cannot be switched off.
func (m *machine) endEnergised() {
	e := energised{since: m.now.uptime, ended: m.energised.ended, endedAt: m.energised.endedAt}
	if m.energised.on {
		e.since, e.ending = m.energised.since, true
		m.expectOpening()
	}
	m.energised = e
}

// pulseEnded notes that the energised line has been switched off.
func (m *machine) pulseEnded() {
	if e := &m.energised; e.ending {
		e.ending, e.ended, e.endedAt = false, true, m.now.uptime
	}
}

// endPulse switches off an energised line. In Dual mode the bolt stays where it is or
// continues to move. In Pulse mode the strike locks by itself.
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
	m.fault = fault // switching off does not remove an earlier fault
}

// anyExit reports whether the exit input gave one of the commands.
func anyExit(waiters []waiter) bool {
	for _, w := range waiters {
		if w.cmd.Origin == Exit {
			return true
		}
	}
	return false
}
