package agent

import (
	"time"

	"github.com/latchd/latchd/actuator"
)

// Recorder keeps a lock's events and its record on disk. It implements
// [actuator.Saver].
type Recorder struct {
	Store  *Store
	Events *Events // nil discards the events
}

// Save implements [actuator.Saver].
func (r Recorder) Save(record actuator.Record, events []actuator.Event, done func(error)) {
	if r.Events != nil {
		r.Events.Add(events)
	}
	r.Store.Update(func(state *State) { state.Lock = record }, done)
}

// Add queues events of the lock.
func (e *Events) Add(events []actuator.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range events {
		e.add(Event{
			Name: string(event.Kind), At: event.Time,
			Position: string(event.Position), Source: string(event.Source),
			Command: event.Command, Reason: event.Reason,
		})
	}
}

// Started queues the event that an agent has started.
func (e *Events) Started(version string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(Event{Name: EventStarted, At: at, Version: version})
}
