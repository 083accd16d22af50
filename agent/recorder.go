package agent

import (
	"errors"
	"math"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent/events"
)

// Recorder keeps a lock's events and its record on disk. It implements
// [actuator.Saver].
type Recorder struct {
	Store  *Store
	Events *events.Log // nil discards the events
}

// Save implements [actuator.Saver]: the events reach the disk before the record. If the
// events cannot be written, the record is written nevertheless.
func (r Recorder) Save(record actuator.Record, lockEvents []actuator.Event, done func(error)) {
	save := func(eventsErr error) {
		r.Store.Update(func(state *State) { state.Lock = record }, func(err error) { done(errors.Join(eventsErr, err)) })
	}
	if r.Events == nil {
		save(nil)
		return
	}

	var queued []events.Event
	for _, e := range lockEvents {
		queued = append(queued, queuedEvent(e))
	}
	r.Events.Add(queued, save)
}

// queuedEvent returns an event of the lock in the form in which the hub gets it.
func queuedEvent(e actuator.Event) events.Event {
	queued := events.Event{
		Kind: string(e.Kind), At: e.Time,
		Position: string(e.Position), Source: string(e.Source), Cause: e.Cause, Unseen: e.Unseen,
		OpenSeconds: math.Round(e.OpenFor.Seconds()*10) / 10,
		By:          e.By, Reason: e.Reason, Origin: string(e.Origin),
		Code: string(e.Code), Pending: string(e.Pending), Repeats: e.Repeats,
	}

	if e.Kind != actuator.EventCommand {
		queued.Command = e.Command
		return queued
	}
	queued.Name, queued.Status = e.Command, statusOf(e.Code, e.Pending)
	return queued
}

// recordStart queues the event that the agent has started.
func recordStart(log *events.Log, version string, at time.Time) {
	log.Add([]events.Event{{Kind: events.Started, At: at, Version: version}}, func(error) {})
}
