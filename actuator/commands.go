package actuator

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The part of the state machine that takes commands and answers them.

func (s state) onCommand(set settings, w waiter, at moment) (state, []action) {
	switch {
	case !s.lines.open && w.cmd.Target == Locked && s.door.state == DoorOpen: // the request would drive it
		return s.refuse(w, DoorIsOpen, doorOpen, at)
	case !s.lines.open:
		return s.askOpen(set, &w, at)
	case w.cmd.Target == Unlocked:
		return s.onUnlock(set, w, at)
	}
	return s.onLock(set, w, at)
}

func (s state) onUnlock(set settings, w waiter, at moment) (state, []action) {
	releasing := set.mode == Pulse && s.energised.on && s.level == Unlocked
	switch {
	case s.wantLock, s.motion != nil && s.motion.target == Locked && !s.motion.unasked:
		return s.refuse(w, Busy, "the lock is being locked; unlock it when that has ended", at)
	case s.motion != nil && s.motion.target == Unlocked: // join
		s = s.promise(set, w.cmd, at)
		s.motion = s.motion.join(w)
		return s, nil
	case s.stands(set, Unlocked):
		s = s.promise(set, w.cmd, at)
		return s.succeed(w, false, at)
	case s.driven && at.uptime < s.earliest(set) && !releasing:
		return s.refuse(w, TooSoon, fmt.Sprintf("the lock moved less than %s ago", set.minInterval), at)
	}
	return s.drive(set, Unlocked, []waiter{w}, at)
}

func (s state) onLock(set settings, w waiter, at moment) (state, []action) {
	switch {
	case s.motion != nil && s.motion.target == Locked:
		s.motion = s.motion.join(w)
		return s, nil
	case s.door.state == DoorOpen && set.mode == Pulse && s.energised.on:
		// The strike is let go all the same; the door is not locked by that.
		var refused, ended []action
		s, refused = s.refuse(w, DoorIsOpen, doorOpen, at)
		s, ended = s.endPulse(set, at)
		return s, append(ended, refused...)
	case s.door.state == DoorOpen:
		return s.refuse(w, DoorIsOpen, doorOpen, at)
	case s.stands(set, Locked):
		return s.succeed(w, false, at)
	}
	s.wantLock, s.waiting = true, append(slices.Clip(s.waiting), w)
	return s, nil // lockIfDue drives it, now or when the interval is over
}

// stands reports whether the lock has been driven to target, nothing moves, and
// driving it again would change nothing: because its sensor says that it is
// there, or because its line is held there.
func (s state) stands(set settings, target Position) bool {
	return s.motion == nil && s.position == target && s.level == target && (set.mode == Hold || s.confirmed)
}

// lockIfDue drives a lock that was promised and is due, or that was commanded
// and waited for the minimum interval. It gives way to nothing but an open door.
func (s state) lockIfDue(set settings, at moment) (state, []action) {
	if s.doorUnheard(set) {
		return s, nil
	}
	due := s.relock.made && at.uptime >= s.relock.at
	if s.door.state == DoorOpen {
		waiting := s.waiting
		s.wantLock, s.waiting = false, nil
		if due {
			s.fault = relockWaits
		}
		return s.refuseAll(waiting, DoorIsOpen, doorOpen, at)
	}
	s.wantLock = s.wantLock || due
	if !s.wantLock || at.uptime < s.lockableAt(set) {
		return s, nil
	}
	var givingWay []waiter // of an unlock that is under way
	if s.motion != nil {
		givingWay = s.motion.waiters
	}
	waiters := s.waiting
	s.wantLock, s.waiting = false, nil
	var moved, refused []action
	s, moved = s.drive(set, Locked, waiters, at)
	s, refused = s.refuseAll(givingWay, Busy, "the door was locked again before the bolt had moved", at)
	return s, append(moved, refused...)
}

// succeed answers a command that was carried out.
func (s state) succeed(w waiter, changed bool, at moment) (state, []action) {
	s.last = &Last{Name: w.cmd.Name, Reason: w.cmd.Reason, At: at.wall}
	result := Result{Position: s.position, Confirmed: s.confirmed, Changed: changed, Took: at.uptime - w.asked}
	return s, []action{answer{id: w.id, result: result}}
}

// refuse answers a command that was not carried out.
func (s state) refuse(w waiter, code Code, message string, at moment) (state, []action) {
	s.last = &Last{Name: w.cmd.Name, Reason: w.cmd.Reason, At: at.wall, Code: code}
	return s, []action{answer{id: w.id, refusal: &Refusal{code, message}}}
}

func (s state) refuseAll(waiters []waiter, code Code, message string, at moment) (state, []action) {
	var acts []action
	for _, w := range waiters {
		var refused []action
		s, refused = s.refuse(w, code, message, at)
		acts = append(acts, refused...)
	}
	return s, acts
}

// relock is a lock that was promised with an unlock. It stands, in the state and
// on disk, until the lines have been driven to locked; in Dual it stands on disk
// until the pulse has ended.
type relock struct {
	at   time.Duration
	made bool
}

// promise takes what an unlock says of its end; the latest one decides. In Pulse
// that is the end of the pulse, which needs no promise on disk: the line is let
// go at every kind of exit.
func (s state) promise(set settings, c Command, at moment) state {
	if set.mode == Pulse {
		return s.energise(set, cmp.Or(c.Relock, set.pulse), at)
	}
	s.relock = relock{at: at.uptime + c.Relock, made: c.Relock > 0}
	if s.fault == relockWaits {
		s.fault = ""
	}
	return s
}
