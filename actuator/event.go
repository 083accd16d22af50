package actuator

import "time"

// Event is something that happened at the door. Which fields are set depends on
// the kind.
type Event struct {
	Kind EventKind
	Time time.Time

	Position Position // of the bolt, in events of the bolt
	Source   Source
	Cause    string        // CauseManual, CausePowerOn or empty
	Unseen   bool          // it happened while no agent was running
	OpenFor  time.Duration // DoorClosed: how long the door was open; 0 if not known

	// The command, in EventCommand and in events that a command caused.
	Command string
	By      string
	Reason  string
	Origin  Origin
	Code    Code    // EventCommand: why it was refused; empty if it was carried out
	Pending Pending // EventCommand: what a promised lock waits for
	// Repeats is set when the event repeats an earlier one that nobody needs to see
	// twice: an exit within the release of the previous exit.
	Repeats bool
}

// EventKind names what happened.
type EventKind string

// The kinds of events.
const (
	EventLocked      EventKind = "locked"
	EventUnlocked    EventKind = "unlocked"
	EventJammed      EventKind = "jammed"
	EventForced      EventKind = "forced" // the bolt or the door moved although the door was locked
	EventDoorOpened  EventKind = "doorOpened"
	EventDoorClosed  EventKind = "doorClosed"
	EventHeldOpen    EventKind = "heldOpen"
	EventCommand     EventKind = "command"
	EventSuperseded  EventKind = "superseded" // a hold cancelled a promised lock
	EventLockdownOn  EventKind = "lockdownOn"
	EventLockdownOff EventKind = "lockdownOff"
	EventExitStuck   EventKind = "exitStuck"
	EventChattering  EventKind = "chattering" // an input changes too often
)

// The causes of events that no command caused.
const (
	CauseManual  = "manual"  // a handle, a thumb-turn or a key
	CausePowerOn = "powerOn" // the configured level at power-on
)
