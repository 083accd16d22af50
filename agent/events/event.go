package events

import (
	"time"

	"github.com/latchd/latchd/actuator"
)

// Event is an event at the door that the agent sends to the hub. Its JSON form is the
// body of the message and a line of the events file. JSON members that do not apply are
// omitted.
type Event struct {
	Seq  uint64    `json:"seq"`   // sequence number; unique and rising within one state directory
	Kind string    `json:"event"` // an actuator.EventKind or Started
	At   time.Time `json:"at"`

	Position string `json:"position,omitempty"` // of the bolt
	Source   string `json:"source,omitempty"`
	Cause    string `json:"cause,omitempty"`  // what moved the bolt or the door, if no command did
	Unseen   bool   `json:"unseen,omitempty"` // it happened while no agent was running
	// OpenSeconds is the time for which the door was open. Only the event doorClosed
	// has it.
	OpenSeconds float64 `json:"openSeconds,omitempty"`

	// Name is the method of the command that the event command reports. Command is the
	// method that caused an event of another kind.
	Name    string `json:"name,omitempty"`
	Command string `json:"command,omitempty"`
	By      string `json:"by,omitempty"` // the person who asked, as they claim
	Reason  string `json:"reason,omitempty"`
	Origin  string `json:"origin,omitempty"`

	Status  int    `json:"status,omitempty"`  // of the method's answer, in the event command
	Code    string `json:"code,omitempty"`    // why the command was refused
	Pending string `json:"pending,omitempty"` // what a promised lock waits for
	// Count is the number of equal events that this event replaces. 0 means one event.
	Count int `json:"count,omitempty"`

	Version string `json:"version,omitempty"` // of the agent, in the event started

	// Repeats marks an exit during which the door was already released by an earlier
	// exit.
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

// repeats reports whether the event adds nothing to the event last. It is then the same
// refusal, or another exit while the door is still released by an earlier exit.
func (e Event) repeats(last Event) bool {
	equal := e.Kind == string(actuator.EventCommand) && last.Kind == e.Kind &&
		e.Name == last.Name && e.By == last.By && e.Reason == last.Reason && e.Origin == last.Origin && e.Code == last.Code
	return equal && (e.isRefusal() || e.Repeats)
}
