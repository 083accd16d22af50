package actuator

import (
	"errors"
	"testing"
	"time"
)

// The promise of a relock stays on disk until the lines are set to locked. If the
// process ends before that, the next process must carry out the relock.
func TestAPromiseIsKeptUntilItIsCarriedOut(t *testing.T) {
	const sec = time.Second
	slow := withSensor
	slow.minInterval = 10 * sec
	busy := errors.New("line busy")
	unlocked := []happening{
		{0, reading{Locked}, "save locked"},
		{2 * sec, unlock(1, 3*sec), "drive unlocked; save moving moving-to-unlocked relock@5s"},
		{2 * sec, driven{}, ""},
		{3 * sec, reading{Unlocked}, "save unlocked relock@5s; answer 1 unlocked changed=true confirmed=true"},
	}
	for name, tc := range map[string]struct {
		set    settings
		events []happening
	}{
		"due, and waiting for the interval": {slow, []happening{
			{5 * sec, tick{}, ""},
			{11 * sec, unlock(2, 0), "save unlocked relock@5s; answer 2 busy"},
			{12 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{12 * sec, driven{}, ""},
			{13 * sec, reading{Locked}, "save locked"},
		}},
		"a lock waits for the interval": {slow, []happening{
			{4 * sec, lock(2), ""},
			{12 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{12 * sec, driven{}, ""},
			{13 * sec, reading{Locked}, "save locked; answer 2 locked changed=true confirmed=true"},
		}},
		"a lock cannot be driven": {withSensor, []happening{
			{4 * sec, lock(2), "drive locked; save moving moving-to-locked"},
			{4 * sec, driven{busy}, "save unlocked relock@14s; answer 2 actuator-unavailable"},
			{14 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{14 * sec, driven{busy}, "save unlocked relock@24s"},
			{24 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{24 * sec, driven{}, ""},
			{25 * sec, reading{Locked}, "save locked"},
			{99 * sec, tick{}, ""},
		}},
		"a lock long before it cannot be driven": {withSensor, []happening{
			{4 * sec, unlock(2, 60*sec), "save unlocked relock@1m4s; answer 2 unlocked changed=false confirmed=true"},
			{5 * sec, lock(3), "drive locked; save moving moving-to-locked"},
			{5 * sec, driven{busy}, "save unlocked relock@1m4s; answer 3 actuator-unavailable"},
		}},
		"an unlock that cannot be driven promises nothing and takes nothing back": {withSensor, []happening{
			{4 * sec, reading{Locked}, "save locked relock@5s"}, // somebody turns the bolt by hand
			{4 * sec, unlock(2, 0), "drive unlocked; save moving moving-to-unlocked"},
			{4 * sec, driven{busy}, "save locked relock@5s; answer 2 actuator-unavailable"},
			{5 * sec, tick{}, "drive locked; save moving moving-to-locked"},
		}},
		"an unlock that is refused takes nothing back": {slow, []happening{
			{4 * sec, reading{Locked}, "save locked relock@5s"}, // somebody turns the bolt by hand
			{4 * sec, unlock(2, 0), "save locked relock@5s; answer 2 too-soon"},
		}},
		"the bolt was locked by hand: the line is not": {withSensor, []happening{
			{4 * sec, reading{Locked}, "save locked relock@5s"},
			{5 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{5 * sec, driven{}, "save locked"},
		}},
		"an unlock that jams relocks: the bolt may have moved": {withSensor, []happening{
			{4 * sec, reading{Locked}, "save locked relock@5s"},
			{4 * sec, unlock(2, 10*sec), "drive unlocked; save moving moving-to-unlocked relock@14s"},
			{8 * sec, tick{}, "save jammed relock@14s; answer 2 jammed"},
			{14 * sec, tick{}, "drive locked; save moving moving-to-locked"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, tc.set, Locked, Record{}, append(unlocked[:len(unlocked):len(unlocked)], tc.events...))
		})
	}
}

// A relock that becomes due ends its own unlock if the bolt has not arrived yet.
func TestARelockPreEmptsItsOwnUnlock(t *testing.T) {
	const sec = time.Second
	s := begin(withSensor, Locked, Record{}, 0)
	s, _ = step(withSensor, s, reading{Locked}, at(0))
	s, _ = step(withSensor, s, unlock(1, sec), at(2*sec))
	_, acts := step(withSensor, s, tick{}, at(3*sec))
	if got, want := show(acts), "drive locked; save moving moving-to-locked; answer 1 busy"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if refusal := acts[2].(answer).refusal; refusal.Message != "the door was locked again before the bolt had moved" {
		t.Errorf("the answer says %q", refusal.Message)
	}
}

// After a restart of the process without a reboot, the relock happens at the promised
// time since boot, even if the wall clock has changed.
func TestAPromiseOutlivesTheProcess(t *testing.T) {
	old := Record{Level: Unlocked, Position: Unlocked, Relock: &Promise{BootID: "boot-1", Uptime: 30 * time.Second}}
	wall := func(uptime time.Duration) moment { return moment{uptime, began.Add(-24 * time.Hour)} }
	s, _ := start(withSensor, old, wall(10*time.Second))
	s, acts := step(withSensor, s, opened{level: Unlocked}, wall(10*time.Second))
	if got := show(acts); got != "save moving moving-to-unlocked relock@30s" {
		t.Fatalf("at the start: %s", got)
	}
	s, _ = step(withSensor, s, reading{Unlocked}, wall(10*time.Second))
	if next, ok := s.next(withSensor); !ok || next != 30*time.Second {
		t.Fatalf("waits until %s, %v", next, ok)
	}
	_, acts = step(withSensor, s, tick{}, wall(30*time.Second))
	if got := show(acts); got != "drive locked; save moving moving-to-locked" {
		t.Errorf("at the deadline: %s", got)
	}
}
