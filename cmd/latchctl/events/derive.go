package events

import (
	"time"

	"github.com/latchd/latchd/cmd/latchctl/door"
)

// derive returns the events that explain the difference between two readings of a door.
// now is the time of the second reading.
func derive(before, after door.Door, now time.Time) []Event {
	var events []Event
	add := func(applies bool, e Event) {
		if applies {
			e.Time, e.DeviceID, e.Derived = now.UTC(), after.ID, true
			events = append(events, e)
		}
	}

	command := after.LastCommand
	add(command != before.LastCommand && command.Name != "", Event{Type: "command", Command: command.Name, Reason: command.Reason, Status: command.Status})

	add(after.Forced && !before.Forced, Event{Type: "forced", Position: after.Position})
	add(after.HeldOpen && !before.HeldOpen, Event{Type: "heldOpen"})
	add(after.ExitStuck && !before.ExitStuck, Event{Type: "exitStuck"})
	add(after.Lockdown && !before.Lockdown, Event{Type: "lockdownOn"})
	add(before.Lockdown && !after.Lockdown, Event{Type: "lockdownOff"})

	switch after.Position {
	case before.Position:
	case "locked", "unlocked", "jammed":
		add(before.Position != "", Event{Type: after.Position, Position: after.Position})
	}
	add(before.Closed && after.Open, Event{Type: "doorOpened"})
	add(before.Open && after.Closed, Event{Type: "doorClosed"})

	add(after.Connected && !before.Connected, Event{Type: "connected"})
	add(before.Connected && !after.Connected, Event{Type: "disconnected"})

	return events
}
