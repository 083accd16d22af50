package actuator

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// The state machine of a lock in hold mode: a pure function of state and event.
// All times in it are on the boot-time clock, but for those that people read.

// settings of the machine, constant over its life.
type settings struct {
	sensor         bool // there is a bolt sensor
	confirmTimeout time.Duration
	minInterval    time.Duration
	bootID         string
}

// moment is when an event happened, on both clocks.
type moment struct {
	uptime time.Duration
	wall   time.Time
}

// An event is one of command, reading, driven, tick.
type event any

type (
	command struct {
		id int64
		Command
	}
	reading struct{ position Position }
	driven  struct{ err error } // the lines of the drive before are set, or are not
	tick    struct{}            // a deadline of state.next may have passed
)

// An action is one of drive, save, answer. They are carried out in order;
// answers wait until the saves before them are on disk.
type action any

type (
	drive  struct{ target Position }
	save   struct{ record Record }
	answer struct {
		id      int64
		result  Result
		refusal *Refusal
	}
)

// waiter is a command that is not answered yet.
type waiter struct {
	id    int64
	cmd   Command
	asked time.Duration
}

// state is all that the machine knows. It is a value: step returns a new one.
type state struct {
	position  Position
	source    Source
	confirmed bool
	changedAt time.Time
	fault     string
	last      *Last

	level    Position // what the lines were last driven to
	sensed   Position // what the sensor said last; empty before it spoke
	motion   *motion
	waiting  []waiter // locks that wait for the minimum interval
	wantLock bool     // a lock waits, be it only a promised one
	drivenAt time.Duration
	driven   bool // drivenAt is valid
	relock   relock
	found    Record // of the process before, for a bolt that has not moved since
}

// start returns the state of a lock whose lines were just requested at level.
// With a sensor the bolt counts as moving until it is sensed there; without one
// a motion that was interrupted leaves the position unknown until the next one.
func start(set settings, level Position, old Record, at moment) (state, []action) {
	s := state{level: level, last: old.Last, source: Sensor, changedAt: at.wall, found: old}
	switch {
	case set.sensor:
		s.motion = &motion{target: level, deadline: at.uptime + set.confirmTimeout}
		s.position = Moving
	case old.Motion != "" || old.Position == Unknown:
		s.position, s.source = Unknown, Assumed
	default:
		s.position, s.source = level, Assumed
	}
	if s.position == old.Position {
		s.changedAt = old.ChangedAt
	}
	if level == Unlocked && old.Relock != nil && old.Relock.BootID == set.bootID {
		s.relock = relock{at: old.Relock.Uptime, made: true}
	}
	return s, []action{save{s.record(set)}}
}

// step is the machine: what becomes of state when event happens, and what is to
// be done about it.
func step(set settings, s state, e event, at moment) (state, []action) {
	before := s.record(set)
	var acts []action
	switch e := e.(type) {
	case command:
		s, acts = s.onCommand(set, e, at)
	case reading:
		s, acts = s.onReading(e.position, at)
	case driven:
		s, acts = s.onDriven(set, e.err, at)
	case tick:
	}
	s, due := s.onTime(set, at)
	acts = append(acts, due...)
	return s, saveBeforeAnswers(before, s.record(set), acts)
}

// next returns when the machine wants its next tick.
func (s state) next(set settings) (at time.Duration, ok bool) {
	soonest := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if s.motion != nil && set.sensor {
		soonest(s.motion.deadline)
	}
	switch {
	case s.wantLock:
		soonest(s.earliest(set))
	case s.relock.made:
		soonest(s.relock.at)
	}
	return at, ok
}

func (s state) onCommand(set settings, c command, at moment) (state, []action) {
	w := waiter{c.id, c.Command, at.uptime}
	if c.Target == Unlocked {
		return s.onUnlock(set, w, at)
	}
	return s.onLock(set, w, at)
}

func (s state) onUnlock(set settings, w waiter, at moment) (state, []action) {
	switch {
	case s.wantLock, s.motion != nil && s.motion.target == Locked:
		return s.refuse(w, Busy, "the lock is being locked; unlock it when that has ended", at)
	case s.motion != nil: // being unlocked: join
		s.relock = promise(w.cmd, at)
		s.motion = s.motion.join(w)
		return s, nil
	case s.position == Unlocked && s.level == Unlocked:
		s.relock = promise(w.cmd, at)
		return s.succeed(w, false, at)
	case s.driven && at.uptime < s.earliest(set):
		return s.refuse(w, TooSoon, fmt.Sprintf("the lock moved less than %s ago", set.minInterval), at)
	}
	return s.drive(set, Unlocked, promise(w.cmd, at), []waiter{w}, at)
}

func (s state) onLock(set settings, w waiter, at moment) (state, []action) {
	switch {
	case s.motion != nil && s.motion.target == Locked:
		s.motion = s.motion.join(w)
		return s, nil
	case s.motion == nil && s.position == Locked && s.level == Locked:
		return s.succeed(w, false, at)
	}
	s.wantLock, s.waiting = true, append(slices.Clip(s.waiting), w)
	return s, nil // onTime drives it, now or when the interval is over
}

// onTime does what is due: a motion that was not confirmed, a promised relock,
// a lock that waited for the minimum interval.
func (s state) onTime(set settings, at moment) (state, []action) {
	var acts []action
	if set.sensor && s.motion != nil && at.uptime >= s.motion.deadline {
		var ended []action
		s, ended = s.overdue(set, at)
		acts = append(acts, ended...)
	}
	if s.relock.made && at.uptime >= s.relock.at {
		s.wantLock = true
	}
	if s.wantLock && at.uptime >= s.earliest(set) {
		var givingWay []waiter // of an unlock that is under way
		if s.motion != nil {
			givingWay = s.motion.waiters
		}
		waiters := s.waiting
		s.wantLock, s.waiting = false, nil
		var moved, refused []action
		s, moved = s.drive(set, Locked, relock{}, waiters, at)
		s, refused = s.refuseAll(givingWay, Busy, "the door was locked again before the bolt had moved", at)
		acts = slices.Concat(acts, moved, refused)
	}
	return s, acts
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

// promise returns what an unlock says of the relock: the latest unlock decides.
func promise(c Command, at moment) relock {
	return relock{at: at.uptime + c.Relock, made: c.Relock > 0}
}

func (s state) at(position Position, source Source, confirmed bool, at moment) state {
	if s.position != position {
		s.changedAt = at.wall
	}
	s.position, s.source, s.confirmed = position, source, confirmed
	return s
}

// earliest returns when the lock may be driven again.
func (s state) earliest(set settings) time.Duration {
	if !s.driven {
		return 0
	}
	return s.drivenAt + set.minInterval
}

// record returns what of the state has to be on disk.
func (s state) record(set settings) Record {
	r := Record{Level: s.level, Position: s.position, Source: s.source, ChangedAt: s.changedAt, Last: s.last}
	if s.motion != nil {
		r.Motion = s.motion.target
	}
	if s.relock.made {
		r.Relock = &Promise{BootID: set.bootID, Uptime: s.relock.at}
	}
	return r
}

// saveBeforeAnswers adds a save if there is something new to be on disk: after
// what drives the lines, before the first answer.
func saveBeforeAnswers(before, after Record, acts []action) []action {
	if reflect.DeepEqual(before, after) {
		return acts
	}
	first := slices.IndexFunc(acts, func(a action) bool { _, ok := a.(answer); return ok })
	if first < 0 {
		first = len(acts)
	}
	return slices.Insert(acts, first, action(save{after}))
}

func (s state) status() Status {
	return Status{
		Position: s.position, Source: s.source, Confirmed: s.confirmed,
		ChangedAt: s.changedAt, Fault: s.fault, Last: s.last,
	}
}
