package actuator

import "time"

// DoorState is what the door sensor says. It is empty where there is none.
type DoorState string

// The states of a door.
const (
	DoorOpen    DoorState = "open"
	DoorClosed  DoorState = "closed"
	DoorUnknown DoorState = "unknown" // its sensor cannot be read
)

// door is what is known of the door.
type door struct {
	state     DoorState
	changedAt time.Time
}

const (
	doorOpen       = "the door is open; close it, then lock it"
	doorUnreadable = "the door sensor cannot be read"
	relockWaits    = "the promised relock waits until the door is closed"
)

// openGrace is how long after the end of a pulse a door may be found open that
// was pulled while the strike was released.
const openGrace = 2 * time.Second

// doorUnheard reports whether there is a door sensor that has not spoken yet, as
// it does soon after the start. Until then the door may be open.
func (s state) doorUnheard(set settings) bool { return set.doorSensor && s.door.state == "" }

func (s state) onDoor(to DoorState, at moment) state {
	before := s.door.state
	if to == before {
		return s
	}
	s.door = door{to, at.wall}
	released := s.energised.hasEnded && at.uptime < s.energised.ended+openGrace
	if before == DoorClosed && to == DoorOpen && s.motion == nil && s.position == Locked && !released {
		s.fault, s.forced = "the door was opened while it was locked", true
	}
	switch {
	case to == DoorUnknown:
		s.fault, s.forced = doorUnreadable, false
	case s.fault == doorUnreadable:
		s.fault = ""
	}
	return s
}
