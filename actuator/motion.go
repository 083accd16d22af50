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
	deadline time.Duration // for the sensor to confirm
	waiters  []waiter
	rests    bool   // the bolt stood at the target before: its sensor has nothing new to say
	before   relock // what was promised before, for a drive that fails
}

// relock is a lock that was promised with an unlock. It stands, in the state and
// on disk, until the lines have been driven to locked.
type relock struct {
	at   time.Duration
	made bool
}

// relockRetry is how long after a drive to locked that failed a promised relock
// is tried again.
const relockRetry = 10 * time.Second

// drive starts a motion, with what is promised from now on. It ends when the
// sensor confirms it or time is up; without a sensor, as soon as the lines are set.
func (s state) drive(set settings, target Position, promised relock, waiters []waiter, at moment) (state, []action) {
	// A bolt that was under way may not have left its place yet: its sensor is
	// waited for.
	rests := s.motion == nil && s.sensed == target
	s.motion = &motion{
		target: target, deadline: at.uptime + set.confirmTimeout, waiters: waiters,
		rests: rests, before: s.relock,
	}
	s.level, s.drivenAt, s.driven, s.fault, s.relock = target, at.uptime, true, "", promised
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
	s.fault = fmt.Sprintf("the lock cannot be driven: %v", err)
	s.motion, s.level, s.relock = nil, Unknown, m.before
	if m.target == Locked {
		s.relock.at = max(s.relock.at, at.uptime+relockRetry)
	}
	stands := Unknown
	if s.sensed != "" {
		stands = s.sensed
	}
	s = s.at(stands, s.source, false, at)
	return s.refuseAll(m.waiters, Unavailable, s.fault, at)
}

func (s state) onReading(position Position, at moment) (state, []action) {
	before := s.sensed
	s.sensed = position
	switch {
	case s.motion != nil && position != s.motion.target:
		return s, nil // still on its way
	case s.motion != nil:
		var acts []action
		s, acts = s.arrive(Sensor, at)
		if before == "" && position == s.found.Position {
			s.changedAt = s.found.ChangedAt // it stood there all the time
		}
		return s, acts
	case position == before:
		return s, nil
	case position == s.level:
		s.fault = ""
	case s.level != Unknown:
		s.fault = fmt.Sprintf("the bolt went to %s without a command", position)
	}
	return s.at(position, Sensor, position == s.level, at), nil
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
	m := s.motion
	if s.sensed == m.target {
		return s.arrive(Sensor, at)
	}
	s.motion = nil
	s.fault = fmt.Sprintf("the bolt sensor did not say %s within %s", m.target, set.confirmTimeout)
	s = s.at(Jammed, Sensor, false, at)
	return s.refuseAll(m.waiters, IsJammed, s.fault, at)
}

func (m *motion) join(w waiter) *motion {
	joined := *m
	joined.waiters = append(slices.Clip(m.waiters), w)
	return &joined
}
