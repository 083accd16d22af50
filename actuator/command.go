package actuator

import (
	"fmt"
	"time"
)

// Command asks a lock to move its bolt.
type Command struct {
	Name   string   // the method that was called, such as lockDoor
	By     string   // the person who asked, as they claim; may be empty
	Reason string   // why they asked, in their own words; may be empty
	Origin Origin   // where the command came from
	Target Position // Locked or Unlocked

	// For limits an unlock: the lock promises to lock again after this time (a
	// release). 0 keeps the door unlocked until the next lock (a hold). In Pulse mode
	// it is the time for which the strike is energised, and 0 means the configured
	// pulse.
	For time.Duration
	// WhenClosed makes a lock of an open door a promise: the lock locks once the door
	// has been closed. Without it, an open door refuses the lock.
	WhenClosed bool
	// OverrideLockdown permits an unlock during lockdown.
	OverrideLockdown bool
}

// Origin tells where a command came from.
type Origin string

// The origins.
const (
	Remote   Origin = "remote"   // a direct method from the hub
	Local    Origin = "local"    // somebody at the gateway
	Exit     Origin = "exit"     // the exit input
	Relock   Origin = "relock"   // a promised lock
	Lockdown Origin = "lockdown" // the lockdown setting
)

// Result tells what a command did.
type Result struct {
	Position  Position // where the bolt is now
	Confirmed bool     // the bolt sensor confirms Position
	Changed   bool     // the lines were driven; false if the bolt was there already
	Took      time.Duration
	// Pending is set when the lock promised to lock later, and names what it waits for.
	Pending Pending
	// Held is set when a release changed nothing because the door is held unlocked.
	Held bool
}

// Pending names what a promised lock waits for.
type Pending string

// The reasons to wait.
const (
	PendingDoor Pending = "door" // the door must be closed first
	PendingExit Pending = "exit" // somebody is leaving; the door locks behind them
)

// Code names the reason why a command was refused.
type Code string

// The codes.
const (
	CodeBusy        Code = "busy"                 // another command is in motion
	CodeTooSoon     Code = "too-soon"             // the minimum interval has not passed
	CodeDoorOpen    Code = "door-open"            // an open door cannot be locked
	CodeLockdown    Code = "lockdown"             // lockdown forbids unlocking
	CodeJammed      Code = "jammed"               // the bolt sensor did not confirm in time
	CodeUnavailable Code = "actuator-unavailable" // the lines cannot be driven
)

// Refusal is the error of a command that was not carried out.
type Refusal struct {
	Code    Code
	Message string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Message, r.Code) }

// Last describes the last remote or local command.
type Last struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	Code   Code      `json:"code,omitempty"` // empty if the command was carried out
	// Pending is what a promised lock waits for.
	Pending Pending `json:"pending,omitempty"`
}
