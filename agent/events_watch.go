package agent

import (
	"time"

	"github.com/latchd/latchd/actuator"
)

// Observe finds events in what is known of the lock. It is called for each
// change, by one goroutine, also while there is no hub. What the bolt or the
// door did since the last event that is on disk, while there was no process or
// just before it ended, is an event too.
func (e *Events) Observe(status actuator.Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.status
	e.status = status
	e.observeBolt(before, status)
	e.observeDoor(status)
}

func (e *Events) observeBolt(before, now actuator.Status) {
	event := Event{At: now.ChangedAt, Position: string(now.Position), Source: string(now.Source)}
	switch now.Position {
	case actuator.Locked:
		event.Name = EventLocked
	case actuator.Unlocked:
		event.Name = EventUnlocked
	case actuator.Jammed:
		event.Name = EventJammed
	default: // moving, or not known: not yet a place
		return
	}
	again := now.Position == actuator.Jammed && before.Position == actuator.Moving
	moved := event.Position != e.events.found.Bolt || again
	first := e.events.found.Bolt == ""
	switch {
	case now.Forced && (moved || !before.Forced): // the bolt, or the door that it should have held
		event.Name = EventForced
		if !moved {
			event.At = now.DoorChangedAt
		}
	case !moved:
		return
	}
	if last := now.Last; last != nil && last != before.Last && (last.Code == "" || event.Name == EventJammed) {
		event.Command, event.Reason = last.Name, last.Reason
	}
	e.events.found.Bolt = event.Position
	if first && (event.Name == EventLocked || event.Name == EventUnlocked) {
		e.append(jsonLine(e.events.found)) // where it is found the first time is no event
		return
	}
	e.add(event)
}

func (e *Events) observeDoor(now actuator.Status) {
	event := Event{Name: EventDoorClosed, At: now.DoorChangedAt}
	switch now.Door {
	case actuator.DoorOpen:
		event.Name = EventDoorOpened
	case actuator.DoorClosed:
	default:
		return
	}
	first := e.events.found.Door == ""
	if event.Name == e.events.found.Door {
		return
	}
	e.events.found.Door = event.Name
	if first {
		e.append(jsonLine(e.events.found))
		return
	}
	e.add(event)
}

// Started keeps the event of an agent that has started.
func (e *Events) Started(version string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(Event{Name: EventStarted, At: at, Version: version})
}
