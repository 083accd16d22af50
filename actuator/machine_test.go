package actuator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(uptime time.Duration) moment { return moment{uptime, began.Add(uptime)} }

var withSensor = settings{waits: standardWaits, mode: Hold, sensor: true, confirmTimeout: 4 * time.Second, minInterval: time.Second, exitTime: 5 * time.Second, bootID: "boot-1"}

func unlock(id int64, relock time.Duration) command {
	return command{id, Command{Name: "unlockDoor", Target: Unlocked, For: relock}}
}

func lock(id int64) command { return command{id, Command{Name: "lockDoor", Target: Locked}} }

// show writes actions as a specification reads them.
func show(acts []action) string {
	var words []string
	for _, a := range acts {
		switch a := a.(type) {
		case setLines:
			words = append(words, "drive "+string(a.target))
		case openLines:
			words = append(words, strings.TrimSpace("open "+string(a.level)))
		case idleLines:
			words = append(words, "idle")
		case save:
			w := "save " + string(a.record.Position)
			if a.record.Motion != "" {
				w += " moving-to-" + string(a.record.Motion)
			}
			if a.record.Relock != nil {
				w += fmt.Sprintf(" relock@%s", a.record.Relock.Uptime)
			}
			words = append(words, w)
		case answer:
			if a.refusal != nil {
				words = append(words, fmt.Sprintf("answer %d %s", a.id, a.refusal.Code))
			} else {
				w := fmt.Sprintf("answer %d %s changed=%v confirmed=%v", a.id, a.result.Position, a.result.Changed, a.result.Confirmed)
				if a.result.Pending != "" {
					w += " pending=" + string(a.result.Pending)
				}
				if a.result.Held {
					w += " held"
				}
				words = append(words, w)
			}
		}
	}
	return strings.Join(words, "; ")
}

type happening struct {
	at   time.Duration
	what event
	want string
}

// begin is a lock whose lines were requested at level.
func begin(set settings, level Position, old Record, uptime time.Duration) state {
	s, _ := start(set, old, at(uptime))
	s, _ = step(set, s, opened{level: level}, at(uptime))
	return s
}

func run(t *testing.T, set settings, level Position, old Record, events []happening) state {
	t.Helper()
	s := begin(set, level, old, 0)
	for i, h := range events {
		var acts []action
		s, acts = step(set, s, h.what, at(h.at))
		if got := show(acts); got != h.want {
			t.Fatalf("event %d, %T at %s:\ngot  %s\nwant %s", i, h.what, h.at, got, h.want)
		}
	}
	return s
}

func TestMachine(t *testing.T) {
	const sec = time.Second
	locked := happening{0, reading{Locked}, "save locked"} // the first reading ends the start
	for name, tc := range map[string]struct {
		set    settings
		events []happening
		want   Position
		fault  string
	}{
		"lock when locked drives nothing": {withSensor, []happening{
			locked,
			{2 * sec, lock(1), "save locked; answer 1 locked changed=false confirmed=true"},
		}, Locked, ""},
		"unlock is confirmed by the sensor": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, driven{}, ""},
			{3 * sec, reading{Locked}, ""},
			{3 * sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
		}, Unlocked, ""},
		"a bolt that does not come is jammed": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{6 * sec, tick{}, "save jammed; answer 1 jammed"},
		}, Jammed, "the bolt sensor did not say unlocked within 4s"},
		"a jam clears when the bolt comes after all": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{6 * sec, tick{}, "save jammed; answer 1 jammed"},
			{7 * sec, reading{Unlocked}, "save unlocked"},
		}, Unlocked, ""},
		"the same target joins": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, unlock(2, 0), ""},
			{3 * sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true; answer 2 unlocked changed=true confirmed=true"},
		}, Unlocked, ""},
		"lock pre-empts unlock once the interval is over": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2500 * time.Millisecond, lock(2), ""},
			{3 * sec, tick{}, "drive locked; save moving moving-to-locked; answer 1 busy"},
			{4 * sec, reading{Locked}, "save locked; answer 2 locked changed=true confirmed=true"},
		}, Locked, ""},
		"unlock during lock is busy": {withSensor, []happening{
			{0, reading{Unlocked}, ""}, // still on the way to locked, where the line was requested
			{sec, unlock(1, 0), "save moving moving-to-locked; answer 1 busy"},
		}, Moving, ""},
		"unlock is busy while a lock waits": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, lock(2), ""},
			{2 * sec, unlock(3, 0), "save moving moving-to-unlocked; answer 3 busy"},
		}, Moving, ""},
		"unlock inside the interval is too soon, lock waits it out": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2100 * time.Millisecond, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{2200 * time.Millisecond, lock(2), ""},
			{3 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{3100 * time.Millisecond, reading{Locked}, "save locked; answer 2 locked changed=true confirmed=true"},
			{3999 * time.Millisecond, unlock(3, 0), "save locked; answer 3 too-soon"},
			{4 * sec, unlock(4, 0), "drive unlocked; save moving moving-to-unlocked"},
		}, Moving, ""},
		"a promised relock is on disk before the answer, and kept": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 30*sec), "drive unlocked; save moving moving-to-unlocked relock@32s"},
			{3 * sec, reading{Unlocked}, "save unlocked relock@32s; answer 1 unlocked changed=true confirmed=true"},
			{31 * sec, tick{}, ""},
			{32 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{33 * sec, reading{Locked}, "save locked"},
		}, Locked, ""},
		"the latest unlock decides on the relock": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 30*sec), "drive unlocked; save moving moving-to-unlocked relock@32s"},
			{3 * sec, reading{Unlocked}, "save unlocked relock@32s; answer 1 unlocked changed=true confirmed=true"},
			{10 * sec, unlock(2, 60*sec), "save unlocked relock@1m10s; answer 2 unlocked changed=false confirmed=true"},
			{20 * sec, unlock(3, 0), "save unlocked; answer 3 unlocked changed=false confirmed=true"},
			{90 * sec, tick{}, ""},
		}, Unlocked, ""},
		"also the latest that joins": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 30*sec), "drive unlocked; save moving moving-to-unlocked relock@32s"},
			{3 * sec, unlock(2, 60*sec), "save moving moving-to-unlocked relock@1m3s"},
			{4 * sec, unlock(3, 0), "save moving moving-to-unlocked"},
		}, Moving, ""},
		"a lock ends the promise": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 30*sec), "drive unlocked; save moving moving-to-unlocked relock@32s"},
			{3 * sec, reading{Unlocked}, "save unlocked relock@32s; answer 1 unlocked changed=true confirmed=true"},
			{5 * sec, lock(2), "drive locked; save moving moving-to-locked"},
			{6 * sec, reading{Locked}, "save locked; answer 2 locked changed=true confirmed=true"},
			{40 * sec, tick{}, ""},
		}, Locked, ""},
		"a bolt moved by hand is reported, not moved back": {withSensor, []happening{
			locked,
			{9 * sec, reading{Unlocked}, "save unlocked"},
		}, Unlocked, "the bolt went to unlocked without a command"},
		"a lock after that drives": {withSensor, []happening{
			locked,
			{9 * sec, reading{Unlocked}, "save unlocked"},
			{10 * sec, lock(1), "drive locked; save moving moving-to-locked"},
			{11 * sec, reading{Locked}, "save locked; answer 1 locked changed=true confirmed=true"},
		}, Locked, ""},
		"lines that cannot be driven": {withSensor, []happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, driven{fmt.Errorf("line busy")}, "save locked; answer 1 actuator-unavailable"},
		}, Locked, "the lock cannot be driven: line busy"},
		"a dead sensor at the start": {withSensor, []happening{
			{4 * sec, tick{}, "save jammed"},
		}, Jammed, "the bolt sensor did not say locked within 4s"},
		"without a sensor the position is assumed": {settings{waits: standardWaits, mode: Hold, minInterval: sec}, []happening{
			{2 * sec, unlock(1, 0), "drive unlocked; save locked moving-to-unlocked"},
			{2 * sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
		}, Unlocked, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := run(t, tc.set, Locked, Record{}, tc.events)
			if s.bolt.position != tc.want || s.faults() != tc.fault {
				t.Errorf("ends %s, fault %q; want %s, %q", s.bolt.position, s.faults(), tc.want, tc.fault)
			}
		})
	}
}

func TestStartKeepsPromiseOfThisBootOnly(t *testing.T) {
	for _, tc := range []struct {
		boot  string
		level Position
		want  string
	}{
		{"boot-1", Unlocked, "drive locked; save moving moving-to-locked"}, // overdue: at once
		{"boot-0", Unlocked, "save unlocked"},                              // before a reboot: at_power_on rules
		{"boot-1", Locked, "save locked"},                                  // locked already
	} {
		old := Record{Position: Unlocked, Level: Unlocked, Relock: &Promise{BootID: tc.boot, Uptime: 5 * time.Second}}
		s, _ := start(withSensor, old, at(10*time.Second))
		s, acts := step(withSensor, s, opened{level: tc.level}, at(10*time.Second))
		if !strings.Contains(tc.want, "drive") {
			_, acts = step(withSensor, s, reading{tc.level}, at(10*time.Second))
		}
		if got := show(acts); got != tc.want {
			t.Errorf("boot %s at %s: %q, want %q", tc.boot, tc.level, got, tc.want)
		}
	}
}

func TestAnAnswerSaysHowLongItsCommandTook(t *testing.T) {
	const sec = time.Second
	s := begin(withSensor, Locked, Record{}, 0)
	s, _ = step(withSensor, s, reading{Locked}, at(0))
	s, _ = step(withSensor, s, unlock(1, 0), at(2*sec))
	s, _ = step(withSensor, s, unlock(2, 0), at(4*sec)) // joins
	_, acts := step(withSensor, s, reading{Unlocked}, at(5*sec))
	if first, second := acts[1].(answer).result.Took, acts[2].(answer).result.Took; first != 3*sec || second != sec {
		t.Errorf("took %s and %s", first, second)
	}
}
