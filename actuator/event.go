package actuator

import "time"

// Event is something that happened at the door. The kind decides which fields are set.
type Event struct {
	Kind EventKind
	Time time.Time

	Position Position // the position of the bolt; empty in events of the door
	Source   Source
	Cause    string        // CauseManual, CausePowerOn or empty
	Unseen   bool          // it happened while no agent was running
	OpenFor  time.Duration // how long the door was open, in EventDoorClosed; 0 if not known

	// The command, in EventCommand and in events that a command caused.
	Command string
	By      string
	Reason  string
	Origin  Origin
	Code    Code    // why the command was refused, in EventCommand; empty if it was carried out
	Pending Pending // what a promised lock waits for, in EventCommand
	// Repeats is set when somebody uses the exit again before the door has locked after
	// the previous exit.
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
	EventSuperseded  EventKind = "superseded" // a command to keep the door unlocked cancelled a promised lock
	EventLockdownOn  EventKind = "lockdownOn"
	EventLockdownOff EventKind = "lockdownOff"
	EventExitStuck   EventKind = "exitStuck"
	EventChattering  EventKind = "chattering" // an input changes too often
)

// The causes of events that no command caused.
const (
	CauseManual  = "manual"  // somebody used a handle, a thumb-turn or a key
	CausePowerOn = "powerOn" // the line was requested at the level that the configuration demands at power-on
)
