package agent

import (
	"time"

	"github.com/latchd/latchd/actuator"
)

// watchedJournal finds events in the records that a lock keeps. The records come
// one for each change, none is left out, also while there is no hub.
type watchedJournal struct {
	events  *Events
	next    actuator.Journal
	settled actuator.Position // the bolt's last place that was worth an event
	last    *actuator.Last
}

// Journal returns a journal that keeps records in next, and an event for each
// that is one. The event is written before the record: if the process ends
// between them, the event may come twice, and is not lost. old is the record of
// the process before.
func (e *Events) Journal(next actuator.Journal, old actuator.Record) actuator.Journal {
	return &watchedJournal{events: e, next: next, settled: old.Position, last: old.Last}
}

// Save is called by one goroutine, the lock's.
func (j *watchedJournal) Save(record actuator.Record, done func(error)) {
	if event, ok := j.eventOf(record); ok {
		j.events.Add(event)
	}
	j.events.after(func() { j.next.Save(record, done) })
}

// eventOf returns the event that a record is.
func (j *watchedJournal) eventOf(record actuator.Record) (Event, bool) {
	command := record.Last
	if command == j.last || command == nil || command.Code != "" {
		command = nil
	}
	j.last = record.Last
	if record.Position == j.settled {
		return Event{}, false
	}
	name := ""
	switch record.Position {
	case actuator.Locked:
		name = EventLocked
	case actuator.Unlocked:
		name = EventUnlocked
	case actuator.Jammed:
		name = EventJammed
	default: // moving, or not known: not yet a place
		return Event{}, false
	}
	j.settled = record.Position
	stray := name != EventJammed && record.Motion == "" && record.Position != record.Level
	if stray && (record.Level == actuator.Locked || record.Level == actuator.Unlocked) {
		name = EventForced
	}
	e := Event{Name: name, At: record.ChangedAt, Position: string(record.Position), Source: string(record.Source)}
	if command != nil {
		e.Command, e.Reason = command.Name, command.Reason
	}
	return e, true
}

// Door keeps the event of a door that was opened or closed.
func (e *Events) Door(open bool, at time.Time) {
	event := Event{Name: EventDoorClosed, At: at}
	if open {
		event.Name = EventDoorOpened
	}
	e.Add(event)
}
