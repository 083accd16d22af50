package actuator

import (
	"strings"
	"time"
)

// Position is where the bolt is.
type Position string

// The positions. Only Locked and Unlocked can be commanded.
const (
	Locked   Position = "locked"
	Unlocked Position = "unlocked"
	Moving   Position = "moving"
	Unknown  Position = "unknown"
	Jammed   Position = "jammed" // the bolt sensor did not confirm the last motion
)

// Source tells how the lock knows the bolt's position.
type Source string

// The sources of a position.
const (
	Sensor  Source = "sensor"
	Assumed Source = "assumed" // no bolt sensor is fitted
)

// Status describes the lock and its door at one moment.
type Status struct {
	Position  Position
	Source    Source
	Confirmed bool      // the bolt sensor confirms the commanded position
	ChangedAt time.Time // when Position last changed
	Secured   bool      // the bolt is locked and the door is not open
	Fault     string    // all present faults in words, separated by "; "; empty if there are none
	Last      *Last     // the last remote or local command; nil before the first

	Hold       bool      // the door stays unlocked until the next lock command
	ReleaseEnd time.Time // when the door locks again; zero if no time is set, and in Pulse mode
	Pending    bool      // a lock command waits for the door to close
	Lockdown   bool

	Door          DoorState // empty without a door sensor
	DoorChangedAt time.Time
	HeldOpen      bool      // the door has been open for longer than allowed
	Forced        bool      // the door or bolt was forced and has not been secured since
	LastForcedAt  time.Time // zero if the door was never forced

	ExitStuck bool // the exit input has been active for longer than 30 s
}

func (s *state) status() Status {
	return Status{
		Position: s.bolt.position, Source: s.bolt.source, Confirmed: s.bolt.confirmed,
		ChangedAt: s.bolt.changedAt, Secured: s.bolt.position == Locked && s.door.known != DoorOpen,
		Fault: s.faults(), Last: s.last,
		Hold: s.promises.hold, ReleaseEnd: s.promises.release.wallEnd, Pending: s.promises.pending.made, Lockdown: s.lockdown,
		Door: s.door.state, DoorChangedAt: s.door.changedAt, HeldOpen: s.door.heldOpen,
		Forced: s.forced.active, LastForcedAt: s.forced.at, ExitStuck: s.exit.stuck,
	}
}

const (
	doorUnreadable     = "the door sensor cannot be read"
	exitUnreadable     = "the exit input cannot be read"
	exitStuck          = "the exit input has been active for over 30s"
	relockWaitsForDoor = "the promised relock waits until the door is closed"
)

// faults lists the present faults in words, the most urgent first.
func (s *state) faults() string {
	var all []string
	note := func(present bool, text string) {
		if present {
			all = append(all, text)
		}
	}

	note(s.forced.active, s.forced.how)
	note(s.fault != "", s.fault)
	note(s.promises.release.overdue, relockWaitsForDoor)
	note(s.door.state == DoorUnknown, doorUnreadable)
	note(s.exit.state == ExitUnknown, exitUnreadable)
	note(s.exit.stuck, exitStuck)
	for _, input := range inputs {
		note(s.chattering[input], "the "+input.String()+" changes too often; check its contact and wiring")
	}

	return strings.Join(all, "; ")
}
