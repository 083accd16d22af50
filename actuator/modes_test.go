package actuator

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

// with returns withSensor in another mode.
func with(mode Mode) settings {
	set := withSensor
	set.mode, set.pulse, set.maxEnergised = mode, 500*ms, 10*sec
	return set
}

func bare(mode Mode) settings {
	set := with(mode)
	set.sensor = false
	return set
}

type lifeSpec struct {
	set    settings
	old    Record
	events []happening
	want   Position
	fault  string
}

func runAll(t *testing.T, lives map[string]lifeSpec) {
	t.Helper()
	for name, l := range lives {
		t.Run(name, func(t *testing.T) {
			s, acts := start(l.set, l.old, at(0))
			for i, h := range append([]happening{{0, nil, show(acts)}}, l.events...) {
				if h.what != nil {
					s, acts = step(l.set, s, h.what, at(h.at))
				}
				if got := show(acts); got != h.want {
					t.Fatalf("event %d, %T at %s:\ngot  %s\nwant %s", i, h.what, h.at, got, h.want)
				}
			}
			if s.bolt.position != l.want || s.faults() != l.fault {
				t.Errorf("ends %s, fault %q; want %s, %q", s.bolt.position, s.faults(), l.want, l.fault)
			}
		})
	}
}

var (
	openedIdle = happening{0, opened{}, "save unknown"}
	// An idle strike is locked, even if no bolt sensor says so.
	openedStrike = happening{0, opened{}, "save locked"}
)

func TestPulse(t *testing.T) {
	lockedStrike := happening{0, reading{Locked}, "save locked"}
	runAll(t, map[string]lifeSpec{
		"nothing is driven at the start": {with(Pulse), Record{}, []happening{openedIdle}, Unknown, ""},
		"an unlock lets go after the pulse": {with(Pulse), Record{}, []happening{
			openedIdle, lockedStrike,
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{1100 * ms, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{1499 * ms, tick{}, ""},
			{1500 * ms, tick{}, "drive locked; save moving moving-to-locked"},
			{1500 * ms, driven{}, ""},
			{1600 * ms, reading{Locked}, "save locked"},
		}, Locked, ""},
		"or after the seconds that it asks for": {bare(Pulse), Record{}, []happening{
			openedStrike,
			{sec, unlock(1, 3*sec), "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
			{3 * sec, tick{}, ""},
			{4 * sec, tick{}, "drive locked; save unlocked moving-to-locked"},
			{4 * sec, driven{}, "save locked"},
		}, Locked, ""},
		"but never past the longest time, however often it is asked": {with(Pulse), Record{}, []happening{
			openedIdle, lockedStrike,
			{sec, unlock(1, 8*sec), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{8 * sec, unlock(2, 8*sec), "save unlocked; answer 2 unlocked changed=false confirmed=true"},
			{10 * sec, tick{}, ""},
			{11 * sec, tick{}, "drive locked; save moving moving-to-locked"},
		}, Moving, ""},
		"a lock ends it early, also within the interval": {with(Pulse), Record{}, []happening{
			openedIdle, lockedStrike,
			{sec, unlock(1, 8*sec), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{1100 * ms, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{1200 * ms, lock(2), "drive locked; save moving moving-to-locked"},
			{1200 * ms, driven{}, ""},
			{1300 * ms, reading{Locked}, "save locked; answer 2 locked changed=true confirmed=true"},
			{9 * sec, tick{}, ""},
		}, Locked, ""},
		"a lock of a locked strike changes nothing": {with(Pulse), Record{}, []happening{
			openedIdle, lockedStrike,
			{sec, lock(1), "save locked; answer 1 locked changed=false confirmed=true"},
		}, Locked, ""},
		"a strike that does not release is jammed when its pulse ends": {with(Pulse), Record{}, []happening{
			openedIdle, lockedStrike,
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{1500 * ms, tick{}, "drive locked; save moving moving-to-locked; answer 1 jammed"},
			{1500 * ms, driven{}, "save locked"}, // where it has been all the time
		}, Locked, "the bolt sensor did not say unlocked in the 500ms of the pulse"},
		"an unlock while the strike locks again is not busy, but waits for the interval": {with(Pulse), Record{}, []happening{
			openedIdle, lockedStrike,
			{sec, unlock(1, 2*sec), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{3 * sec, tick{}, "drive locked; save moving moving-to-locked"},
			{3 * sec, driven{}, ""},
			{3100 * ms, unlock(2, 0), "save moving moving-to-locked; answer 2 too-soon"},
			{4 * sec, unlock(3, 0), "drive unlocked; save moving moving-to-unlocked"},
		}, Moving, ""},
		"a line that cannot be let go is tried again and again": {bare(Pulse), Record{}, []happening{
			openedStrike,
			{sec, unlock(1, 0), "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
			{1500 * ms, tick{}, "drive locked; save unlocked moving-to-locked"},
			{1500 * ms, driven{errors.New("bus")}, "save unknown"},
			{1700 * ms, tick{}, "drive locked; save unknown moving-to-locked"},
			{1700 * ms, driven{}, "save locked"},
		}, Locked, "the lock cannot be driven: bus"},
		"an unlock meanwhile has its whole pulse": {bare(Pulse), Record{}, []happening{
			openedStrike,
			{60 * sec, lock(1), "drive locked; save locked moving-to-locked"},
			{60 * sec, driven{errors.New("bus")}, "save unknown; answer 1 actuator-unavailable"},
			{60100 * ms, unlock(2, 0), "drive unlocked; save unknown moving-to-unlocked"},
			{60100 * ms, driven{}, "save unlocked; answer 2 unlocked changed=true confirmed=false"},
			{60599 * ms, tick{}, ""},
			{60600 * ms, tick{}, "drive locked; save unlocked moving-to-locked"},
		}, Unlocked, ""},
		"but no more than the longest time since it was energised": {bare(Pulse), Record{}, []happening{
			openedStrike,
			{sec, unlock(1, 8*sec), "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
			{9 * sec, tick{}, "drive locked; save unlocked moving-to-locked"},
			{9 * sec, driven{errors.New("bus")}, "save unknown"},
			{9100 * ms, unlock(2, 8*sec), "drive unlocked; save unknown moving-to-unlocked"},
			{9100 * ms, driven{}, "save unlocked; answer 2 unlocked changed=true confirmed=false"},
			{10999 * ms, tick{}, ""},
			{11 * sec, tick{}, "drive locked; save unlocked moving-to-locked"},
		}, Unlocked, ""},
		"the interval also counts from the loss of the lines during the end of a pulse": {bare(Pulse), Record{}, []happening{
			openedStrike,
			{sec, unlock(1, 0), "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
			{1500 * ms, tick{}, "drive locked; save unlocked moving-to-locked"},
			{1500 * ms, driven{ErrLinesGone}, "save unknown"},
			{1600 * ms, unlock(2, 0), "open"},
			{1600 * ms, opened{}, "save locked; answer 2 too-soon"},
		}, Locked, ""},
		"a line that may be half set is let go at once": {bare(Pulse), Record{}, []happening{
			openedStrike,
			{sec, unlock(1, 0), "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{errors.New("bus")}, "drive locked; save unknown moving-to-locked; answer 1 actuator-unavailable"},
		}, Unknown, "the lock cannot be driven: bus"},
	})
}

func TestDual(t *testing.T) {
	lockedBolt := happening{0, reading{Locked}, "save locked"}
	runAll(t, map[string]lifeSpec{
		"a bolt that was moved stays, and its line is let go": {with(Dual), Record{}, []happening{
			openedIdle, lockedBolt,
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{1300 * ms, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{1500 * ms, tick{}, "idle"},
			{1500 * ms, idled{}, ""},
		}, Unlocked, ""},
		"the line is let go before the bolt has come": {with(Dual), Record{}, []happening{
			openedIdle, lockedBolt,
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{1500 * ms, tick{}, "idle"},
			{1500 * ms, idled{}, ""},
			{3 * sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
		}, Unlocked, ""},
		"a lock after an unlock has a pulse of its own": {with(Dual), Record{}, []happening{
			openedIdle, lockedBolt,
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{1100 * ms, lock(2), ""},
			{1500 * ms, tick{}, "idle"},
			{1500 * ms, idled{}, ""},
			{2 * sec, tick{}, "drive locked; save moving moving-to-locked; answer 1 busy"},
			{2 * sec, driven{}, ""},
			{2500 * ms, tick{}, "idle"},
		}, Moving, ""},
		"an assumed position is driven again": {bare(Dual), Record{}, []happening{
			openedIdle,
			{sec, lock(1), "drive locked; save unknown moving-to-locked"},
			{sec, driven{}, "save locked; answer 1 locked changed=true confirmed=false"},
			{1500 * ms, tick{}, "idle"},
			{1500 * ms, idled{}, ""},
			{3 * sec, lock(2), "drive locked; save locked moving-to-locked"},
			{3 * sec, driven{}, "save locked; answer 2 locked changed=true confirmed=false"},
		}, Locked, ""},
		"a promise of the process before is kept": {with(Dual),
			Record{Level: Unlocked, Position: Unlocked, Relock: &Promise{"boot-1", 9 * sec}}, []happening{
				{0, opened{}, "save unknown relock@9s"},
				{0, reading{Unlocked}, "save unlocked relock@9s"},
				{9 * sec, tick{}, "drive locked; save moving moving-to-locked relock@9s"},
			}, Moving, ""},
		"an interrupted motion is unknown": {bare(Dual), Record{Level: Locked, Position: Moving, Motion: Locked}, []happening{
			openedIdle,
		}, Unknown, ""},
		"a promise stands until the pulse that keeps it has ended": {bare(Dual),
			Record{Level: Unlocked, Position: Unlocked, Relock: &Promise{"boot-1", 9 * sec}}, []happening{
				{0, opened{}, "save unknown relock@9s"},
				{9 * sec, tick{}, "drive locked; save unknown moving-to-locked relock@9s"},
				{9 * sec, driven{}, "save locked relock@9s"},
				{9500 * ms, tick{}, "idle"},
				{9500 * ms, idled{}, "save locked"},
				{99 * sec, tick{}, ""},
			}, Locked, ""},
		"a relock that was cut short by the end of the process is done again": {bare(Dual),
			Record{Level: Locked, Position: Locked, Relock: &Promise{"boot-1", 9 * sec}}, []happening{
				{11 * sec, opened{}, "drive locked; save unknown moving-to-locked relock@9s"},
				{11 * sec, driven{}, "save locked relock@9s"},
				{11500 * ms, tick{}, "idle"},
				{11500 * ms, idled{}, "save locked"},
				{99 * sec, tick{}, ""},
			}, Locked, ""},
		"and one that was cut short by the loss of its lines": {bare(Dual),
			Record{Level: Unlocked, Position: Unlocked, Relock: &Promise{"boot-1", 9 * sec}}, []happening{
				{0, opened{}, "save unknown relock@9s"},
				{9 * sec, tick{}, "drive locked; save unknown moving-to-locked relock@9s"},
				{9 * sec, driven{}, "save locked relock@9s"},
				{9500 * ms, tick{}, "idle"},
				{9500 * ms, idled{ErrLinesGone}, ""},
				{15 * sec, tick{}, "open"},
				{15 * sec, opened{}, "drive locked; save unknown moving-to-locked relock@9s"},
			}, Unknown, ""},
		"an interrupted unlock is relocked as it promised": {with(Dual),
			Record{Level: Unlocked, Position: Moving, Motion: Unlocked, Relock: &Promise{"boot-1", 9 * sec}}, []happening{
				{0, opened{}, "save unknown relock@9s"},
				{0, reading{Unlocked}, "save unlocked relock@9s"},
				{9 * sec, tick{}, "drive locked; save moving moving-to-locked relock@9s"},
			}, Moving, ""},
		"but not in another boot": {with(Dual),
			Record{Level: Unlocked, Position: Moving, Motion: Unlocked, Relock: &Promise{"boot-0", 9 * sec}}, []happening{
				{0, opened{}, "save unknown"},
				{9 * sec, tick{}, ""},
			}, Unknown, ""},
		"a line that cannot be let go is tried again": {bare(Dual), Record{}, []happening{
			openedIdle,
			{sec, lock(1), "drive locked; save unknown moving-to-locked"},
			{sec, driven{}, "save locked; answer 1 locked changed=true confirmed=false"},
			{1500 * ms, tick{}, "idle"},
			{1500 * ms, idled{errors.New("bus")}, ""},
			{1700 * ms, tick{}, "idle"},
		}, Locked, "the lock cannot be driven: bus"},
	})
}

func TestKeptLine(t *testing.T) {
	before := began.Add(-time.Hour)
	runAll(t, map[string]lifeSpec{
		"nothing is driven, and the bolt is where it was": {withSensor,
			Record{Level: Locked, Position: Locked, Source: Sensor, ChangedAt: before}, []happening{
				{0, opened{level: Locked, kept: true}, "save unknown"},
				{0, reading{Locked}, "save locked"},
			}, Locked, ""},
		"without a sensor it is still assumed": {settings{waits: standardWaits, mode: Hold},
			Record{Level: Unlocked, Position: Unlocked, Source: Assumed, ChangedAt: before}, []happening{
				{0, opened{level: Unlocked, kept: true}, ""},
			}, Unlocked, ""},
		"a motion that was interrupted is followed": {withSensor,
			Record{Level: Locked, Position: Moving, Source: Sensor, Motion: Locked}, []happening{
				{0, opened{level: Locked, kept: true}, ""},
				{sec, reading{Locked}, "save locked"},
			}, Locked, ""},
		"a bolt that was moved meanwhile is seen": {withSensor, Record{Level: Locked, Position: Locked}, []happening{
			{0, opened{level: Locked, kept: true}, "save unknown"},
			{0, reading{Unlocked}, "save unlocked"},
		}, Unlocked, "the bolt went to unlocked without a command"},
	})
}

func TestLinesThatAreNotThere(t *testing.T) {
	noChip := opened{err: errors.New("no chip")}
	gone := fmt.Errorf("chip: %w", ErrLinesGone)
	locked := Record{Level: Locked, Position: Locked, Relock: &Promise{"boot-1", 90 * sec}}
	last := withSensor
	last.atPowerOn = ""
	runAll(t, map[string]lifeSpec{
		"are asked for again, and nothing on disk is lost": {last, locked, []happening{
			{0, noChip, ""},
			{5 * sec, tick{}, "open locked"},
			{5 * sec, noChip, ""},
			{6 * sec, tick{}, ""},
		}, Unknown, "the lock cannot be driven: no chip"},
		"a command asks for them": {withSensor, Record{}, []happening{
			{0, noChip, ""},
			{sec, unlock(1, 30*sec), "open unlocked"},
			{sec, opened{level: Unlocked}, "save moving moving-to-unlocked relock@31s"},
			{2 * sec, reading{Unlocked}, "save unlocked relock@31s; answer 1 unlocked changed=true confirmed=true"},
		}, Unlocked, ""},
		"and is refused if they are still not there": {withSensor, Record{}, []happening{
			{0, noChip, ""},
			{sec, lock(1), "open locked"},
			{sec, noChip, "save ; answer 1 actuator-unavailable"},
		}, Unknown, "the lock cannot be driven: no chip"},
		"nor do they lock a door that is open": {withSensor, Record{}, []happening{
			{0, noChip, ""},
			{0, doorReading{DoorOpen}, ""},
			{sec, lock(1), "save ; answer 1 door-open"},
			{2 * sec, unlock(2, 0), "open unlocked"},
		}, Unknown, "the lock cannot be driven: no chip"},
		"a pulse is driven once they are there": {bare(Pulse), Record{}, []happening{
			{0, noChip, ""},
			{sec, unlock(1, 0), "open"},
			{sec, opened{}, "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
		}, Unlocked, ""},
		"they may be lost, with the promise kept": {settings{waits: standardWaits, mode: Hold, bootID: "boot-1"}, Record{}, []happening{
			{0, opened{level: Locked}, "save locked"},
			{sec, unlock(1, 20*sec), "drive unlocked; save locked moving-to-unlocked relock@21s"},
			{sec, driven{}, "save unlocked relock@21s; answer 1 unlocked changed=true confirmed=false"},
			{21 * sec, tick{}, "drive locked; save unlocked moving-to-locked"},
			{21 * sec, driven{gone}, "save unknown relock@31s"},
			{26 * sec, tick{}, "open locked"},
			{26 * sec, opened{level: Unlocked, kept: true}, "save unknown relock@31s"},
			{31 * sec, tick{}, "drive locked; save unknown moving-to-locked"},
		}, Unknown, ""},
		"who waits for the bolt when they are lost is told": {with(Dual), Record{}, []happening{
			openedIdle, {0, reading{Locked}, "save locked"},
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{sec, driven{}, ""},
			{1200 * ms, lock(2), ""},
			{1500 * ms, tick{}, "idle"},
			{1500 * ms, idled{gone}, "save moving moving-to-unlocked; answer 1 actuator-unavailable; answer 2 actuator-unavailable"},
			{2 * sec, tick{}, ""},
			{3 * sec, reading{Unlocked}, ""},
			{6500 * ms, tick{}, "open"},
			{6500 * ms, opened{}, "save unlocked"},
			{9 * sec, tick{}, ""},
		}, Unlocked, ""},
		"also by bolts that have a line for each direction": {bare(Dual), Record{}, []happening{
			openedIdle,
			{sec, unlock(1, 20*sec), "drive unlocked; save unknown moving-to-unlocked relock@21s"},
			{sec, driven{}, "save unlocked relock@21s; answer 1 unlocked changed=true confirmed=false"},
			{1500 * ms, tick{}, "idle"},
			{1500 * ms, idled{}, ""},
			{21 * sec, tick{}, "drive locked; save unlocked moving-to-locked relock@21s"},
			{21 * sec, driven{gone}, "save unknown relock@31s"},
			{26 * sec, tick{}, "open"},
			{26 * sec, opened{}, ""},
			{31 * sec, tick{}, "drive locked; save unknown moving-to-locked relock@31s"},
		}, Unknown, ""},
	})
}

func TestDoor(t *testing.T) {
	closed := happening{0, doorReading{DoorClosed}, ""}
	locked := happening{0, reading{Locked}, "save locked"}
	coldStart := happening{0, opened{level: Locked}, "save moving moving-to-locked"}
	runAll(t, map[string]lifeSpec{
		"an open door is not locked": {withSensor, Record{}, []happening{
			coldStart, locked, closed,
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{3 * sec, doorReading{DoorOpen}, ""},
			{4 * sec, lock(2), "save unlocked; answer 2 door-open"},
			{5 * sec, doorReading{DoorClosed}, ""},
			{5 * sec, lock(3), "drive locked; save moving moving-to-locked"},
		}, Moving, ""},
		"nor one that is opened while the lock waits": {withSensor, Record{}, []happening{
			coldStart, locked, closed,
			{sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{1100 * ms, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{1200 * ms, lock(2), ""},
			{1300 * ms, doorReading{DoorOpen}, "save unlocked; answer 2 door-open"},
			{2 * sec, tick{}, ""},
		}, Unlocked, ""},
		"a promised relock waits until it is closed": {withSensor, Record{}, []happening{
			coldStart, locked, closed,
			{sec, unlock(1, 5*sec), "drive unlocked; save moving moving-to-unlocked relock@6s"},
			{2 * sec, reading{Unlocked}, "save unlocked relock@6s; answer 1 unlocked changed=true confirmed=true"},
			{3 * sec, doorReading{DoorOpen}, ""},
			{6 * sec, tick{}, ""},
			{9 * sec, doorReading{DoorClosed}, "drive locked; save moving moving-to-locked"},
		}, Moving, ""},
		"nor does it wait any more when an unlock has taken it back": {withSensor, Record{}, []happening{
			coldStart, locked, closed,
			{sec, unlock(1, 5*sec), "drive unlocked; save moving moving-to-unlocked relock@6s"},
			{2 * sec, reading{Unlocked}, "save unlocked relock@6s; answer 1 unlocked changed=true confirmed=true"},
			{3 * sec, doorReading{DoorOpen}, ""},
			{6 * sec, tick{}, ""},
			{7 * sec, unlock(2, 0), "save unlocked; answer 2 unlocked changed=false confirmed=true"},
			{9 * sec, doorReading{DoorClosed}, ""},
		}, Unlocked, ""},
		"a door that opens while it is locked was forced": {withSensor, Record{}, []happening{
			coldStart, locked, closed,
			{9 * sec, doorReading{DoorOpen}, ""},
		}, Locked, "the door was opened while it was locked"},
		"but not one that was pulled during the pulse": {bare(Pulse), Record{}, []happening{
			openedStrike, closed,
			{sec, unlock(1, 0), "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
			{1500 * ms, tick{}, "drive locked; save unlocked moving-to-locked"},
			{1500 * ms, driven{}, "save locked"},
			{1600 * ms, doorReading{DoorOpen}, ""},
		}, Locked, ""},
		"a lock lets a strike go although the door is open": {bare(Pulse), Record{}, []happening{
			openedStrike, closed,
			{sec, unlock(1, 5*sec), "drive unlocked; save locked moving-to-unlocked"},
			{sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=false"},
			{2 * sec, doorReading{DoorOpen}, ""},
			{3 * sec, lock(2), "drive locked; save unlocked moving-to-locked; answer 2 door-open"},
			{3 * sec, driven{}, "save locked"},
		}, Locked, ""},
		"a sensor that cannot be read": {withSensor, Record{}, []happening{
			coldStart, locked, closed,
			{9 * sec, doorReading{DoorUnknown}, ""},
		}, Locked, "the door sensor cannot be read"},
		"and can be read again": {withSensor, Record{}, []happening{
			coldStart, locked, closed,
			{9 * sec, doorReading{DoorUnknown}, ""},
			{10 * sec, doorReading{DoorClosed}, ""},
		}, Locked, ""},
		"a bolt sensor that cannot be read": {withSensor, Record{}, []happening{
			coldStart, locked,
			{9 * sec, reading{Unknown}, "save unknown"},
		}, Unknown, "the bolt sensor cannot be read"},
	})
}
