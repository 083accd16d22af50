// Package door reads what a door last reported from its twin, and judges the door's
// state. Send [Query] to a hub and pass each row of the answer to [Parse].
//
// Guarantees:
//   - One function judges a door's state, for commands and for the console.
//   - A door counts as locked only if it is connected and reports lock.secured. What an
//     offline door reported may no longer be true, so such a door is offline, not locked.
//   - Forced, held open and faulty doors keep these states while they are offline.
//   - A row may hold anything, because a device can report anything. Texts are safe to
//     print, and have a maximum length.
package door

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
)

// Query reads the properties that Parse needs. It reads no others, because the size of
// the answer counts against IoT Hub's quota. Append " WHERE " and a condition to select
// doors.
const Query = "SELECT " + Fields + " FROM devices"

// Fields lists the columns of Query.
const Fields = "deviceId, status, connectionState, lastActivityTime, " +
	"properties.reported.lock.position AS position, properties.reported.lock.source AS source, " +
	"properties.reported.lock.confirmed AS confirmed, properties.reported.lock.fault AS fault, properties.reported.lock.changedAt AS lockChangedAt, " +
	"properties.reported.lock.secured AS secured, properties.reported.lock.pending AS pending, properties.reported.lock.lockdown AS lockdown, " +
	"properties.reported.lock.hold AS hold, properties.reported.lock.releasedUntil AS releasedUntil, properties.reported.lock.lastCommand AS lastCommand, " +
	"properties.reported.door.open AS doorOpen, properties.reported.door.forced AS forced, properties.reported.door.heldOpen AS heldOpen, " +
	"properties.reported.door.exitStuck AS exitStuck, properties.reported.door.changedAt AS doorChangedAt, properties.reported.door.lastForcedAt AS forcedAt, " +
	"tags.building AS tagBuilding, tags.floor AS tagFloor, tags.room AS tagRoom, " +
	"properties.desired.building AS desiredBuilding, properties.desired.floor AS desiredFloor, properties.desired.room AS desiredRoom, " +
	"properties.reported.building AS reportedBuilding, properties.reported.floor AS reportedFloor, properties.reported.room AS reportedRoom"

const (
	// maxText is the maximum length of a device's text, in characters.
	maxText = 160
	// maxFault is the maximum length of a fault, in characters. It equals the longest
	// fault that latchd reports, because a technician needs the whole reason.
	maxFault = 1000
)

// Door is a door as its twin describes it. Two doors that are equal have equal twins, as
// far as Query reads them.
type Door struct {
	ID        string `json:"id"`
	Building  Place  `json:"building"`
	Floor     Place  `json:"floor"`
	Room      Place  `json:"room"`
	Position  string `json:"position"`            // locked, unlocked, moving, unknown, jammed, or empty if never reported
	Assumed   bool   `json:"assumed,omitempty"`   // the position is assumed, not measured by a bolt sensor
	Confirmed bool   `json:"confirmed,omitempty"` // the bolt sensor confirmed the last command
	Fault     string `json:"fault,omitempty"`     // fault that the device reports
	Open      bool   `json:"open,omitempty"`      // the door sensor says that the door is open
	Closed    bool   `json:"closed,omitempty"`    // the door sensor says that the door is closed
	Insecure  bool   `json:"insecure,omitempty"`  // the device says that the door is not secured: not locked, or open
	Secured   bool   `json:"secured,omitempty"`   // the device says that the bolt is locked and the door is not open
	Pending   bool   `json:"pending,omitempty"`   // the door has promised to lock, as soon as it can
	Lockdown  bool   `json:"lockdown,omitempty"`  // the door is in lockdown
	Forced    bool   `json:"forced,omitempty"`    // the door was opened although it was locked
	HeldOpen  bool   `json:"heldOpen,omitempty"`  // the door has been open for too long
	ExitStuck bool   `json:"exitStuck,omitempty"` // the exit input has been active for too long
	Hold      bool   `json:"hold,omitempty"`      // the door stays unlocked until somebody locks it
	Connected bool   `json:"connected"`
	Disabled  bool   `json:"disabled,omitempty"`

	State         State     `json:"state"`                  // verdict on all of the above
	Since         time.Time `json:"since,omitzero"`         // when the state, or the reported state of an offline door, began; zero if the door does not report it
	OfflineSince  time.Time `json:"offlineSince,omitzero"`  // last sign of an offline door; zero if it never connected
	ReleasedUntil time.Time `json:"releasedUntil,omitzero"` // when an unlocked door locks by itself

	LastCommand Command `json:"lastCommand,omitzero"` // the last command, even if the door refused it
}

// Command is the last command that a door reports. A twin does not hold the name of the
// person who sent it.
type Command struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Status int       `json:"status"` // status of the door's answer
}

// Parse parses a row of Query's answer and judges the door's state. Every property except
// the id may be missing or have an unexpected type.
func Parse(row json.RawMessage) (Door, error) {
	var v map[string]json.RawMessage
	if err := json.Unmarshal(row, &v); err != nil {
		return Door{}, fmt.Errorf("the hub's answer is not a device: %s", clean(string(row)))
	}

	d := Door{
		ID:        scalar(v["deviceId"]),
		Position:  position(scalar(v["position"])),
		Assumed:   scalar(v["source"]) == "assumed",
		Confirmed: scalar(v["confirmed"]) == "true",
		Fault:     cut(scalar(v["fault"]), maxFault),
		Open:      scalar(v["doorOpen"]) == "true",
		Closed:    scalar(v["doorOpen"]) == "false",
		Insecure:  scalar(v["secured"]) == "false",
		Secured:   scalar(v["secured"]) == "true",
		Pending:   scalar(v["pending"]) == "true",
		Lockdown:  scalar(v["lockdown"]) == "true",
		Forced:    scalar(v["forced"]) == "true",
		HeldOpen:  scalar(v["heldOpen"]) == "true",
		ExitStuck: scalar(v["exitStuck"]) == "true",
		Hold:      scalar(v["hold"]) == "true",
		Connected: scalar(v["connectionState"]) == iothub.Connected,
		Disabled:  scalar(v["status"]) == iothub.Disabled,

		Building: placeOf(v["reportedBuilding"], v["desiredBuilding"], v["tagBuilding"]),
		Floor:    placeOf(v["reportedFloor"], v["desiredFloor"], v["tagFloor"]),
		Room:     placeOf(v["reportedRoom"], v["desiredRoom"], v["tagRoom"]),

		ReleasedUntil: timeOf(v["releasedUntil"]),
		LastCommand:   commandOf(v["lastCommand"]),
	}
	if d.ID == "" {
		return d, fmt.Errorf("the hub's answer has no device id: %s", clean(string(row)))
	}

	if !d.Connected {
		d.OfflineSince = timeOf(v["lastActivityTime"])
	}
	d.State = d.judge()
	d.Since = d.since(times{lock: timeOf(v["lockChangedAt"]), door: timeOf(v["doorChangedAt"]), forced: timeOf(v["forcedAt"])})

	return d, nil
}

// position returns the lock's position that a device reported. It replaces an unknown
// text by "unknown".
func position(text string) string {
	switch text {
	case "", "locked", "unlocked", "moving", "jammed":
		return text
	}
	return "unknown"
}

// commandOf returns the command that a device reports as its last one.
func commandOf(value json.RawMessage) Command {
	var v map[string]json.RawMessage
	if json.Unmarshal(value, &v) != nil {
		return Command{}
	}

	c := Command{Name: clean(scalar(v["name"])), Reason: clean(scalar(v["reason"])), At: timeOf(v["at"])}
	if json.Unmarshal(v["status"], &c.Status) != nil {
		c.Status = 0
	}
	if c.Name == "" {
		return Command{}
	}
	return c
}

// timeOf returns a JSON text as a time in UTC. It returns the zero time for any other
// value, and for the year 1, by which IoT Hub means "never".
func timeOf(value json.RawMessage) time.Time {
	text := scalar(value)
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", text) // IoT Hub writes some times without a zone
	}
	if err != nil || t.Year() <= 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// scalar returns the text of a JSON string, number or boolean. It returns "" for any
// other JSON value.
func scalar(value json.RawMessage) string {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0, value[0] == '{', value[0] == '[', value[0] == 'n':
		return ""
	case value[0] != '"':
		return string(value)
	}

	var text string
	if json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// clean makes a device's text safe to print, and cuts it to maxText characters.
func clean(text string) string { return cut(text, maxText) }

// cut makes a device's text safe to print, and cuts it to the given number of characters.
func cut(text string, limit int) string {
	characters := []rune(termtext.Clean(text))
	if len(characters) > limit {
		return string(characters[:limit-1]) + "…"
	}
	return string(characters)
}
