package actuator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// doorLock is a lock in hold mode with all sensors and an exit input that unlocks.
var doorLock = settings{
	waits: standardWaits, mode: Hold, atPowerOn: Locked, bootID: "boot-1", sensor: true, doorSensor: true,
	confirmTimeout: 4 * sec, minInterval: sec, exitTime: 5 * sec, settle: sec,
}

// change returns a copy of doorLock that f has changed.
func change(f func(*settings)) settings {
	set := doorLock
	f(&set)
	return set
}

// strike is a lock in pulse mode without a bolt sensor.
var strike = settings{
	waits: standardWaits, mode: Pulse, bootID: "boot-1", doorSensor: true, pulse: 500 * ms, maxEnergised: 10 * sec,
	minInterval: sec, exitTime: 5 * sec, settle: sec,
}

// showEvents formats the events of a step in the notation of the test tables.
func showEvents(acts []action) string {
	var words []string
	for _, a := range acts {
		var events []Event
		switch a := a.(type) {
		case save:
			events = a.events
		case remember:
			events = a.events
		}

		for _, e := range events {
			w := string(e.Kind)
			if e.Kind == EventCommand {
				w = strings.TrimSuffix(e.Command, "Door") + "-" + string(e.Origin)
			}
			for _, detail := range []string{e.Cause, string(e.Code), string(e.Pending)} {
				if detail != "" {
					w += ":" + detail
				}
			}
			if e.Unseen {
				w += ":unseen"
			}
			if e.Repeats {
				w += ":repeats"
			}
			if e.OpenFor > 0 {
				w += fmt.Sprintf(":%s", e.OpenFor)
			}
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// scene is one row of a test table: an input to the machine, and the expected actions
// and events.
type scene struct {
	at     time.Duration
	what   event
	does   string // expected actions without saves, in the notation of show
	events string
}

// doings formats the actions, without saves.
func doings(acts []action) string {
	var rest []action
	for _, a := range acts {
		if _, isSave := a.(save); !isSave {
			rest = append(rest, a)
		}
	}
	return show(rest)
}

func play(t *testing.T, set settings, past Record, scenes []scene) state {
	t.Helper()
	s, _ := start(set, past, at(0))
	for i, scene := range scenes {
		var acts []action
		s, acts = step(set, s, scene.what, at(scene.at))
		if does, events := doings(acts), showEvents(acts); does != scene.does || events != scene.events {
			t.Fatalf("scene %d, %T at %s:\ndoes  %s\nwant  %s\ntells %s\nwant  %s",
				i, scene.what, scene.at, does, scene.does, events, scene.events)
		}
	}
	return s
}

// lockedDoor returns the given scenes, preceded by scenes in which the door is closed
// and locked at 0 s.
func lockedDoor(rest ...scene) []scene {
	return append([]scene{
		{0, doorReading{DoorClosed}, "open locked", ""},
		{0, opened{level: Locked}, "", ""},
		{0, reading{Locked}, "", ""},
		{0, exitReading{ExitIdle}, "", ""},
	}, rest...)
}

// unlockedDoor is like lockedDoor, but the door is unlocked at 1 s.
func unlockedDoor(release time.Duration, rest ...scene) []scene {
	return lockedDoor(append([]scene{
		{sec, remote(1, unlock(1, release)), "drive unlocked", ""},
		{sec, driven{}, "", ""},
		{sec, reading{Unlocked}, "answer 1 unlocked changed=true confirmed=true", "unlocked unlock-remote"},
	}, rest...)...)
}

func remote(id int64, c command) command {
	c.id, c.Origin = id, Remote
	return c
}

func whenClosed(id int64) command {
	c := remote(id, lock(id))
	c.WhenClosed = true
	return c
}

func exits(s ExitState) exitReading { return exitReading{s} }

// TestWhatAnOpeningMeans tests each line of the table in packaging/doc/door.md that says which
// openings of the door raise an alarm.
func TestWhatAnOpeningMeans(t *testing.T) {
	manual := change(func(s *settings) { s.manual = true })
	strikeReady := []scene{
		{0, opened{}, "", ""},
		{0, doorReading{DoorClosed}, "", ""},
		{0, exitReading{ExitIdle}, "", ""},
	}
	for name, tc := range map[string]struct {
		set    settings
		past   Record
		scenes []scene
		forced bool
	}{
		"unlocked": {doorLock, Record{}, unlockedDoor(0, scene{2 * sec, doorReading{DoorOpen}, "", "doorOpened"}), false},
		"shortly after it was locked": {doorLock, Record{}, unlockedDoor(0,
			scene{3 * sec, remote(2, lock(2)), "drive locked", ""},
			scene{3 * sec, reading{Locked}, "answer 2 locked changed=true confirmed=true", "locked lock-remote"},
			scene{7 * sec, doorReading{DoorOpen}, "", "doorOpened"}), false},
		"long after it was locked": {doorLock, Record{}, unlockedDoor(0,
			scene{3 * sec, remote(2, lock(2)), "drive locked", ""},
			scene{3 * sec, reading{Locked}, "answer 2 locked changed=true confirmed=true", "locked lock-remote"},
			scene{9 * sec, doorReading{DoorOpen}, "", "forced"}), true},
		"moving": {doorLock, Record{}, lockedDoor(
			scene{sec, remote(1, unlock(1, 0)), "drive unlocked", ""},
			scene{sec, doorReading{DoorOpen}, "", "doorOpened"}), false},
		"jammed": {doorLock, Record{}, lockedDoor(
			scene{sec, remote(1, unlock(1, 0)), "drive unlocked", ""},
			scene{5 * sec, tick{}, "answer 1 jammed", "jammed unlock-remote:jammed"},
			scene{50 * sec, doorReading{DoorOpen}, "", "doorOpened"}), false},
		"locked, with a handle inside": {manual, Record{}, lockedDoor(scene{60 * sec, doorReading{DoorOpen}, "", "doorOpened:manual"}), false},
		"locked":                       {doorLock, Record{}, lockedDoor(scene{60 * sec, doorReading{DoorOpen}, "", "forced"}), true},
		"while the agent was down": {doorLock, Record{Seen: Seen{Door: DoorClosed, Bolt: Locked}}, []scene{
			{0, doorReading{DoorOpen}, "open unlocked", "doorOpened:unseen"},
		}, false},
		"found open the first time ever": {doorLock, Record{}, []scene{{0, doorReading{DoorOpen}, "open unlocked", ""}}, false},
		"closed while the agent was down": {doorLock, Record{Seen: Seen{Door: DoorOpen, Bolt: Locked}}, []scene{
			{0, doorReading{DoorClosed}, "open locked", "doorClosed:unseen"},
		}, false},

		"a strike that is energised": {strike, Record{}, append(strikeReady,
			scene{sec, remote(1, unlock(1, 3*sec)), "drive unlocked", ""},
			scene{sec, driven{}, "answer 1 unlocked changed=true confirmed=false", "unlocked unlock-remote"},
			scene{2 * sec, doorReading{DoorOpen}, "", "doorOpened"}), false},
		"a strike whose pulse has just ended": {strike, Record{}, append(strikeReady,
			scene{sec, remote(1, unlock(1, 0)), "drive unlocked", ""},
			scene{sec, driven{}, "answer 1 unlocked changed=true confirmed=false", "unlocked unlock-remote"},
			scene{1500 * ms, tick{}, "drive locked", ""},
			scene{1500 * ms, driven{}, "", "locked"},
			scene{6 * sec, doorReading{DoorOpen}, "", "doorOpened"}), false},
		"an idle strike is locked from the start": {strike, Record{}, append(strikeReady,
			scene{6 * sec, doorReading{DoorOpen}, "", "forced"}), true},
		"an exit that only announces": {change(func(s *settings) { s.exitShunts = true }), Record{}, lockedDoor(
			scene{60 * sec, exits(ExitActive), "", ""},
			scene{61 * sec, exits(ExitIdle), "", ""},
			scene{65 * sec, doorReading{DoorOpen}, "", "doorOpened"}), false},
		"an exit that was announced too long ago": {change(func(s *settings) { s.exitShunts = true }), Record{}, lockedDoor(
			scene{60 * sec, exits(ExitActive), "", ""},
			scene{61 * sec, exits(ExitIdle), "", ""},
			scene{66 * sec, doorReading{DoorOpen}, "", "forced"}), true},
		"an exit input that is stuck announces nothing": {change(func(s *settings) { s.exitShunts = true }), Record{}, lockedDoor(
			scene{60 * sec, exits(ExitActive), "", ""},
			scene{90 * sec, tick{}, "", "exitStuck"},
			scene{91 * sec, doorReading{DoorOpen}, "", "forced"}), true},
		"each opening is an alarm of its own": {doorLock, Record{}, lockedDoor(
			scene{60 * sec, doorReading{DoorOpen}, "", "forced"},
			scene{62 * sec, doorReading{DoorClosed}, "", "doorClosed:2s"},
			scene{70 * sec, doorReading{DoorOpen}, "", "forced"},
			scene{71 * sec, doorReading{DoorClosed}, "", "doorClosed:1s"},
			scene{80 * sec, doorReading{DoorOpen}, "", "forced"}), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, tc.set, tc.past, tc.scenes)
			if got := s.status().Forced; got != tc.forced {
				t.Errorf("forced = %v, want %v", got, tc.forced)
			}
		})
	}
}

// TestEventsOfTheBolt tests that motions of the bolt cause events by the same rules as
// openings of the door.
func TestEventsOfTheBolt(t *testing.T) {
	manual := change(func(s *settings) { s.manual = true })
	for name, tc := range map[string]struct {
		set    settings
		past   Record
		scenes []scene
	}{
		"where it is found first is no event": {doorLock, Record{}, lockedDoor()},
		"the first unlock ever is":            {doorLock, Record{}, unlockedDoor(0)},
		"a command to where it is": {doorLock, Record{}, lockedDoor(
			scene{sec, remote(1, lock(1)), "answer 1 locked changed=false confirmed=true", "lock-remote"})},
		"a jam, and another": {doorLock, Record{}, lockedDoor(
			scene{sec, remote(1, unlock(1, 0)), "drive unlocked", ""},
			scene{5 * sec, tick{}, "answer 1 jammed", "jammed unlock-remote:jammed"},
			scene{6 * sec, remote(2, unlock(2, 0)), "drive unlocked", ""},
			scene{10 * sec, tick{}, "answer 2 jammed", "jammed unlock-remote:jammed"})},
		"a refused command is told": {doorLock, Record{}, unlockedDoor(0,
			scene{1500 * ms, doorReading{DoorOpen}, "", "doorOpened"},
			scene{2 * sec, remote(2, lock(2)), "answer 2 door-open", "lock-remote:door-open"})},
		"a bolt that is forced and goes back": {doorLock, Record{}, lockedDoor(
			scene{9 * sec, reading{Unlocked}, "", "forced"},
			scene{12 * sec, reading{Locked}, "", "locked"})},
		"a thumb-turn": {manual, Record{}, lockedDoor(
			scene{9 * sec, reading{Unlocked}, "", "unlocked:manual"},
			scene{12 * sec, reading{Locked}, "", "locked"})},
		"what it did while no agent was running": {doorLock,
			Record{Level: Locked, Position: Locked, Seen: Seen{Bolt: Locked, Door: DoorClosed}}, []scene{
				{0, doorReading{DoorClosed}, "open locked", ""},
				{0, opened{level: Locked, kept: true}, "", ""},
				{0, reading{Unlocked}, "", "unlocked:unseen"},
			}},
		"a power-on that locks": {doorLock,
			Record{Level: Unlocked, Position: Unlocked, Seen: Seen{Bolt: Unlocked, Door: DoorClosed}}, []scene{
				{0, doorReading{DoorClosed}, "open locked", ""},
				{0, opened{level: Locked}, "", ""},
				{sec, reading{Locked}, "", "locked:powerOn"},
			}},
	} {
		t.Run(name, func(t *testing.T) { play(t, tc.set, tc.past, tc.scenes) })
	}
}

func TestReleaseAndHold(t *testing.T) {
	onClose := change(func(s *settings) { s.relockOnClose = true })
	for name, tc := range map[string]struct {
		set    settings
		scenes []scene
	}{
		"during a hold, a release changes nothing and says so": {doorLock, unlockedDoor(0,
			scene{2 * sec, remote(2, unlock(2, 2*sec)), "answer 2 unlocked changed=false confirmed=true held", "unlock-remote"},
			scene{60 * sec, tick{}, "", ""})},
		"a hold replaces a release": {doorLock, unlockedDoor(2*sec,
			scene{2 * sec, remote(2, unlock(2, 0)), "answer 2 unlocked changed=false confirmed=true", "unlock-remote"},
			scene{60 * sec, tick{}, "", ""})},
		"of two releases the later end wins": {doorLock, unlockedDoor(30*sec,
			scene{2 * sec, remote(2, unlock(2, 2*sec)), "answer 2 unlocked changed=false confirmed=true", "unlock-remote"},
			scene{4 * sec, tick{}, "", ""},
			scene{31 * sec, tick{}, "drive locked", ""},
			scene{32 * sec, reading{Locked}, "", "locked lock-relock"})},
		"relock on close, once the door has settled": {onClose, unlockedDoor(60*sec,
			scene{3 * sec, doorReading{DoorOpen}, "", "doorOpened"},
			scene{5 * sec, doorReading{DoorClosed}, "", "doorClosed:2s"},
			scene{5500 * ms, doorReading{DoorOpen}, "", "doorOpened"},
			scene{6 * sec, doorReading{DoorClosed}, "", "doorClosed:500ms"},
			scene{6900 * ms, tick{}, "", ""},
			scene{7 * sec, tick{}, "drive locked", ""})},
		"an unreadable door sensor means the timer": {onClose, unlockedDoor(10*sec,
			scene{3 * sec, doorReading{DoorOpen}, "", "doorOpened"},
			scene{5 * sec, doorReading{DoorUnknown}, "", ""},
			scene{8 * sec, tick{}, "", ""},
			scene{11 * sec, tick{}, "drive locked", ""})},
		"a release that ends while the door is open waits for it": {doorLock, unlockedDoor(5*sec,
			scene{3 * sec, doorReading{DoorOpen}, "", "doorOpened"},
			scene{6 * sec, tick{}, "", ""},
			scene{9 * sec, doorReading{DoorClosed}, "", "doorClosed:6s"},
			scene{10 * sec, tick{}, "drive locked", ""})},
		"a lock of an open door is promised": {doorLock, unlockedDoor(0,
			scene{2 * sec, doorReading{DoorOpen}, "", "doorOpened"},
			scene{3 * sec, whenClosed(2), "answer 2 unlocked changed=false confirmed=true pending=door", "lock-remote:door"},
			scene{4 * sec, remote(3, unlock(3, 20*sec)), "answer 3 unlocked changed=false confirmed=true", "unlock-remote"},
			scene{5 * sec, doorReading{DoorClosed}, "", "doorClosed:3s"},
			scene{7 * sec, tick{}, "", ""}, // no lock yet: the release (an unlock with a time limit) is in progress
			scene{24 * sec, tick{}, "drive locked", ""},
			scene{25 * sec, reading{Locked}, "", "locked lock-relock"})},
		"a hold cancels the promised lock": {doorLock, unlockedDoor(0,
			scene{2 * sec, doorReading{DoorOpen}, "", "doorOpened"},
			scene{3 * sec, whenClosed(2), "answer 2 unlocked changed=false confirmed=true pending=door", "lock-remote:door"},
			scene{4 * sec, remote(3, unlock(3, 0)), "answer 3 unlocked changed=false confirmed=true", "superseded unlock-remote"},
			scene{5 * sec, doorReading{DoorClosed}, "", "doorClosed:3s"},
			scene{60 * sec, tick{}, "", ""})},
		"a lock of a closed door does not wait for it to settle": {doorLock, unlockedDoor(0,
			scene{2 * sec, doorReading{DoorOpen}, "", "doorOpened"},
			scene{3 * sec, doorReading{DoorClosed}, "", "doorClosed:1s"},
			scene{3 * sec, whenClosed(2), "drive locked", ""})},
	} {
		t.Run(name, func(t *testing.T) { play(t, tc.set, Record{}, tc.scenes) })
	}
}

func TestExit(t *testing.T) {
	const no = ""
	for name, tc := range map[string]struct {
		set    settings
		scenes []scene
	}{
		"unlocks, and locks again behind the person": {doorLock, lockedDoor(
			scene{60 * sec, exits(ExitActive), "drive unlocked", no},
			scene{60 * sec, reading{Unlocked}, no, "unlocked unlock-exit"},
			scene{61 * sec, exits(ExitIdle), no, no},
			scene{62 * sec, doorReading{DoorOpen}, no, "doorOpened"},
			scene{64 * sec, doorReading{DoorClosed}, no, "doorClosed:2s"},
			scene{65 * sec, tick{}, "drive locked", no},
			scene{66 * sec, reading{Locked}, no, "locked lock-relock"})},
		"a second press in one release is told as a repetition": {doorLock, lockedDoor(
			scene{60 * sec, exits(ExitActive), "drive unlocked", no},
			scene{60 * sec, reading{Unlocked}, no, "unlocked unlock-exit"},
			scene{61 * sec, exits(ExitIdle), no, no},
			scene{62 * sec, exits(ExitActive), no, "unlock-exit:repeats"},
			scene{65 * sec, tick{}, no, no},
			scene{67 * sec, tick{}, "drive locked", no})},
		"an input that is active at the start unlocks nothing, and is stuck after 30 s": {doorLock, []scene{
			{0, doorReading{DoorClosed}, "open locked", no},
			{0, opened{level: Locked}, no, no},
			{0, reading{Locked}, no, no},
			{0, exits(ExitActive), no, no},
			{30 * sec, tick{}, no, "exitStuck"},
			{40 * sec, exits(ExitIdle), no, no},
			{41 * sec, exits(ExitActive), "drive unlocked", no},
		}},
		"nor does one after a read fault": {doorLock, lockedDoor(
			scene{60 * sec, exits(ExitUnknown), no, no},
			scene{61 * sec, exits(ExitActive), no, no})},
		"it pre-empts a lock in motion, which resumes afterwards": {doorLock, unlockedDoor(0,
			scene{10 * sec, remote(2, lock(2)), "drive locked", no},
			scene{10500 * ms, exits(ExitActive), no, no}, // waits for the minimum interval
			scene{11 * sec, tick{}, "drive unlocked; answer 2 moving changed=false confirmed=false pending=exit", "lock-remote:exit"},
			scene{11500 * ms, reading{Unlocked}, no, "unlock-exit"},
			scene{16 * sec, tick{}, "drive locked", no})},
		"and a lock that waits for the interval": {doorLock, unlockedDoor(0,
			scene{1500 * ms, remote(2, lock(2)), no, no},
			scene{1600 * ms, exits(ExitActive), "answer 2 unlocked changed=false confirmed=true pending=exit", "lock-remote:exit unlock-exit"})},
		"a lock while somebody leaves is promised": {doorLock, lockedDoor(
			scene{60 * sec, exits(ExitActive), "drive unlocked", no},
			scene{60200 * ms, remote(1, lock(1)), "answer 1 moving changed=false confirmed=false pending=exit", "lock-remote:exit"},
			scene{60500 * ms, reading{Unlocked}, no, "unlocked unlock-exit"},
			scene{65 * sec, tick{}, "drive locked", no})},
		"it changes nothing during a hold": {doorLock, unlockedDoor(0,
			scene{10 * sec, exits(ExitActive), no, "unlock-exit"},
			scene{60 * sec, exits(ExitIdle), no, no},
			scene{90 * sec, tick{}, no, no})},
		"it works in lockdown, and the door locks again": {doorLock, lockedDoor(
			scene{10 * sec, lockdownSet{on: true}, no, "lockdownOn lock-lockdown"},
			scene{11 * sec, remote(1, unlock(1, 0)), "answer 1 lockdown", "unlock-remote:lockdown"},
			scene{20 * sec, exits(ExitActive), "drive unlocked", no},
			scene{20 * sec, reading{Unlocked}, no, "unlocked unlock-exit"},
			scene{25 * sec, tick{}, "drive locked", no},
			scene{26 * sec, reading{Locked}, no, "locked lock-relock"})},
		"it uses the configured relock time": {doorLock, lockedDoor(
			scene{sec, tuned{Tuning: Tuning{AutoRelock: 20 * sec}}, no, no},
			scene{60 * sec, exits(ExitActive), "drive unlocked", no},
			scene{60 * sec, reading{Unlocked}, no, "unlocked unlock-exit"},
			scene{65 * sec, tick{}, no, no},
			scene{80 * sec, tick{}, "drive locked", no})},
		"it asks for lines that are not there": {doorLock, []scene{
			{0, doorReading{DoorClosed}, "open locked", no},
			{0, opened{err: ErrLinesGone}, no, no},
			{0, exits(ExitIdle), no, no},
			{sec, exits(ExitActive), "open unlocked", no},
			{sec, opened{level: Unlocked}, no, no},
			{sec, reading{Unlocked}, no, "unlocked unlock-exit"},
		}},
	} {
		t.Run(name, func(t *testing.T) { play(t, tc.set, Record{}, tc.scenes) })
	}
}

func TestLockdown(t *testing.T) {
	const no = ""
	override := remote(2, unlock(2, 5*sec))
	override.OverrideLockdown, override.Origin = true, Local
	for name, tc := range map[string]struct {
		set    settings
		past   Record
		scenes []scene
	}{
		"locks an unlocked door": {doorLock, Record{}, unlockedDoor(0,
			scene{10 * sec, lockdownSet{on: true}, "drive locked", "lockdownOn"},
			scene{11 * sec, reading{Locked}, no, "locked lock-lockdown"},
			scene{12 * sec, lockdownSet{on: true}, no, no},
			scene{13 * sec, lockdownSet{on: false}, no, "lockdownOff"})},
		"waits for an open door": {doorLock, Record{}, unlockedDoor(30*sec,
			scene{2 * sec, doorReading{DoorOpen}, no, "doorOpened"},
			scene{10 * sec, lockdownSet{on: true}, no, "lockdownOn"},
			scene{12 * sec, doorReading{DoorClosed}, no, "doorClosed:10s"},
			scene{13 * sec, tick{}, "drive locked", no},
			scene{14 * sec, reading{Locked}, no, "locked lock-lockdown"})},
		"ends without a motion": {doorLock, Record{}, unlockedDoor(0,
			scene{2 * sec, doorReading{DoorOpen}, no, "doorOpened"},
			scene{10 * sec, lockdownSet{on: true}, no, "lockdownOn"},
			scene{11 * sec, lockdownSet{on: false}, no, "lockdownOff"},
			scene{12 * sec, doorReading{DoorClosed}, no, "doorClosed:10s"},
			scene{60 * sec, tick{}, no, no})},
		"root may override it": {doorLock, Record{}, lockedDoor(
			scene{10 * sec, lockdownSet{on: true}, no, "lockdownOn lock-lockdown"},
			scene{20 * sec, override, "drive unlocked", no},
			scene{21 * sec, reading{Unlocked}, "answer 2 unlocked changed=true confirmed=true", "unlocked unlock-local"},
			scene{25 * sec, tick{}, "drive locked", no})},
		"a bolt turned by hand is not countered": {doorLock, Record{}, lockedDoor(
			scene{10 * sec, lockdownSet{on: true}, no, "lockdownOn lock-lockdown"},
			scene{20 * sec, reading{Unlocked}, no, "forced"},
			scene{60 * sec, tick{}, no, no})},
		"after a power cut, the last level is locked": {change(func(s *settings) { s.atPowerOn = "" }),
			Record{Level: Unlocked, Lockdown: true}, []scene{
				{0, doorReading{DoorClosed}, "open locked", no},
			}},
		"and a door that powers on unlocked stays so": {change(func(s *settings) { s.atPowerOn = Unlocked }),
			Record{Level: Unlocked, Position: Unlocked, Lockdown: true, Seen: Seen{Bolt: Unlocked}}, []scene{
				{0, doorReading{DoorClosed}, no, no},
				{0, opened{level: Unlocked}, no, no},
				{sec, reading{Unlocked}, no, no},
				{60 * sec, tick{}, no, no},
			}},
	} {
		t.Run(name, func(t *testing.T) { play(t, tc.set, tc.past, tc.scenes) })
	}
}

func TestHeldOpen(t *testing.T) {
	const no = ""
	held := tuned{Tuning: Tuning{HeldOpen: 10 * sec}}
	for name, tc := range map[string]struct {
		past   Record
		scenes []scene
		after  bool
	}{
		"one event for each opening": {Record{}, unlockedDoor(5*sec,
			scene{sec, held, no, no},
			scene{3 * sec, doorReading{DoorOpen}, no, "doorOpened"},
			scene{13 * sec, tick{}, no, "heldOpen"},
			scene{60 * sec, tick{}, no, no}), true},
		"a hold permits it, and its end starts the count": {Record{}, unlockedDoor(0,
			scene{sec, held, no, no},
			scene{3 * sec, doorReading{DoorOpen}, no, "doorOpened"},
			scene{60 * sec, tick{}, no, no},
			scene{61 * sec, whenClosed(2), "answer 2 unlocked changed=false confirmed=true pending=door", "lock-remote:door"},
			scene{70 * sec, tick{}, no, no},
			scene{71 * sec, tick{}, no, "heldOpen"}), true},
		"the count goes on across a restart": {
			Record{Seen: Seen{Door: DoorOpen, Bolt: Unlocked, OpenSince: &Promise{"boot-1", sec}}}, []scene{
				{5 * sec, held, "open locked", no}, // the door sensor has reported nothing for a second
				{5 * sec, doorReading{DoorOpen}, no, no},
				{9 * sec, tick{}, no, no},
				{11 * sec, tick{}, "open unlocked", "heldOpen"},
			}, true},
		"closing ends it": {Record{}, unlockedDoor(5*sec,
			scene{sec, held, no, no},
			scene{3 * sec, doorReading{DoorOpen}, no, "doorOpened"},
			scene{13 * sec, tick{}, no, "heldOpen"},
			scene{14 * sec, doorReading{DoorClosed}, no, "doorClosed:11s"}), false},
	} {
		t.Run(name, func(t *testing.T) {
			if s := play(t, doorLock, tc.past, tc.scenes); s.status().HeldOpen != tc.after {
				t.Errorf("held open = %v, want %v", s.status().HeldOpen, tc.after)
			}
		})
	}
}

// After a power-on in hold mode, the lock does not throw the bolt before it knows
// whether the door is open.
func TestColdStartLooksAtTheDoor(t *testing.T) {
	last := change(func(s *settings) { s.atPowerOn = "" })
	release := &Promise{BootID: "boot-0", Uptime: 30 * sec}
	for name, tc := range map[string]struct {
		set    settings
		past   Record
		scenes []scene
	}{
		"it waits for the first reading": {doorLock, Record{}, []scene{{0, doorReading{DoorClosed}, "open locked", ""}}},
		"but not for long":               {doorLock, Record{}, []scene{{999 * ms, tick{}, "", ""}, {sec, tick{}, "open locked", ""}}},
		"an open door is locked once it is closed": {doorLock, Record{}, []scene{
			{0, doorReading{DoorOpen}, "open unlocked", ""},
			{0, opened{level: Unlocked}, "", ""},
			{0, reading{Unlocked}, "", ""},
			{5 * sec, doorReading{DoorClosed}, "", "doorClosed:5s"},
			{6 * sec, tick{}, "drive locked", ""},
		}},
		"a release ended with the power": {last, Record{Level: Unlocked, Relock: release}, []scene{{0, doorReading{DoorClosed}, "open locked", ""}}},
		"a hold did not":                 {last, Record{Level: Unlocked, Hold: true}, []scene{{sec, opened{level: Unlocked}, "", ""}}},
	} {
		t.Run(name, func(t *testing.T) { play(t, tc.set, tc.past, tc.scenes) })
	}
}

// The lock still follows a sensor that changes too often, but the changes cause no
// events and no writes to disk.
func TestChatteringInput(t *testing.T) {
	s := play(t, doorLock, Record{}, unlockedDoor(0,
		scene{2 * sec, doorReading{DoorOpen}, "", "doorOpened"},
		scene{2 * sec, chatter{doorInput, true}, "", "chattering:door sensor"},
	))
	for _, state := range []DoorState{DoorClosed, DoorOpen, DoorClosed, DoorOpen} {
		var acts []action
		if s, acts = step(doorLock, s, doorReading{state}, at(3*sec)); len(acts) > 0 {
			t.Errorf("%s: %d actions, want none", state, len(acts))
		}
	}

	for _, scene := range []scene{
		{3 * sec, remote(2, lock(2)), "answer 2 door-open", "lock-remote:door-open"},
		{4 * sec, doorReading{DoorClosed}, "", ""},
		{20 * sec, chatter{doorInput, false}, "", "doorClosed"},
	} {
		var acts []action
		s, acts = step(doorLock, s, scene.what, at(scene.at))
		if doings(acts) != scene.does || showEvents(acts) != scene.events {
			t.Errorf("%T: does %q, tells %q", scene.what, doings(acts), showEvents(acts))
		}
	}
	if got := s.faults(); got != "" {
		t.Errorf("fault %q remains", got)
	}
}
