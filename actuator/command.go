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

	// For is the time after which an unlock ends and the lock locks the door again (a
	// release). 0 keeps the door unlocked until the next lock command (a hold). In
	// Pulse mode, For is the time for which the strike is energised; 0 selects the
	// configured pulse.
	For time.Duration
	// WhenClosed lets the lock accept a lock command while the door is open. It then
	// locks as soon as the door is closed. Without WhenClosed, it refuses the command.
	WhenClosed bool
	// OverrideLockdown permits an unlock during lockdown.
	OverrideLockdown bool
}

// Origin tells where a command came from.
type Origin string

// The sources of commands.
const (
	Remote   Origin = "remote"   // a direct method from the hub
	Local    Origin = "local"    // somebody at the gateway
	Exit     Origin = "exit"     // the exit input
	Relock   Origin = "relock"   // the lock's own timer: the door locks automatically
	Lockdown Origin = "lockdown" // the setting lockdown was switched on
)

// Result is the answer to a command that was not refused.
type Result struct {
	Position  Position // where the bolt is now
	Confirmed bool     // the bolt sensor confirms Position
	Changed   bool     // the command moved the bolt; false if the bolt was there already
	Took      time.Duration
	// Pending is set when the lock will execute the lock command later. It names what
	// the lock waits for.
	Pending Pending
	// Held is set when an unlock with a time limit changed nothing because an earlier
	// command keeps the door unlocked without a limit.
	Held bool
}

// Pending names what the lock waits for before it executes an accepted lock command.
type Pending string

// The causes of a wait.
const (
	PendingDoor Pending = "door" // the door must be closed first
	PendingExit Pending = "exit" // somebody is leaving; the door locks behind them
)

// Code names the reason why a command was refused.
type Code string

// The reasons to refuse a command.
const (
	CodeBusy        Code = "busy"                 // the bolt is moving for another command
	CodeTooSoon     Code = "too-soon"             // the minimum interval has not passed
	CodeDoorOpen    Code = "door-open"            // an open door cannot be locked
	CodeLockdown    Code = "lockdown"             // lockdown forbids unlocking
	CodeJammed      Code = "jammed"               // the bolt sensor did not confirm in time
	CodeUnavailable Code = "actuator-unavailable" // the GPIO lines cannot be set
)

// Refusal is the error for a command that the lock did not carry out.
type Refusal struct {
	Code    Code
	Message string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Message, r.Code) }

// Last describes the last command from the hub or from somebody at the gateway.
type Last struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	Code   Code      `json:"code,omitempty"` // empty if the command was carried out
	// Pending names what an accepted lock command still waits for.
	Pending Pending `json:"pending,omitempty"`
}
