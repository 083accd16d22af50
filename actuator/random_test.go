package actuator

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestMachineInvariants drives the machine by chance and holds it to:
//   - the lines are driven only after a command for that target, or to locked
//     by a promised relock that is due;
//   - two drives are at least the minimum interval apart;
//   - a position other than moving and jammed is the sensor's last reading;
//   - every command is answered exactly once, in bounded time;
//   - what is on disk, or on the way there before an answer, is the state: its
//     position, its level and what it promises;
//   - a promise stands until the lines have been driven to locked, or until an
//     unlock that was carried out takes its place.
func TestMachineInvariants(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		randomLife(t, r)
	}
}

func randomLife(t *testing.T, r *rand.Rand) {
	set := withSensor
	now := time.Duration(0)
	level := []Position{Locked, Unlocked}[r.IntN(2)]
	bolt := []Position{Locked, Unlocked}[r.IntN(2)]
	s, acts := start(set, level, Record{}, at(now))
	var onDisk Record
	open := map[int64]Command{}
	lastDrive := -time.Hour
	var promised []time.Duration
	id, atRest := int64(0), false
	check := func(acts []action) {
		for _, a := range acts {
			switch a := a.(type) {
			case save:
				onDisk = a.record
			case drive:
				if now-lastDrive < set.minInterval {
					t.Fatalf("driven %s after the drive before", now-lastDrive)
				}
				lastDrive = now
				asked := false
				for _, c := range open {
					asked = asked || c.Target == a.target
				}
				due := slices.ContainsFunc(promised, func(d time.Duration) bool { return d <= now })
				if !asked && !(a.target == Locked && due) {
					t.Fatalf("driven to %s without a command or a promise", a.target)
				}
			case answer:
				c, ok := open[a.id]
				if !ok {
					t.Fatalf("command %d answered twice or never asked", a.id)
				}
				delete(open, a.id)
				if a.refusal == nil && a.result.Position != c.Target {
					t.Fatalf("%s answered with %s", c.Target, a.result.Position)
				}
				if !reflect.DeepEqual(onDisk, s.record(set)) {
					t.Fatalf("answered with %+v on disk, the state is %+v", onDisk, s)
				}
			}
		}
	}
	// happen makes one step, and what comes of its drive at once, as an owner does.
	happen := func(e event) {
		for e != nil {
			before := s.relock
			s, acts = step(set, s, e, at(now))
			check(acts)
			d, failed := e.(driven)
			if c, ok := e.(command); before.made && !s.relock.made && s.level != Locked && !(ok && c.Target == Unlocked) && !failed {
				t.Fatalf("%T lost the promise of %s", e, before.at)
			}
			if failed && d.err == nil && s.level == Locked {
				promised = nil
			}
			e = nil
			for _, a := range acts {
				if _, ok := a.(drive); ok {
					e = driven{}
					if r.IntN(5) == 0 && !atRest {
						e = driven{errors.New("line busy")}
					}
				}
			}
		}
		if !reflect.DeepEqual(onDisk, s.record(set)) {
			t.Fatalf("on disk is %+v, the state is %+v", onDisk, s)
		}
	}
	check(acts)
	for range 200 {
		now += time.Duration(r.Int64N(int64(1500 * time.Millisecond)))
		var e event
		switch n := r.IntN(10); {
		case n < 2:
			id++
			relock := time.Duration(r.Int64N(3)) * 2 * time.Second
			open[id] = Command{Target: Unlocked}
			if relock > 0 {
				promised = append(promised, now+relock)
			}
			e = unlock(id, relock)
		case n < 4:
			id++
			open[id] = Command{Target: Locked}
			e = lock(id)
		case n < 7:
			if r.IntN(4) > 0 {
				if s.level != Unknown {
					bolt = s.level // follows the line
				}
			} else if s.motion == nil {
				bolt = []Position{Locked, Unlocked}[r.IntN(2)] // moved by hand
			}
			e = reading{bolt}
		default:
			e = tick{}
		}
		happen(e)
		if s.motion == nil && s.sensed != "" && s.position != Jammed && s.position != bolt {
			t.Fatalf("reported %s, sensed %s", s.position, bolt)
		}
		if next, ok := s.next(set); ok && next <= now {
			t.Fatalf("a deadline of %s is left at %s", next, now)
		}
	}
	atRest = true
	for range 4 { // let it come to rest: nothing may stay unanswered
		if next, ok := s.next(set); ok {
			now = max(now, next)
			happen(tick{})
		}
	}
	if len(open) > 0 {
		t.Fatalf("%d commands without an answer", len(open))
	}
	if s.relock.made {
		t.Fatalf("the promise of %s is left at %s", s.relock.at, now)
	}
}
