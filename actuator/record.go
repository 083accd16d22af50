package actuator

import "time"

// Record is the part of a lock's state that outlives its process. The lock saves it
// before it answers a command.
type Record struct {
	Level     Position  `json:"level"` // the level to which the lines were last driven
	Position  Position  `json:"position"`
	Source    Source    `json:"source"`
	ChangedAt time.Time `json:"changedAt"`
	// Motion is the target of a motion in progress. If a new process finds it, the
	// position is unknown until a sensor reports it.
	Motion Position `json:"motion,omitempty"`

	// Relock is the end of a release.
	Relock *Promise `json:"relock,omitempty"`
	// Hold means that the door stays unlocked until the next lock.
	Hold bool `json:"hold,omitempty"`
	// Pending is a lock that waits for the door to close.
	Pending  *PendingLock `json:"pending,omitempty"`
	Lockdown bool         `json:"lockdown,omitempty"`
	Last     *Last        `json:"last,omitempty"`

	// Seen describes the door, and what events have told so far.
	Seen Seen `json:"seen"`
}

// Promise is a lock that was promised for a time. It is valid within one boot. After a
// reboot, the configured level at power-on applies.
type Promise struct {
	BootID string        `json:"bootId"`
	Uptime time.Duration `json:"uptimeNs"` // on the boot-time clock
}

// PendingLock is a lock that was promised for the time when the door has been closed.
type PendingLock struct {
	BootID string `json:"bootId"`
	Name   string `json:"name"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	Origin Origin `json:"origin"`
}

// Seen is the state of the door and of the alarms. It lets the next process tell what
// happened while no process was running.
type Seen struct {
	Bolt          Position  `json:"bolt,omitempty"` // Locked, Unlocked or Jammed, as the last event told
	Door          DoorState `json:"door,omitempty"` // open or closed
	DoorChangedAt time.Time `json:"doorChangedAt,omitzero"`
	OpenSince     *Promise  `json:"openSince,omitempty"` // when an open door was opened
	CountFrom     *Promise  `json:"countFrom,omitempty"` // when a hold of an open door ended
	HeldOpen      bool      `json:"heldOpen,omitempty"`
	Forced        string    `json:"forced,omitempty"` // how the door was forced, if it has not been secured since
	LastForcedAt  time.Time `json:"lastForcedAt,omitzero"`
}
