package actuator

import (
	"fmt"
	"time"
)

// Position is where the bolt stands.
type Position string

// The positions of a lock. Only Locked and Unlocked can be commanded.
const (
	Locked   Position = "locked"
	Unlocked Position = "unlocked"
	Moving   Position = "moving"
	Unknown  Position = "unknown"
	Jammed   Position = "jammed"
)

// Source says how a position is known.
type Source string

// The sources of a position.
const (
	Sensor  Source = "sensor"
	Assumed Source = "assumed"
)

// Status is all that is known of the lock at one moment.
type Status struct {
	Position  Position
	Source    Source
	Confirmed bool      // the sensor says that the bolt is where it was sent
	ChangedAt time.Time // when Position last changed
	Fault     string    // what is wrong with the lock, in words; empty if nothing is
	Forced    bool      // the fault is that bolt or door moved without a command
	Last      *Last     // the last command; nil before the first

	Door          DoorState // empty without a door sensor
	DoorChangedAt time.Time
}

// Last is a command that was carried out or refused.
type Last struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	Code   Code      `json:"code,omitempty"` // empty if it was carried out
}

// Command asks for a motion.
type Command struct {
	Name   string   // what asked, such as a method's name
	Reason string   // why, in the words of who asked
	Target Position // Locked or Unlocked
	// Relock, for Unlocked, is after what time to lock again. 0 is never; in Pulse
	// it is the configured pulse.
	Relock time.Duration
}

// Result is what happened. Position is where the bolt is now.
type Result struct {
	Position  Position
	Confirmed bool // by the sensor
	Changed   bool // false: it stood there before, nothing was driven
	Took      time.Duration
}

// Code names a reason why a command was not carried out.
type Code string

// The reasons.
const (
	Busy        Code = "busy"                 // another command is in motion
	TooSoon     Code = "too-soon"             // inside the minimum interval between motions
	DoorIsOpen  Code = "door-open"            // a door that is open is not locked
	IsJammed    Code = "jammed"               // the sensor did not confirm in time
	Unavailable Code = "actuator-unavailable" // the lines cannot be driven
)

// Refusal is the error of a command that was not carried out.
type Refusal struct {
	Code    Code
	Message string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Message, r.Code) }

// Record is what has to outlive the process. It is written before a command is
// answered.
type Record struct {
	Level     Position  `json:"level"` // what the lines were last driven to
	Position  Position  `json:"position"`
	Source    Source    `json:"source"`
	ChangedAt time.Time `json:"changedAt"`
	// Motion is the target of a motion that has begun and not ended: found at
	// start, it says that the position cannot be known without a sensor.
	Motion Position `json:"motion,omitempty"`
	Relock *Promise `json:"relock,omitempty"`
	Last   *Last    `json:"last,omitempty"`
}

// Promise is a relock that was promised with an unlock. It holds within one
// boot; after a reboot the configuration says what happens at power-on.
type Promise struct {
	BootID string        `json:"bootId"`
	Uptime time.Duration `json:"uptimeNs"` // on the boot-time clock
}
