package events

import (
	"time"

	"github.com/latchd/latchd/actuator"
)

// Event is something that happened at the door and that the agent tells the hub. Its
// JSON form is the body of the message and a line of the file. Members that do not
// apply are missing.
type Event struct {
	Seq  uint64    `json:"seq"`   // sequence number; unique and rising within one state directory
	Kind string    `json:"event"` // an actuator.EventKind or Started
	At   time.Time `json:"at"`

	Position string `json:"position,omitempty"` // of the bolt
	Source   string `json:"source,omitempty"`
	Cause    string `json:"cause,omitempty"`  // what moved the bolt or the door, if no command did
	Unseen   bool   `json:"unseen,omitempty"` // it happened while no agent was running
	// OpenSeconds is how long the door was open, in the event doorClosed.
	OpenSeconds float64 `json:"openSeconds,omitempty"`

	// Name is the method of a command, in the event command. Command is the method that
	// caused another event.
	Name    string `json:"name,omitempty"`
	Command string `json:"command,omitempty"`
	By      string `json:"by,omitempty"` // the person who asked, as they claim
	Reason  string `json:"reason,omitempty"`
	Origin  string `json:"origin,omitempty"`

	Status  int    `json:"status,omitempty"`  // of the method's answer, in the event command
	Code    string `json:"code,omitempty"`    // why the command was refused
	Pending string `json:"pending,omitempty"` // what a promised lock waits for
	// Count is the number of equal events that this one stands for, if there are several.
	Count int `json:"count,omitempty"`

	Version string `json:"version,omitempty"` // of the agent, in the event started

	// Repeats marks an exit that belongs to the release of the exit before it.
	Repeats bool `json:"-"`
}

// Started is the kind of the event that the agent has started. All other kinds are
// those of package actuator.
const Started = "started"

// isRoutine reports whether the event belongs to the queue of routine events.
func (e Event) isRoutine() bool {
	switch actuator.EventKind(e.Kind) {
	case actuator.EventLocked, actuator.EventUnlocked, actuator.EventDoorOpened, actuator.EventDoorClosed:
		return true
	}
	return false
}

// isRefusal reports whether the event tells of a refused command.
func (e Event) isRefusal() bool { return e.Kind == string(actuator.EventCommand) && e.Code != "" }

// repeats reports whether the event says nothing new after the event last: the same
// refusal, or an exit within the release of the exit before it.
func (e Event) repeats(last Event) bool {
	equal := e.Kind == string(actuator.EventCommand) && last.Kind == e.Kind &&
		e.Name == last.Name && e.By == last.By && e.Reason == last.Reason && e.Origin == last.Origin && e.Code == last.Code
	return equal && (e.isRefusal() || e.Repeats)
}
