package agent

import (
	"time"

	"github.com/latchd/latchd/actuator"
)

// Observe queues the events that a new status of the lock implies. One goroutine
// calls it for every change, with or without a hub. Because Observe compares the
// status with the last sighting on disk, it also finds what bolt and door did while
// no process was running.
func (e *Events) Observe(status actuator.Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	previous := e.status
	e.status = status
	e.observeBolt(previous, status)
	e.observeDoor(status)
}

// observeBolt queues an event if the bolt has moved, jammed or been forced. The first
// position that a new state directory sees is no event.
func (e *Events) observeBolt(previous, now actuator.Status) {
	event := Event{At: now.ChangedAt, Position: string(now.Position), Source: string(now.Source)}
	switch now.Position {
	case actuator.Locked:
		event.Name = EventLocked
	case actuator.Unlocked:
		event.Name = EventUnlocked
	case actuator.Jammed:
		event.Name = EventJammed
	default: // moving or unknown: the bolt is at no position yet
		return
	}

	jammedAgain := now.Position == actuator.Jammed && previous.Position == actuator.Moving
	moved := event.Position != e.content.lastSeen.Bolt || jammedAgain
	first := e.content.lastSeen.Bolt == ""
	switch {
	case now.Forced && (moved || !previous.Forced):
		event.Name = EventForced
		if !moved { // the door was forced past a locked bolt
			event.At = now.DoorChangedAt
		}
	case !moved:
		return
	}

	if last := now.Last; last != nil && last != previous.Last && (last.Code == "" || event.Name == EventJammed) {
		event.Command, event.Reason = last.Name, last.Reason
	}

	e.content.lastSeen.Bolt = event.Position
	if first && (event.Name == EventLocked || event.Name == EventUnlocked) {
		e.append(jsonLine(e.content.lastSeen))
		return
	}
	e.add(event)
}

// observeDoor queues an event if the door has opened or closed. The first state that
// a new state directory sees is no event.
func (e *Events) observeDoor(now actuator.Status) {
	event := Event{Name: EventDoorClosed, At: now.DoorChangedAt}
	switch now.Door {
	case actuator.DoorOpen:
		event.Name = EventDoorOpened
	case actuator.DoorClosed:
	default:
		return
	}

	first := e.content.lastSeen.Door == ""
	if event.Name == e.content.lastSeen.Door {
		return
	}

	e.content.lastSeen.Door = event.Name
	if first {
		e.append(jsonLine(e.content.lastSeen))
		return
	}
	e.add(event)
}

// Started queues the event that an agent has started.
func (e *Events) Started(version string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(Event{Name: EventStarted, At: at, Version: version})
}
