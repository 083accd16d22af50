package actuator

import (
	"hash/maphash"
	"reflect"
	"slices"
	"time"
)

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
