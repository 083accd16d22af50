package agent

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Event is something that happened at the door, for the hub to be told.
type Event struct {
	Seq  uint64    `json:"seq"` // counts the events of one store
	Name string    `json:"event"`
	At   time.Time `json:"at"`
	// Position and Source are the bolt's; empty where the event is not of the bolt.
	Position string `json:"position,omitempty"`
	Source   string `json:"source,omitempty"`
	// Command and Reason are of the command that brought it about, if one did.
	Command string `json:"command,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Version is the agent's, where it started.
	Version string `json:"version,omitempty"`
}

// The names of events.
const (
	EventLocked     = "locked"
	EventUnlocked   = "unlocked"
	EventJammed     = "jammed"
	EventForced     = "forced" // the bolt moved without a command
	EventDoorOpened = "doorOpened"
	EventDoorClosed = "doorClosed"
	EventStarted    = "started"
)

// message returns the event as it goes to the hub. Its id is the same each time
// that it is sent, and no other event's.
func (e Event) message(store string) (iothub.Message, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return iothub.Message{}, fmt.Errorf("write the event as JSON: %w", err)
	}
	return iothub.Message{
		ID:              fmt.Sprintf("%s-%d", store, e.Seq),
		ContentType:     "application/json",
		ContentEncoding: "utf-8",
		Properties:      iothub.Bag{{Name: "event", Value: e.Name}},
		Body:            body,
	}, nil
}
