// Package events follows the events of doors. Call [Follow], which passes each event to a
// function until its context ends.
//
// The embedded hub streams events. Azure IoT Hub does not; Follow then reads the doors'
// twins periodically and derives events from the differences.
//
// Guarantees:
//   - While the hub's stream is open, Follow misses no event. After a gap, it continues
//     where it was if the hub still has the events in between. Otherwise it says between
//     which times events may be missing.
//   - A door sends an event again if it cannot know that the hub has received it. Follow
//     passes the event on each time.
//   - Texts of devices have a maximum length. Unknown members of a message are ignored.
//   - Follow reads the twins at most every 10 seconds, and less often for more than 1,000
//     doors. That is half of the quota of one S1 or S2 unit of IoT Hub.
package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/termtext"
)

// Event is something that happened at a door.
type Event struct {
	Time     time.Time `json:"time"` // by the door's clock; by the hub's clock for a connection; when it was noticed if Derived
	DeviceID string    `json:"deviceId"`
	Type     string    `json:"type"`              // one of Types, or a type of a newer door
	Derived  bool      `json:"derived,omitempty"` // from two readings of the door's twin

	Command string `json:"command,omitempty"` // the method that caused the event
	By      string `json:"by,omitempty"`      // the person who asked, as they claim
	Reason  string `json:"reason,omitempty"`  // why, in the person's own words
	Origin  string `json:"origin,omitempty"`  // remote, local, exit, relock or lockdown
	Status  int    `json:"status,omitempty"`  // status of the door's answer, in events of the type command
	Code    string `json:"code,omitempty"`    // why the door refused the command
	Pending string `json:"pending,omitempty"` // what an accepted lock waits for

	Position    string  `json:"position,omitempty"`    // position of the bolt
	Cause       string  `json:"cause,omitempty"`       // what moved the bolt or the door, if no command did
	OpenSeconds float64 `json:"openSeconds,omitempty"` // how long the door was open
	Unseen      bool    `json:"unseen,omitempty"`      // it happened while latchd was not running
	Count       int     `json:"count,omitempty"`       // number of equal events that this event stands for
}

// Types lists the types of events, the alarms first.
var Types = []string{"forced", "heldOpen", "jammed", "exitStuck", "chattering",
	"unlocked", "locked", "doorOpened", "doorClosed", "command", "superseded", "lockdownOn", "lockdownOff",
	"connected", "disconnected", "started"}

// Alarm reports whether somebody must look at the door.
func (e Event) Alarm() bool {
	switch e.Type {
	case "forced", "heldOpen", "jammed", "exitStuck", "chattering":
		return true
	}
	return false
}

// maxText is the maximum length of a device's text, in characters.
const maxText = 512

// fromHub converts an event of the hub's stream. It returns false for an event that does
// not concern a door, such as a message with the door's status.
func fromHub(h rest.Event) (Event, bool) {
	e := Event{Time: h.Time.UTC(), DeviceID: clean(h.DeviceID)}
	switch {
	case h.DeviceID == "":
		return Event{}, false
	case h.Kind == "lifecycle" && h.Operation == "deviceConnected":
		e.Type = "connected"
		return e, true
	case h.Kind == "lifecycle" && h.Operation == "deviceDisconnected":
		e.Type = "disconnected"
		return e, true
	case h.Kind != "telemetry":
		return Event{}, false
	}

	return e, e.readMessage(h.Body)
}

// readMessage reads the message that latchd sends for an event. It returns false for any
// other message. A member of an unexpected type counts as missing, because a device can
// send anything.
func (e *Event) readMessage(body json.RawMessage) bool {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return false
	}
	if e.Type = text(m["event"]); e.Type == "" || e.Type == "status" {
		return false
	}

	var at time.Time
	if json.Unmarshal(m["at"], &at) == nil && at.Year() > 1 && at.Year() <= 9999 {
		e.Time = at.UTC()
	}

	e.Command, e.By = text(m["command"]), text(m["by"])
	if e.Command == "" {
		e.Command = text(m["name"])
	}
	e.Reason, e.Origin = text(m["reason"]), text(m["origin"])
	e.Code, e.Pending = text(m["code"]), text(m["pending"])
	e.Position, e.Cause = text(m["position"]), text(m["cause"])
	e.Status, e.Count = number[int](m["status"]), number[int](m["count"])
	e.OpenSeconds, e.Unseen = number[float64](m["openSeconds"]), string(m["unseen"]) == "true"

	return true
}

// text returns a JSON string, safe to print and cut to maxText characters. It returns ""
// for any other value.
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return clean(s)
}

func clean(s string) string {
	characters := []rune(termtext.Clean(s))
	if len(characters) > maxText {
		return string(characters[:maxText-1]) + "…"
	}
	return string(characters)
}

// number returns a JSON number, or 0 for any other value.
func number[T int | float64](value json.RawMessage) T {
	var n T
	if json.Unmarshal(value, &n) != nil {
		return 0
	}
	return n
}

// Details describes the event in words, without its time, door and type. It may return an
// empty text.
func (e Event) Details() string {
	var parts []string
	add := func(applies bool, format string, args ...any) {
		if applies {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}

	add(e.Command != "", "%s", e.Command)
	add(e.By != "", "by %s", e.By)
	add(e.Origin == "exit", "by the exit input")
	add(e.Origin == "local", "on site")
	add(e.Origin == "relock", "by itself, as promised")
	add(e.Origin == "lockdown", "because of a lockdown")
	add(e.Cause == "manual", "by handle, thumb-turn or key")
	add(e.Cause == "powerOn", "at power-on")
	add(e.Reason != "", "reason: %s", e.Reason)

	add(e.Type == "command" && (e.Status < 200 || e.Status > 299) && e.Status != 0, "refused: %s", strings.TrimSpace(fmt.Sprint(e.Status, " ", e.Code)))
	add(e.Pending == "door", "waits for the door to close")
	add(e.Pending == "exit", "waits for somebody who is leaving")
	add(e.Type == "forced" && e.Position != "", "bolt %s", e.Position)
	add(e.OpenSeconds > 0, "was open for %g s", e.OpenSeconds)
	add(e.Unseen, "while latchd was not running")
	add(e.Count > 1, "%d times", e.Count)

	return strings.Join(parts, ", ")
}
