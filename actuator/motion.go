package actuator

import (
	"fmt"
	"slices"
	"time"
)

// The part of the state machine that follows a bolt: from the drive of the
// lines to where the sensor finds it.

// motion is a bolt under way.
type motion struct {
	target   Position
	since    time.Duration // when it was driven; 0 is in the process before
	deadline time.Duration // for the sensor to confirm
	waiters  []waiter
	rests    bool   // the bolt stood at the target before: its sensor has nothing new to say
	unasked  bool   // of a strike that locks again by itself: nobody waits for it
	before   relock // what was promised before, for a drive that fails
}

// driveRetry is how long after a drive to locked that failed a promised relock
// is tried again.
const driveRetry = 10 * time.Second

// drive starts a motion, with what its first waiter promises. It ends when the
// sensor confirms it or time is up; without a sensor, as soon as the lines are set.
func (s state) drive(set settings, target Position, waiters []waiter, at moment) (state, []action) {
	s.motion = &motion{
		target: target, since: at.uptime, deadline: at.uptime + set.confirmTimeout, waiters: waiters,
		// A bolt that was under way may not have left its place yet: its sensor is
		// waited for.
		rests:  s.motion == nil && s.sensed == target,
		before: s.relock,
	}
	if set.mode != Pulse || target == Unlocked {
		s.drivenAt, s.driven = at.uptime, true
	}
	s.level, s.fault, s.forced, s.relock, s.keeping = target, "", false, relock{}, relock{}
	switch {
	case target == Unlocked:
		s = s.promise(set, waiters[0].cmd, at)
	case set.mode == Pulse:
		s = s.endEnergised(at)
	}
	if set.mode == Dual {
		if target == Locked {
			s.keeping = s.motion.before
		}
		s.energised.on = false // the line of the other direction
		s = s.energise(set, set.pulse, at)
	}
	if set.sensor {
		s = s.at(Moving, Sensor, false, at)
	}
	return s, []action{drive{target}}
}

func (s state) onDriven(set settings, err error, at moment) (state, []action) {
	m := s.motion
	if m == nil {
		return s, nil
	}
	if err == nil {
		switch {
		case !set.sensor:
			return s.arrive(Assumed, at)
		case m.rests:
			return s.arrive(Sensor, at)
		}
		return s, nil
	}
	s = s.unavailable(err)
	s.motion, s.level, s.relock, s.keeping = nil, Unknown, m.before, relock{}
	if m.target == Locked {
		s.relock.at = max(s.relock.at, at.uptime+driveRetry)
	}
	s = s.sense(at)
	var others []action
	if isLost(err) {
		s, others = s.lost(set, at)
	} else if set.mode != Hold { // whatever was set is to be let go
		s.energised.on, s.energised.until = true, at.uptime
		if m.target == Locked && set.mode == Pulse {
			s.energised.until += idleRetry
		}
	}
	s, refused := s.refuseAll(m.waiters, Unavailable, s.fault, at)
	return s, append(refused, others...)
}

// sense takes the position that the sensor said last.
func (s state) sense(at moment) state {
	if s.sensed == "" {
		return s.at(Unknown, s.source, false, at)
	}
	return s.at(s.sensed, Sensor, s.sensed == s.level, at)
}

func (s state) onReading(position Position, at moment) (state, []action) {
	before := s.sensed
	s.sensed = position
	if position == Unknown { // it cannot be read
		s.sensed = ""
	}
	switch {
	case s.motion != nil && (position != s.motion.target || at.uptime < s.motion.since):
		return s, nil // still on its way, or where it was before
	case s.motion != nil:
		var acts []action
		s, acts = s.arrive(Sensor, at)
		return s.sinceBefore(before), acts
	case !s.lines.open:
		return s.sense(at), nil // and the fault stays that
	case position == before:
		return s, nil
	case position == Unknown:
		s.fault, s.forced = "the bolt sensor cannot be read", false
	case position == s.level, before == "" && s.level == Unknown:
		s.fault, s.forced = "", false
	case s.level != Unknown:
		s.fault, s.forced = fmt.Sprintf("the bolt went to %s without a command", position), true
	}
	return s.sense(at).sinceBefore(before), nil
}

// sinceBefore keeps the time of a bolt that stood there all the time since the
// process before.
func (s state) sinceBefore(sensed Position) state {
	if sensed == "" && s.position == s.found.Position {
		s.changedAt = s.found.ChangedAt
	}
	return s
}

// arrive ends a motion well.
func (s state) arrive(source Source, at moment) (state, []action) {
	m := s.motion
	s.motion = nil
	s = s.at(m.target, source, source == Sensor, at)
	var acts []action
	for _, w := range m.waiters {
		var done []action
		s, done = s.succeed(w, true, at)
		acts = append(acts, done...)
	}
	return s, acts
}

// overdue ends a motion whose time is up: it has jammed, unless the bolt never
// left the target and its sensor had nothing to say.
func (s state) overdue(set settings, at moment) (state, []action) {
	if s.sensed == s.motion.target {
		return s.arrive(Sensor, at)
	}
	return s.jam(fmt.Sprintf("the bolt sensor did not say %s within %s", s.motion.target, set.confirmTimeout), at)
}

func (s state) jam(fault string, at moment) (state, []action) {
	m := s.motion
	s.motion = nil
	s.fault, s.forced = fault, false
	s = s.at(Jammed, Sensor, false, at)
	return s.refuseAll(m.waiters, IsJammed, s.fault, at)
}

func (m *motion) join(w waiter) *motion {
	joined := *m
	joined.waiters, joined.unasked = append(slices.Clip(m.waiters), w), false
	return &joined
}
