package actuator

import (
	"errors"
	"testing"
	"time"
)

// A bolt sensor reports only changes. Its last reading is valid until the next one.
func TestWhatTheSensorSaidLast(t *testing.T) {
	const sec = time.Second
	locked := happening{0, reading{Locked}, "save locked"}
	for name, tc := range map[string]struct {
		events    []happening
		want      Position
		confirmed bool
		fault     string
	}{
		"a bolt that stands at the target is not waited for": {[]happening{
			locked,
			{9 * sec, reading{Unlocked}, "save unlocked"}, // somebody turns the bolt by hand
			{10 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{10 * sec, driven{}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
		}, Unlocked, true, boltForced}, // the alarm lasts until the bolt is locked again
		"a bolt that never left is found at its place": {[]happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, driven{}, ""},
			{3 * sec, lock(2), "drive locked; save moving moving-to-locked; answer 1 busy"},
			{3 * sec, driven{}, ""}, // the bolt may be moving, so the machine waits for its sensor
			{7 * sec, tick{}, "save locked; answer 2 locked changed=true confirmed=true"},
		}, Locked, true, ""},
		"lines that cannot be driven hide no bolt": {[]happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, driven{errors.New("line busy")}, "save locked; answer 1 actuator-unavailable"},
			{5 * sec, lock(2), "drive locked; save moving moving-to-locked"}, // the line's level is unknown after the failure, so it must be driven
			{5 * sec, driven{}, "save locked; answer 2 locked changed=true confirmed=true"},
		}, Locked, true, ""},
		"a reading does not explain lines that cannot be driven": {[]happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, driven{errors.New("line busy")}, "save locked; answer 1 actuator-unavailable"},
			{3 * sec, reading{Unlocked}, "save unlocked"},
		}, Unlocked, false, "the lock cannot be driven: line busy"},
		"a reading that is said again frees no jam": {[]happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{6 * sec, tick{}, "save jammed; answer 1 jammed"},
			{7 * sec, reading{Locked}, ""},
		}, Jammed, false, "the bolt sensor did not say unlocked within 4s"},
		"a bolt that bounces is where it came to rest": {[]happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{3 * sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
			{3 * sec, reading{Locked}, "save locked"},
			{3 * sec, reading{Unlocked}, "save unlocked"},
		}, Unlocked, true, ""},
		"a bolt that is moved and put back is well": {[]happening{
			locked,
			{2 * sec, reading{Unlocked}, "save unlocked"},
			{3 * sec, reading{Locked}, "save locked"},
		}, Locked, true, ""},
		"what it said before the drive and is heard behind it confirms nothing": {[]happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{2 * sec, driven{}, ""},
			{1900 * time.Millisecond, reading{Unlocked}, ""}, // somebody tampered with the bolt before the unlock
			{1950 * time.Millisecond, reading{Locked}, ""},
			{6 * sec, tick{}, "save jammed; answer 1 jammed"},
		}, Jammed, false, "the bolt sensor did not say unlocked within 4s"},
		"the reading comes with the deadline": {[]happening{
			locked,
			{2 * sec, unlock(1, 0), "drive unlocked; save moving moving-to-unlocked"},
			{6 * sec, reading{Unlocked}, "save unlocked; answer 1 unlocked changed=true confirmed=true"},
		}, Unlocked, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := run(t, withSensor, Locked, Record{}, tc.events)
			if s.bolt.position != tc.want || s.bolt.confirmed != tc.confirmed || s.faults() != tc.fault {
				t.Errorf("ends %s, confirmed %v, fault %q; want %s, %v, %q", s.bolt.position, s.bolt.confirmed, s.faults(), tc.want, tc.confirmed, tc.fault)
			}
		})
	}
}

func TestStart(t *testing.T) {
	const sec = time.Second
	before := began.Add(-time.Hour)
	noSensor := settings{waits: standardWaits, mode: Hold, minInterval: sec, bootID: "boot-1"}
	for name, tc := range map[string]struct {
		set       settings
		level     Position
		old       Record
		readings  []Position
		want      Position
		changedAt time.Time
	}{
		"the bolt stands where it stood": {withSensor, Locked, Record{Position: Locked, ChangedAt: before}, []Position{Locked}, Locked, before},
		"the bolt stands elsewhere":      {withSensor, Locked, Record{Position: Unlocked, ChangedAt: before}, []Position{Locked}, Locked, began},
		"the bolt goes there":            {withSensor, Locked, Record{Position: Locked, ChangedAt: before}, []Position{Unlocked, Locked}, Locked, began},
		"the sensor says nothing":        {withSensor, Locked, Record{Position: Locked, ChangedAt: before}, nil, Moving, began},
		"no sensor":                      {noSensor, Unlocked, Record{Position: Unlocked, ChangedAt: before}, nil, Unlocked, before},
		"no sensor, another level":       {noSensor, Locked, Record{Position: Unlocked, ChangedAt: before}, nil, Locked, began},
		"no sensor, interrupted":         {noSensor, Locked, Record{Position: Locked, Motion: Locked, ChangedAt: before}, nil, Unknown, began},
		"no sensor, interrupted before":  {noSensor, Locked, Record{Position: Unknown, ChangedAt: before}, nil, Unknown, before},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(tc.set, tc.level, tc.old, 0)
			for _, p := range tc.readings {
				s, _ = step(tc.set, s, reading{p}, at(0))
			}
			if s.bolt.position != tc.want || !s.bolt.changedAt.Equal(tc.changedAt) {
				t.Errorf("%s since %s, want %s since %s", s.bolt.position, s.bolt.changedAt, tc.want, tc.changedAt)
			}
			if s.output.level != tc.level {
				t.Errorf("level %s", s.output.level)
			}
		})
	}
}

// If the bolt's position is unknown, a command drives the lines even if they already
// have the right level.
func TestAnUnknownPositionIsDriven(t *testing.T) {
	noSensor := settings{waits: standardWaits, mode: Hold, minInterval: time.Second}
	for _, c := range []command{lock(1), unlock(1, 0)} {
		s := begin(noSensor, c.Target, Record{Motion: c.Target}, 0)
		_, acts := step(noSensor, s, c, at(time.Second))
		if len(acts) == 0 || acts[0] != action(setLines{c.Target}) {
			t.Errorf("%s: %s", c.Target, show(acts))
		}
	}
}
