package actuator

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The part of the state machine that takes the lines, at the start and after
// they were lost.

// openRetry is how long after a failure the lines are asked for again: a chip's
// driver may load late, and a chip may be plugged in again.
const openRetry = 5 * time.Second

// lines says whether the lines are the lock's.
type lines struct {
	open  bool
	retry time.Duration // when to ask for them again
	asker *waiter       // the command that has them asked for
}

// start returns the state of a lock whose lines are still to be opened, which is
// the first thing to do.
func start(set settings, old Record, at moment) (state, []action) {
	s := state{position: Unknown, source: Assumed, changedAt: at.wall, last: old.Last, level: old.Level, found: old}
	if set.sensor {
		s.source = Sensor
	}
	return s.askOpen(set, nil, at)
}

// askOpen asks for the lines, for a command or by itself. A line of Hold is
// requested at what the command asks for, or else at what is to be at power-on.
func (s state) askOpen(set settings, w *waiter, at moment) (state, []action) {
	s.lines.asker, s.lines.retry = w, at.uptime+openRetry
	level := Position("")
	if set.mode == Hold {
		level = set.atPowerOn
		if level == "" {
			level = lastLevel(s.level)
		}
		if w != nil {
			level = w.cmd.Target
		}
	}
	return s, []action{open{level}}
}

// lastLevel is Locked where the last level is not known.
func lastLevel(level Position) Position {
	if level == Unlocked {
		return Unlocked
	}
	return Locked
}

func (s state) onOpened(set settings, e opened, at moment) (state, []action) {
	w := s.lines.asker
	s.lines = lines{open: e.err == nil, retry: at.uptime + openRetry}
	if e.err != nil {
		s = s.unavailable(e.err)
		if w == nil {
			return s, nil
		}
		return s.refuse(*w, Unavailable, s.fault, at)
	}
	old := s.found
	s.fault, s.forced, s.relock, s.keeping = "", false, relock{}, relock{}
	s.level = e.level
	interrupted := old.Motion != ""
	switch set.mode {
	case Pulse:
		s.level = Locked
	case Dual:
		s.level = old.Level
		if interrupted || s.level == "" {
			s.level = Unknown
		}
	}
	if (set.mode == Dual || s.level != Locked) && old.Relock != nil && old.Relock.BootID == set.bootID {
		s.relock = relock{at: old.Relock.Uptime, made: true}
	}
	moves := set.mode == Hold && (!e.kept || interrupted)
	switch {
	case set.sensor && moves: // the bolt may be on its way: it is waited for
		s.motion = &motion{target: s.level, deadline: at.uptime + set.confirmTimeout}
		s = s.at(Moving, Sensor, false, at)
	case set.sensor:
		s = s.sense(at)
	case set.mode != Hold, interrupted, old.Position == Unknown:
		s = s.at(Unknown, Assumed, false, at)
	default:
		s = s.at(s.level, Assumed, false, at)
	}
	if s.position == old.Position {
		s.changedAt = old.ChangedAt
	}
	switch {
	case w == nil:
		return s, nil
	case set.mode != Hold || e.kept:
		return s.onCommand(set, *w, at)
	}
	// The request has carried the command out.
	s.motion = &motion{target: s.level, deadline: at.uptime + set.confirmTimeout, waiters: []waiter{*w}}
	s.drivenAt, s.driven = at.uptime, true
	if s.level == Unlocked {
		s = s.promise(set, w.cmd, at)
	}
	if set.sensor {
		return s, nil
	}
	return s.arrive(Assumed, at)
}

// lost is what becomes of a lock whose lines are gone. A promise is kept for the
// time when they are back; commands that wait are not.
func (s state) lost(set settings, at moment) (state, []action) {
	s.found = s.record(set)
	s.lines = lines{retry: at.uptime + openRetry}
	s.energised = energised{}
	waiters := s.waiting
	if s.motion != nil {
		waiters = slices.Concat(s.motion.waiters, waiters)
		s.motion = nil
		s = s.sense(at)
	}
	s.wantLock, s.waiting = false, nil
	return s.refuseAll(waiters, Unavailable, s.fault, at)
}

func (s state) unavailable(err error) state {
	s.fault, s.forced = fmt.Sprintf("the lock cannot be driven: %v", err), false
	return s
}

// isLost reports whether an error of a drive says that the lines are gone.
func isLost(err error) bool { return errors.Is(err, ErrLinesGone) }
