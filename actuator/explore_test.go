package actuator

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestExplore visits every state that the machine can reach in a small simulated world.
// In this world, times are one to three ticks and at most two commands wait for
// answers. In each state the test tries every event and checks the step against the
// invariants in world.take. States that differ only in irrelevant details count as one:
// see world.encode.
//
// The test covers each pair of configuration values, in configurations that differ from
// the simplest one of their mode in at most two values. In short mode and with the race
// detector, they differ in at most one value. With LATCHD_TEST_EXPLORE=N, the test
// explores all configurations that differ in at most N values. It then stops after
// exploreMost states of a configuration and logs that it stopped.
func TestExplore(t *testing.T) {
	t.Parallel()
	configs, long := pairwise(), false
	if most, err := strconv.Atoi(os.Getenv("LATCHD_TEST_EXPLORE")); err == nil {
		configs, long = allConfigs(), true
		configs = slices.DeleteFunc(configs, func(c exploreConfig) bool { return c.features() > most })
	}
	if raceEnabled || testing.Short() { // the race detector makes the test ten times slower and finds nothing in a single goroutine
		configs = slices.DeleteFunc(configs, func(c exploreConfig) bool { return c.features() > 1 })
	}

	var states, cut atomic.Int64
	t.Cleanup(func() { // after the parallel subtests
		t.Logf("%d configurations, %d states, %d configurations not explored to the end", len(configs), states.Load(), cut.Load())
	})
	for _, c := range configs {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			x := &explorer{T: t, config: c, parents: make(map[uint64]origin)}
			closed := x.run()
			states.Add(int64(len(x.parents)))
			t.Logf("%d states, %d steps, explored to the end: %v", len(x.parents), x.steps, closed)
			if !closed {
				cut.Add(1)
			}
			if !closed && !long {
				t.Error("too many states: the key does not leave enough out")
			}
		})
	}
}

// exploreMost is the maximum number of states per configuration. It limits the memory
// that the test needs.
const exploreMost = 1_000_000

// exploreConfig is one configuration of the lock. Each field is the index of a value.
type exploreConfig struct {
	mode    int // Hold, Pulse, Dual
	sensor  int
	door    int
	exit    int // none, unlock, shunt
	manual  int
	onClose int
	powerOn int // Locked, last, Unlocked
	faults  int // 1 if setting the lines can fail
}

// choices holds the number of possible values of each field of exploreConfig.
var choices = [8]int{3, 2, 2, 3, 2, 2, 3, 2}

func (c *exploreConfig) fields() [8]*int {
	return [8]*int{&c.mode, &c.sensor, &c.door, &c.exit, &c.manual, &c.onClose, &c.powerOn, &c.faults}
}

func (c exploreConfig) String() string {
	words := []string{[]string{"hold", "pulse", "dual"}[c.mode]}
	for i, names := range [][]string{{"", "bolt-sensor"}, {"", "door-sensor"}, {"", "exit", "shunt"}, {"", "manual"}, {"", "relock-on-close"},
		{"", "last", "unlocked"}, {"", "faults"}} {
		if name := names[*c.fields()[i+1]]; name != "" {
			words = append(words, name)
		}
	}
	return strings.Join(words, "+")
}

// sensible reports whether the lock accepts a configuration and no other configuration
// has the same effect.
func (c exploreConfig) sensible() bool {
	return !(c.onClose == 1 && c.door == 0) && !(c.mode != 0 && c.powerOn != 0) && !(c.manual == 1 && c.door == 0 && c.sensor == 0)
}

// features returns the number of values in which a configuration differs from the
// simplest one of its mode.
func (c exploreConfig) features() int {
	n := 0
	for i, f := range c.fields() {
		if i > 0 && *f != 0 {
			n++
		}
	}
	return n
}

func allConfigs() []exploreConfig {
	all := []exploreConfig{{}}
	for i, n := range choices {
		var next []exploreConfig
		for _, c := range all {
			for v := range n {
				*c.fields()[i] = v
				next = append(next, c)
			}
		}
		all = next
	}
	return slices.DeleteFunc(all, func(c exploreConfig) bool { return !c.sensible() })
}

// pairwise returns configurations that together contain each pair of values that a
// sensible configuration can have.
func pairwise() []exploreConfig {
	type pair struct{ i, a, j, b int }
	pairsOf := func(c exploreConfig) []pair {
		var pairs []pair
		f := c.fields()
		for i := range f {
			for j := range i {
				pairs = append(pairs, pair{i, *f[i], j, *f[j]})
			}
		}
		return pairs
	}

	missing := map[pair]bool{}
	all := slices.DeleteFunc(allConfigs(), func(c exploreConfig) bool { return c.features() > 2 })
	for _, c := range all {
		for _, p := range pairsOf(c) {
			missing[p] = true
		}
	}

	var chosen []exploreConfig
	for len(missing) > 0 {
		best, most := exploreConfig{}, 0
		for _, c := range all {
			news := 0
			for _, p := range pairsOf(c) {
				if missing[p] {
					news++
				}
			}
			if news > most {
				best, most = c, news
			}
		}
		chosen = append(chosen, best)
		for _, p := range pairsOf(best) {
			delete(missing, p)
		}
	}
	return chosen
}

// exploreTick is the simulated world's unit of time.
const exploreTick = time.Second

func (c exploreConfig) settings() settings {
	return settings{
		mode:      []Mode{Hold, Pulse, Dual}[c.mode],
		atPowerOn: []Position{Locked, "", Unlocked}[c.powerOn],
		bootID:    "boot", sensor: c.sensor == 1, doorSensor: c.door == 1,
		manual: c.manual == 1, exitShunts: c.exit == 2, relockOnClose: c.onClose == 1,
		confirmTimeout: 2 * exploreTick, minInterval: exploreTick, pulse: exploreTick, maxEnergised: 2 * exploreTick,
		exitTime: exploreTick, settle: exploreTick,
		waits: waits{
			openRetry: 2 * exploreTick, driveRetry: 2 * exploreTick, idleRetry: exploreTick,
			doorSensor: exploreTick, exitStuck: 2 * exploreTick,
		},
	}
}

// explorer visits the states of one configuration.
type explorer struct {
	*testing.T
	config  exploreConfig
	set     settings
	parents map[uint64]origin // how the test first reached each state
	queue   []*node
	scratch world // the world in which try carries out a step
	steps   int
	seed    maphash.Seed
	buffer  []byte
}

// node is a world whose events the test must still try.
type node struct {
	world
	key uint64
}

// origin is the step by which the test reached a state: the previous state and an
// event.
type origin struct {
	parent uint64
	event  event
}

// run explores a configuration. It reports whether it has visited all states.
func (x *explorer) run() (closed bool) {
	x.set, x.seed = x.config.settings(), maphash.MakeSeed()
	w := &world{set: &x.set, now: 100 * exploreTick, door: "", exit: ""}
	s, acts := start(x.set, Record{}, at(w.now))
	s.tuning.HeldOpen = exploreTick
	w.state = s
	w.take(nil, state{}, acts)
	x.visit(w, 0, "start")

	for len(x.queue) > 0 { // breadth first, so that the trace of a failure is short
		n := x.queue[0]
		x.queue[0] = nil // frees its memory
		x.queue = x.queue[1:]
		for _, e := range n.events(x.config) {
			x.try(n, e)
		}
		if len(x.parents) > exploreMost {
			return false
		}
	}
	return true
}

// try applies an event to a copy of the world, checks the step and visits the new
// state.
func (x *explorer) try(n *node, e event) {
	w := &x.scratch
	*w = n.world
	if wait, ok := e.(waitEvent); ok {
		w.now += time.Duration(wait)
		e = tick{}
	}
	w.apply(e)
	var acts []action
	w.state, acts = step(x.set, w.state, e, at(w.now))
	x.steps++

	if problem := w.take(e, n.state, acts); problem != "" {
		x.fail(n.key, e, problem, acts)
	}
	x.visit(w, n.key, e)
}

func (x *explorer) fail(key uint64, last event, problem string, acts []action) {
	var trace []string
	for key != 0 {
		o := x.parents[key]
		trace = append(trace, fmt.Sprintf("%T%v", o.event, o.event))
		key = o.parent
	}
	slices.Reverse(trace)
	x.Fatalf("%s\n%s\n%T%v -> %s; tells %s", problem, strings.Join(trace, "\n"), last, last, show(acts), showEvents(acts))
}

func (x *explorer) visit(w *world, parent uint64, e event) {
	key := x.key(w)
	if _, ok := x.parents[key]; ok {
		return
	}
	x.parents[key] = origin{parent, e}
	x.queue = append(x.queue, &node{*w, key})
}

// key returns a hash of those parts of a world that influence later steps.
func (x *explorer) key(w *world) uint64 {
	x.buffer = w.encode(x.buffer[:0])
	return maphash.Bytes(x.seed, x.buffer) | 1
}

// clamp is the longest time that influences the machine, in ticks. Longer times count
// as equal.
const clamp = 3

// encode appends all fields of the state and of the monitor to b. Times are relative to
// now, and texts are omitted.
func (w *world) encode(b []byte) []byte {
	c := w.canonical()
	b = encodeValue(b, reflect.ValueOf(&c.state).Elem(), w.now)
	b = encodeValue(b, reflect.ValueOf(&c.monitor).Elem(), w.now)
	return append(append(b, w.door...), w.exit...)
}

// canonical returns a copy of the world without details that cannot influence later
// steps: times that have passed, and facts about motions and pulses that have ended.
func (w *world) canonical() world {
	c, now := *w, w.now
	c.onDisk = Record{} // can be computed from the state, which is part of the key

	s := &c.state
	s.bolt.changedAt, s.door.changedAt, s.forced.at = time.Time{}, time.Time{}, time.Time{}
	s.last, s.door.told, s.exit.released = nil, "", false
	past := s.past
	s.past = Record{}
	if s.lines.open {
		s.lines.retry, s.lines.patience = 0, 0
	} else {
		s.past = Record{Level: past.Level, Position: past.Position, Motion: past.Motion}
		if past.Relock != nil {
			s.past.Relock = &Promise{Uptime: now}
		}
	}
	if s.output.drivenAt+w.set.minInterval <= now || w.set.mode == Pulse {
		s.output.driven, s.output.drivenAt = false, 0
	}

	e := &s.energised
	if !e.on && !e.ending {
		e.since, e.until, e.opened = 0, 0, false
	}
	if e.endedAt+w.set.minInterval <= now {
		e.ended, e.endedAt = false, 0
	}

	d := &s.door
	if d.state != DoorClosed || d.closedAt+w.set.settle <= now {
		d.closedSeen, d.closedAt = false, 0
	}
	if !d.openKnown || d.countFrom <= d.openSince {
		d.countFrom = 0
	}
	switch {
	case !d.openKnown:
		d.openSince = 0
	case d.heldOpen:
		d.openSince, d.countFrom = now, 0
	}
	d.expectedUntil = passed(d.expectedUntil, now)
	s.exit.announcedUntil = passed(s.exit.announcedUntil, now)
	if s.exit.state != ExitActive || s.exit.stuck {
		s.exit.since = 0
	}
	s.promises.retry = passed(s.promises.retry, now)
	s.wanted.waiters = withoutTimes(s.wanted.waiters)
	if s.motion != nil {
		m := *s.motion
		m.since, m.waiters = 0, withoutTimes(m.waiters)
		m.before.retry = passed(m.before.retry, now)
		if w.lineWant == "" {
			m.before = promises{} // needed only if setting the lines fails
		}
		s.motion = &m
	}

	if w.movedAt+w.set.minInterval <= now {
		c.movedAt = 0
	}
	if w.door != DoorClosed || w.closedAt+w.set.settle <= now {
		c.closedAt = 0
	}
	c.unlockedTo, c.exitTo = passed(c.unlockedTo, now), passed(c.exitTo, now)
	if !c.energised {
		c.since = 0
	}
	if c.exitTo != never {
		c.exitSince = 0
	}
	return c
}

func passed(at, now time.Duration) time.Duration {
	if at <= now {
		return 0
	}
	return at
}

func withoutTimes(waiters []waiter) []waiter {
	waiters = slices.Clone(waiters)
	for i := range waiters {
		waiters[i].asked = 0
	}
	return waiters
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	stringType   = reflect.TypeFor[string]()
	// omitted lists the types that encodeValue leaves out.
	omitted = []reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[Last](), reflect.TypeFor[Tuning]()}
)

func encodeValue(b []byte, v reflect.Value, now time.Duration) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, '1')
		}
		return append(b, '0')
	case reflect.Int:
		return append(b, byte(v.Int()))
	case reflect.Int64:
		if v.Type() == durationType {
			return encodeTime(b, time.Duration(v.Int()), now)
		}
		return append(b, byte(v.Int()))
	case reflect.String:
		if v.Type() != stringType { // one of a few words, such as a position
			return append(append(b, v.String()...), ',')
		}
		if v.Len() > 0 { // a text: encode only whether it is empty
			return append(b, 't')
		}
		return append(b, '-')
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, '0')
		}
		return encodeValue(append(b, '*'), v.Elem(), now)
	case reflect.Slice, reflect.Array:
		b = append(b, '[')
		for i := range v.Len() {
			b = encodeValue(b, v.Index(i), now)
		}
		return append(b, ']')
	case reflect.Struct:
		if slices.Contains(omitted, v.Type()) {
			return b
		}
		for i := range v.NumField() {
			b = encodeValue(b, v.Field(i), now)
		}
		return b
	}
	panic("cannot encode " + v.Type().String())
}

func encodeTime(b []byte, d, now time.Duration) []byte {
	if d == never {
		return append(b, 'n')
	}
	ticks := max(-clamp, min(clamp, (d-now)/exploreTick))
	return append(b, byte('A'+ticks+clamp))
}

// waitEvent advances the simulated time.
type waitEvent time.Duration

// world is the machine together with the simulated door, its sensors and its callers.
type world struct {
	set   *settings
	now   time.Duration
	state state
	door  DoorState // the door sensor's last reading
	exit  ExitState
	monitor
}

// monitor holds the facts about earlier steps that the invariants need.
type monitor struct {
	open       [3]open       // commands without an answer
	onDisk     Record        // last saved record
	unlockedTo time.Duration // end of the time in which a released door may open
	exitTo     time.Duration // end of the time in which the door may open after an exit
	exitSince  time.Duration // when the exit input became active
	lockdown   bool
	awaited    bool // a lock has been promised since the last lock
	known      DoorState
	lineWant   Position // target of the last action on the lines, until its result arrives
	opening    bool     // the next event is the result of openLines
	idling     bool
	energised  bool
	since      time.Duration // time at which the line was energised
	mayFail    bool          // switching the line off has failed
	movedAt    time.Duration // start of the minimum interval: the last motion, in Pulse mode the end of the last pulse
	closedAt   time.Duration // time at which the door was last seen to close
}

// open is a command without an answer.
type open struct {
	id       int64
	target   Position
	release  bool // an unlock with a time limit
	lockdown bool // an unlock that was sent during lockdown
	replaced bool // an unlock whose hold or release lockdown has ended
	waits    bool // a lock that waits until the door is closed
}

// events returns all events that can happen in the world's current state.
func (w *world) events(c exploreConfig) []event {
	var errs []error
	errs = append(errs, nil)
	if c.faults == 1 {
		errs = append(errs, errors.New("busy"), ErrLinesGone)
	}

	// The result of an action on the lines is always the next event.
	var outcomes []event
	for _, err := range errs {
		switch {
		case w.opening && err != nil:
			outcomes = append(outcomes, opened{err: err})
		case w.opening && w.set.mode != Hold:
			outcomes = append(outcomes, opened{})
		case w.opening:
			outcomes = append(outcomes, opened{level: w.lineWant})
		case w.idling:
			outcomes = append(outcomes, idled{err})
		case w.lineWant != "":
			outcomes = append(outcomes, driven{err})
		}
	}
	if len(outcomes) > 0 {
		return outcomes
	}

	all := []event{waitEvent(exploreTick), lockdownSet{0, !w.lockdown}}
	if id := w.freeID(); id > 0 {
		all = append(all,
			command{id, Command{Name: "lockDoor", Origin: Remote, Target: Locked}},
			command{id, Command{Name: "lockDoor", Origin: Remote, Target: Locked, WhenClosed: true}},
			command{id, Command{Name: "unlockDoor", Origin: Remote, Target: Unlocked, For: 2 * exploreTick}},
		)
		if w.set.mode != Pulse {
			all = append(all, command{id, Command{Name: "unlockDoor", Origin: Remote, Target: Unlocked}})
		}
	}
	if w.set.sensor {
		for _, p := range []Position{Locked, Unlocked, Unknown} {
			all = append(all, reading{p})
		}
	}
	if w.set.doorSensor {
		for _, d := range []DoorState{DoorOpen, DoorClosed, DoorUnknown} {
			if d != w.door {
				all = append(all, doorReading{d})
			}
		}
	}
	if c.exit > 0 {
		for _, e := range []ExitState{ExitActive, ExitIdle} {
			if e != w.exit {
				all = append(all, exitReading{e})
			}
		}
	}
	return all
}

// freeID returns the lowest unused command id, or 0 if all ids are in use.
func (w *world) freeID() int64 {
	for id := int64(1); id <= 2; id++ {
		if w.open[id].id == 0 {
			return id
		}
	}
	return 0
}

// apply updates the monitor with an event.
func (w *world) apply(e event) {
	switch e := e.(type) {
	case command:
		w.open[e.id] = open{id: e.id, target: e.Target, release: e.For > 0, lockdown: e.Target == Unlocked && w.lockdown, waits: e.WhenClosed}
		w.awaited = w.awaited || e.Target == Unlocked && e.For > 0 || e.WhenClosed
	case doorReading:
		w.door = e.door
		if e.door == DoorClosed && w.known == DoorOpen {
			w.closedAt = w.now
		}
	case exitReading:
		w.exit = e.exit
		w.awaited = w.awaited || e.exit == ExitActive && !w.set.exitShunts
	case lockdownSet:
		w.lockdown = e.on
		for i, o := range w.open {
			w.open[i].replaced = o.target == Unlocked && (o.replaced || e.on)
		}
		w.awaited = w.awaited || e.on
	}
}

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
		return "locked a door that nobody has looked at"
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
