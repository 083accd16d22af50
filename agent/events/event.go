package events

import (
	"time"

	"github.com/latchd/latchd/actuator"
)

// Event is an event at the door that the agent sends to the hub. Its JSON form is the
// body of the message to the hub, and also a line of the events file. JSON members
// without a meaning for an event are omitted.
type Event struct {
	Seq  uint64    `json:"seq"`   // sequence number; unique and increasing within one state directory
	Kind string    `json:"event"` // an actuator.EventKind or Started
	At   time.Time `json:"at"`

	Position string `json:"position,omitempty"` // position of the bolt
	Source   string `json:"source,omitempty"`
	Cause    string `json:"cause,omitempty"`  // what moved the bolt or the door, if no command did
	Unseen   bool   `json:"unseen,omitempty"` // it happened while no agent was running
	// OpenSeconds is the time for which the door was open. Only the event doorClosed
	// has it.
	OpenSeconds float64 `json:"openSeconds,omitempty"`

	// Name is the name of the method in an event of the kind command. In other events,
	// Command is the method that caused the event.
	Name    string `json:"name,omitempty"`
	Command string `json:"command,omitempty"`
	By      string `json:"by,omitempty"` // the person who asked, as they claim
	Reason  string `json:"reason,omitempty"`
	Origin  string `json:"origin,omitempty"`

	Status  int    `json:"status,omitempty"`  // status of the method's answer, in events of the kind command
	Code    string `json:"code,omitempty"`    // why the command was refused
	Pending string `json:"pending,omitempty"` // what an accepted lock command waits for
	// Count is the number of equal events that this event stands for. 0 means one
	// event.
	Count int `json:"count,omitempty"`

	Version string `json:"version,omitempty"` // version of the agent, in the event started

	// Repeats marks a use of the exit while the door was still unlocked by an earlier
	// use.
	Repeats bool `json:"-"`
}

// Started is the kind of the event that reports a start of the agent. Package actuator
// defines all other kinds.
const Started = "started"

// isRoutine reports whether the event belongs in the queue of routine events.
func (e Event) isRoutine() bool {
	switch actuator.EventKind(e.Kind) {
	case actuator.EventLocked, actuator.EventUnlocked, actuator.EventDoorOpened, actuator.EventDoorClosed:
		return true
	}
	return false
}

// isRefusal reports whether the event reports a refused command.
func (e Event) isRefusal() bool { return e.Kind == string(actuator.EventCommand) && e.Code != "" }

// repeats reports whether the event is a repetition of the event last, which needs only
// a count. It is the same refused command, or another use of the exit while the door is
// still unlocked by an earlier use.
func (e Event) repeats(last Event) bool {
	equal := e.Kind == string(actuator.EventCommand) && last.Kind == e.Kind &&
		e.Name == last.Name && e.By == last.By && e.Reason == last.Reason && e.Origin == last.Origin && e.Code == last.Code
	return equal && (e.isRefusal() || e.Repeats)
}
