package actuator

import "time"

// Record is the part of a lock's state that survives the end of the process. The lock
// saves it before it answers a command.
type Record struct {
	Level     Position  `json:"level"` // the level to which the lines were last driven
	Position  Position  `json:"position"`
	Source    Source    `json:"source"`
	ChangedAt time.Time `json:"changedAt"`
	// Motion is the target of a motion in progress. If a new process reads a record
	// with a Motion, the bolt's position is unknown until a sensor reports it.
	Motion Position `json:"motion,omitempty"`

	// Relock is the time at which the door locks again after an unlock.
	Relock *Promise `json:"relock,omitempty"`
	// Hold means that the door stays unlocked until the next lock command.
	Hold bool `json:"hold,omitempty"`
	// Pending is a lock command that waits until the door is closed.
	Pending  *PendingLock `json:"pending,omitempty"`
	Lockdown bool         `json:"lockdown,omitempty"`
	Last     *Last        `json:"last,omitempty"`

	// Seen is the state of the door and of its alarms.
	Seen Seen `json:"seen"`
}

// Promise is a time since boot. It is valid until the next reboot.
type Promise struct {
	BootID string        `json:"bootId"`
	Uptime time.Duration `json:"uptimeNs"` // on the boot-time clock
}

// PendingLock is a lock command that waits until the door is closed. It is valid until the
// next reboot.
type PendingLock struct {
	BootID string `json:"bootId"`
	Name   string `json:"name"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	Origin Origin `json:"origin"`
}

// Seen is the last known state of the door and of its alarms. The next process compares
// it with the sensors to detect changes while no process was running.
type Seen struct {
	Bolt          Position  `json:"bolt,omitempty"` // the position that the last event reported
	Door          DoorState `json:"door,omitempty"` // open or closed
	DoorChangedAt time.Time `json:"doorChangedAt,omitzero"`
	OpenSince     *Promise  `json:"openSince,omitempty"` // when the door was opened; nil if it is closed
	CountFrom     *Promise  `json:"countFrom,omitempty"` // when an unlock without a time limit ended while the door was open; else nil
	HeldOpen      bool      `json:"heldOpen,omitempty"`
	Forced        string    `json:"forced,omitempty"` // how the door was forced; empty once it has been secured
	LastForcedAt  time.Time `json:"lastForcedAt,omitzero"`
}
