package agent

import (
	"errors"
	"math"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent/events"
)

// Recorder saves a lock's events and its record (position and planned relock) on disk.
// It implements [actuator.Saver].
type Recorder struct {
	Store  *Store
	Events *events.Log // nil discards events
}

// Save implements [actuator.Saver]. It writes the events and then the record. If
// writing the events fails, it still writes the record.
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

// queuedEvent converts an event of the lock to the form that the agent sends to the
// hub.
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

// recordStart queues an event which tells the hub that the agent has started.
func recordStart(log *events.Log, version string, at time.Time) {
	log.Add([]events.Event{{Kind: events.Started, At: at, Version: version}}, func(error) {})
}
