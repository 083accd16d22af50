package agent

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Event is something that happened at the door and that the agent tells the hub.
type Event struct {
	Seq  uint64    `json:"seq"` // sequence number; unique and rising within one state directory
	Name string    `json:"event"`
	At   time.Time `json:"at"`
	// Position and Source describe the bolt. They are empty in events of the door
	// and of the agent.
	Position string `json:"position,omitempty"`
	Source   string `json:"source,omitempty"`
	// Command and Reason name the command that caused the event. They are empty if
	// no command did.
	Command string `json:"command,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Version is the agent's version, in the event "started".
	Version string `json:"version,omitempty"`
}

// The names of events.
const (
	EventLocked     = "locked"
	EventUnlocked   = "unlocked"
	EventJammed     = "jammed"
	EventForced     = "forced" // the bolt or the door moved without a command
	EventDoorOpened = "doorOpened"
	EventDoorClosed = "doorClosed"
	EventStarted    = "started" // the agent started
)

// message returns the event as a device-to-cloud message. The message id is made of
// the store's name and the sequence number, so a receiver can recognise an event
// that the agent sends twice.
func (e Event) message(store string) (iothub.Message, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return iothub.Message{}, fmt.Errorf("encode the event: %w", err)
	}

	return iothub.Message{
		ID:              fmt.Sprintf("%s-%d", store, e.Seq),
		ContentType:     "application/json",
		ContentEncoding: "utf-8",
		Properties:      iothub.Bag{{Name: "event", Value: e.Name}},
		Body:            body,
	}, nil
}
