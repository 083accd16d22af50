package actuator

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// take checks a step against the invariants and records its actions. It returns a
// description of the first violation, or "".
func (w *world) take(e event, before state, acts []action) string {
	openBefore := w.open
	w.settleLines(e)
	if w.exitTo == never && w.now-w.exitSince >= w.set.waits.exitStuck {
		w.exitTo = 0 // a stuck exit input no longer announces an opening
	}

	var events []Event
	var lines []action
	answers := 0
	for _, a := range acts {
		switch a := a.(type) {
		case save:
			w.onDisk, events = a.record, a.events
		case remember:
			w.onDisk, events = a.record, a.events
		case answer:
			answers++
			if problem := w.answered(a); problem != "" {
				return problem
			}
		default:
			lines = append(lines, a)
		}
	}

	if !reflect.DeepEqual(w.onDisk, w.state.recordIn(*w.set)) {
		return fmt.Sprintf("on disk is %+v, the record is %+v", w.onDisk, w.state.recordIn(*w.set))
	}
	if len(lines) > 1 {
		return "more than one action on the lines"
	}
	for _, a := range lines {
		if problem := w.moves(a, e, before, openBefore); problem != "" {
			return problem
		}
	}
	if problem := w.tells(e, before, events, answers); problem != "" {
		return problem
	}
	if problem := w.keeps(e, before, openBefore, lines, events); problem != "" {
		return problem
	}
	return w.rests(lines)
}

// settleLines records the result of an action on the lines.
func (w *world) settleLines(e event) {
	switch e := e.(type) {
	case opened:
		w.opening, w.lineWant = false, ""
		if e.err == nil {
			w.endEnergised()
		}
	case idled:
		w.idling, w.lineWant = false, ""
		if e.err == nil || errors.Is(e.err, ErrLinesGone) {
			w.endEnergised()
		} else {
			w.mayFail = true
		}
	case driven:
		target := w.lineWant
		w.lineWant = ""
		if e.err == nil && target == Locked && w.set.mode != Dual {
			w.awaited = false
		}
		gone := errors.Is(e.err, ErrLinesGone)
		switch {
		case gone, e.err == nil && w.set.mode == Pulse && target == Locked:
			w.endEnergised()
		case e.err != nil:
			w.mayFail = true
		}
	}
}

func (w *world) endEnergised() {
	if w.energised && w.set.mode == Pulse {
		w.unlockedTo, w.movedAt = w.now+w.set.exitTime, w.now
	}
	w.energised, w.mayFail = false, false
}

// answered checks an answer: its command has no answer yet, and the result is true.
func (w *world) answered(a answer) string {
	if a.id < 1 || a.id > 2 || w.open[a.id].id == 0 {
		return fmt.Sprintf("answer %d to nobody", a.id)
	}
	c := w.open[a.id]
	w.open[a.id] = open{}

	r := a.result
	switch {
	case c.lockdown && c.target == Unlocked && (a.refusal == nil || a.refusal.Code != CodeLockdown):
		return "lockdown did not refuse an unlock"
	case a.refusal != nil:
		if c.target == Locked && a.refusal.Code != CodeDoorOpen && a.refusal.Code != CodeJammed && a.refusal.Code != CodeUnavailable {
			return "a lock was refused as " + string(a.refusal.Code)
		}
		if c.waits && a.refusal.Code == CodeDoorOpen {
			return "a lock that waits for the door was refused"
		}
	case r.Pending != "":
		w.awaited = true
	case r.Position == Unlocked && c.target == Unlocked && w.state.bolt.position != Unlocked:
		w.unlockedTo = w.now + w.set.exitTime // the bolt was unlocked and has left that position in the same step
	case r.Position == Unlocked && w.set.mode != Pulse && w.state.output.level == Unlocked && !c.replaced && !w.unlockedFor(c.release):
		return "an unlock was answered without its hold or release"
	case r.Position != c.target:
		return fmt.Sprintf("%s answered with %s", c.target, r.Position)
	case r.Confirmed && w.state.bolt.sensed != c.target:
		return "confirmed without the sensor"
	}
	return ""
}

// unlockedFor reports whether the door stays unlocked for as long as a command demanded:
// until the next lock, or at least until the end of a release. A later lock may have
// replaced both by a pending lock.
func (w *world) unlockedFor(release bool) bool {
	p := w.state.promises
	return p.hold || p.pending.made || release && p.release.made
}

// moves checks that an action on the lines has a cause and breaks no rule.
func (w *world) moves(a action, e event, before state, openBefore [3]open) string {
	wants := func(target Position) bool {
		return slices.ContainsFunc(openBefore[:], func(o open) bool { return o.id != 0 && o.target == target })
	}
	exitAsks := before.wanted.target == Unlocked
	if x, ok := e.(exitReading); ok && x.exit == ExitActive && before.exit.state == ExitIdle && !w.set.exitShunts {
		exitAsks = true
	}

	switch a := a.(type) {
	case openLines:
		w.opening, w.lineWant = true, a.level
		w.awaited = w.awaited || a.level == Unlocked && w.door == DoorOpen
		locksOpenDoor := a.level == Locked && w.door == DoorOpen
		unasked := a.level == Unlocked && w.set.atPowerOn == Locked && w.door != DoorOpen && !wants(Unlocked) && !exitAsks
		switch {
		case (a.level == "") != (w.set.mode != Hold):
			return "requested at a level that the mode does not have"
		case locksOpenDoor:
			return "the request locks an open door"
		case unasked:
			return "requested unlocked although nobody asked"
		}
	case setLines:
		w.lineWant = a.target
		if problem := w.early(a.target, e, before, wants(Locked)); problem != "" {
			return problem
		}
		return w.drives(a.target, wants(a.target), exitAsks, w.awaited)
	case idleLines:
		w.idling, w.lineWant = true, "idle"
	}
	return ""
}

// early checks that a motion does not begin before its time.
func (w *world) early(target Position, e event, before state, commanded bool) string {
	r := before.promises.release
	_, lockdown := e.(lockdownSet)
	closes := w.set.relockOnClose && r.opened && w.door == DoorClosed
	ended := w.now >= r.end || closes || before.promises.pending.made || lockdown

	switch {
	case w.set.mode == Pulse && target == Locked: // ends a pulse, at any time
	case w.now < w.movedAt+w.set.minInterval && !(w.set.mode == Pulse && w.energised):
		return "moved within the minimum interval"
	case target == Locked && !commanded && w.door == DoorClosed && w.now < w.closedAt+w.set.settle:
		return "locked before the door had settled"
	case target == Locked && !commanded && r.made && !ended:
		return "locked before the end of the release"
	}
	if w.set.mode != Pulse {
		w.movedAt = w.now
	}
	return ""
}

func (w *world) drives(target Position, commanded, exitAsks, promised bool) string {
	endOfPulse := w.set.mode == Pulse && target == Locked
	switch {
	case target == Locked && !endOfPulse && !commanded && !promised:
		return "locked although nobody asked"
	case target == Locked && !endOfPulse && w.door == DoorOpen:
		return "locked an open door"
	case target == Locked && !endOfPulse && w.set.doorSensor && w.door == "":
		return "locked a door before its sensor was read"
	case target == Unlocked && !commanded && !exitAsks:
		return "unlocked although nobody asked"
	case target == Unlocked && w.lockdown && !exitAsks && !commanded:
		return "unlocked in lockdown"
	}

	if w.set.mode == Dual || w.set.mode == Pulse && target == Unlocked {
		if !w.energised || w.set.mode == Dual {
			w.since = w.now
		}
		w.energised = true
	}
	return ""
}

// tells checks that a step has caused the right events.
func (w *world) tells(e event, before state, events []Event, answers int) string {
	count := func(kind EventKind) int {
		n := 0
		for _, e := range events {
			if e.Kind == kind {
				n++
			}
		}
		return n
	}

	forced := 0
	switch e := e.(type) {
	case doorReading:
		if e.door == DoorUnknown {
			break
		}
		first := w.known == ""
		if e.door == DoorOpen && w.known == DoorClosed && before.bolt.position == Locked && !w.expected(before) && !w.set.manual {
			forced = 1
		}
		if w.known != e.door && !first && count(EventDoorOpened)+count(EventDoorClosed)+count(EventForced) != 1 {
			return "an opening or closing was not told once"
		}
		w.known = e.door
	case reading:
		left := before.motion == nil && before.lines.open && before.output.level == Locked && before.bolt.sensed != Unlocked && e.position == Unlocked
		unseen := !before.bolt.settled && before.bolt.told != ""
		if left && !w.expected(before) && !w.set.manual && !unseen {
			forced = 1
		}
	case exitReading:
		w.noteExit(e.exit, before)
		if e.exit == ExitActive && before.exit.state == ExitIdle && !w.set.exitShunts {
			for _, told := range events {
				if told.Origin == Exit && told.Code != "" && told.Code != CodeUnavailable {
					return "an exit was refused: " + string(told.Code)
				}
			}
		}
	}
	if got := count(EventForced); got != forced {
		return fmt.Sprintf("%d alarms of a forced door, want %d", got, forced)
	}
	if problem := w.alarms(before, count(EventHeldOpen)); problem != "" {
		return problem
	}
	commands := 0
	for _, e := range events {
		if e.Kind == EventCommand && e.Origin == Remote {
			commands++
		}
	}
	if commands != answers {
		return fmt.Sprintf("%d events for %d answers", commands, answers)
	}
	moved := before.bolt.position == Unlocked || slices.ContainsFunc(events, func(e Event) bool {
		return e.Command == "unlockDoor" && e.Code == "" && e.Position == Unlocked // unlocked and locked again in one step
	})
	if moved && w.state.bolt.position != Unlocked {
		w.unlockedTo = w.now + w.set.exitTime
	}
	return ""
}

// alarms checks the alarm of a door that is open for too long, and the end of the alarm
// of a forced door.
func (w *world) alarms(before state, heldOpen int) string {
	s := w.state
	raised := s.door.heldOpen && !before.door.heldOpen
	secured := s.door.known != DoorOpen && s.bolt.position == Locked

	switch {
	case raised && heldOpen != 1, !raised && heldOpen != 0:
		return fmt.Sprintf("%d events of a door held open, want one when the alarm begins", heldOpen)
	case raised && before.promises.hold:
		return "a door held open was reported during a hold"
	case raised && w.now < s.door.openSince+s.tuning.HeldOpen:
		return "a door held open was reported too early"
	case before.forced.active && !s.forced.active && !secured:
		return "the alarm ended although the door is not secured"
	}
	return ""
}

// keeps checks that the machine keeps each promise: a hold, a release or a pending lock
// begins because a command demands it. It ends because the door is locked, or because a
// later command or lockdown replaces it.
func (w *world) keeps(e event, before state, openBefore [3]open, lines []action, events []Event) string {
	old, p := before.promises, w.state.promises
	set, isOpened := e.(opened)
	result, isDriven := e.(driven)
	failed := isDriven && result.err != nil
	switch {
	case failed && before.motion != nil:
		old = before.motion.before // the promises from before the motion must return
	case before.lines.open && !w.state.lines.open:
		old = cmp.Or(old, before.unfinished) // so must those whose pulse did not end
	}
	happened := func(kind EventKind) bool {
		return slices.ContainsFunc(events, func(e Event) bool { return e.Kind == kind })
	}

	locks := slices.Contains(lines, action(setLines{Locked})) || isOpened && set.err == nil && (set.level == Locked || w.set.mode == Pulse) ||
		w.state.motion != nil && w.state.motion.target == Locked || happened(EventLockdownOn) ||
		slices.ContainsFunc(events, func(e Event) bool { return e.Command == "lockDoor" && e.Code == "" })
	lockdown, _ := e.(lockdownSet)
	holds := slices.ContainsFunc(openBefore[:], func(o open) bool { return o.id != 0 && o.target == Unlocked && !o.release })
	times := []time.Duration{w.now + 2*exploreTick} // ends of a release that begins now: a command's, and an exit's
	if w.exit != "" {
		times = append(times, w.now+w.set.exitTime)
	}

	switch {
	case p.hold && slices.Contains(lines, action(setLines{Locked})):
		return "a lock left the hold"
	case old.hold && !p.hold && !locks && !isOpened:
		return "a hold ended by itself"
	case !old.hold && p.hold && !holds:
		return "a hold began although no command demands it"
	case old.release.made && !p.release.made && !locks && !p.hold:
		return "a release was forgotten"
	case old.release.made && p.release.made && p.release.end < old.release.end && !locks:
		return "a release was shortened"
	case p.release.made && (!old.release.made || p.release.end != old.release.end) && !failed && !slices.Contains(times, p.release.end):

		return "a release has a wrong end"
	case old.pending.made && !p.pending.made && p.hold && !locks && !happened(EventSuperseded):
		return "a pending lock was cancelled silently"
	case old.pending.made && !p.pending.made && !locks && !p.hold && !happened(EventLockdownOff):
		return "a pending lock was forgotten"
	case lockdown.on && !before.lockdown && !p.pending.made && len(lines) == 0 && w.state.output.level != Locked:
		return "lockdown does not lock the door"
	case lockdown.on && w.set.mode == Pulse && w.energised && !before.leaving() && len(lines) == 0:
		return "lockdown leaves the strike energised"
	}
	return ""
}

// leaving reports whether the bolt is being unlocked for a person.
func (s state) leaving() bool { return (&machine{state: s}).leaving() }

// expected reports whether an opening of the door now raises no alarm. The rules are
// those of the table "What an opening means" in packaging/doc/door.md.
func (w *world) expected(before state) bool {
	return before.bolt.position == Unlocked || w.set.mode == Pulse && w.energised && before.output.level == Unlocked ||
		w.now < w.unlockedTo || w.now < w.exitTo
}

func (w *world) noteExit(to ExitState, before state) {
	switch {
	case to == ExitActive && before.exit.state == ExitIdle:
		w.exitTo, w.exitSince = never, w.now
	case to != ExitActive && w.exitTo == never:
		w.exitTo = w.now + w.set.exitTime
	}
}

// rests checks the machine's state after a step: no deadline, command or promise is
// forgotten.
func (w *world) rests(lines []action) string {
	s := w.state
	if len(lines) > 0 {
		return "" // too early to check: the next event is the result of an action on the lines
	}
	if next, ok := s.next(*w.set); ok && next <= w.now {
		return fmt.Sprintf("a deadline is left: %s", next-w.now)
	}

	longest := w.set.pulse
	if w.set.mode == Pulse {
		longest = w.set.maxEnergised
	}
	if w.energised && !w.mayFail && w.now-w.since >= longest {
		return fmt.Sprintf("energised for %s", w.now-w.since)
	}
	if w.energised && !s.energised.on {
		return "energised, and nothing will end it"
	}

	for _, o := range w.open {
		if o.id != 0 && !s.waitsFor(o.id) {
			return fmt.Sprintf("command %d is forgotten", o.id)
		}
	}
	if s.lockdown != w.lockdown {
		return "lockdown is lost"
	}
	if s.forced.active && s.door.known != DoorOpen && s.bolt.position == Locked {
		return "the alarm goes on although the door is secured"
	}

	p := s.promises
	promised := p.release.made || p.pending.made
	if w.lockdown && p.hold && s.lines.open {
		return "a hold in lockdown"
	}
	if promised && p.hold {
		return "a hold and a promised lock"
	}
	if promised && s.lines.open && w.door != DoorOpen && !(w.set.doorSensor && w.door == "") {
		if at, ok := s.next(*w.set); !ok || at > w.now+10*exploreTick {
			return "a promised lock has no deadline"
		}
	}
	return ""
}

// waitsFor reports whether the machine must still answer a command.
func (s state) waitsFor(id int64) bool {
	is := func(w waiter) bool { return w.id == id }
	return slices.ContainsFunc(s.wanted.waiters, is) || s.motion != nil && slices.ContainsFunc(s.motion.waiters, is)
}
