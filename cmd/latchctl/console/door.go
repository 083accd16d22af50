package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
)

// doorQuery reads only the properties that the page's list shows, because the size of
// the answer counts against IoT Hub's quota.
const doorQuery = "SELECT deviceId, status, connectionState, " +
	"properties.reported.lock.position AS position, properties.reported.lock.source AS source, " +
	"properties.reported.lock.confirmed AS confirmed, properties.reported.lock.fault AS fault, " +
	"properties.reported.lock.secured AS secured, properties.reported.lock.pending AS pending, properties.reported.lock.lockdown AS lockdown, " +
	"properties.reported.door.open AS doorOpen, properties.reported.door.forced AS forced, properties.reported.door.heldOpen AS heldOpen, " +
	"tags.building AS tagBuilding, tags.floor AS tagFloor, tags.room AS tagRoom, " +
	"properties.desired.building AS desiredBuilding, properties.desired.floor AS desiredFloor, properties.desired.room AS desiredRoom, " +
	"properties.reported.building AS reportedBuilding, properties.reported.floor AS reportedFloor, properties.reported.room AS reportedRoom " +
	"FROM devices"

// maxShown is the maximum length of a device's text on the page, in characters.
const maxShown = 160

// door is one door in the page's list.
type door struct {
	ID        string `json:"id"`
	Building  place  `json:"building"`
	Floor     place  `json:"floor"`
	Room      place  `json:"room"`
	Position  string `json:"position"`            // locked, unlocked, moving, unknown, jammed, or empty if never reported
	Assumed   bool   `json:"assumed,omitempty"`   // the position is assumed, not measured by a bolt sensor
	Confirmed bool   `json:"confirmed,omitempty"` // the bolt sensor confirmed the last command
	Fault     string `json:"fault,omitempty"`     // fault that the device reports
	Open      bool   `json:"open,omitempty"`      // the door sensor says that the door is open
	Insecure  bool   `json:"insecure,omitempty"`  // the device says that the door is not secured: not locked, or open
	Pending   bool   `json:"pending,omitempty"`   // the door has promised to lock, as soon as it can
	Lockdown  bool   `json:"lockdown,omitempty"`  // the door is in lockdown
	Forced    bool   `json:"forced,omitempty"`    // the door was opened although it was locked
	HeldOpen  bool   `json:"heldOpen,omitempty"`  // the door has been open for too long
	Connected bool   `json:"connected"`
	Disabled  bool   `json:"disabled,omitempty"`
}

// place is the building, floor or room of a door. Its text is the value that the device
// acknowledged, else the desired property, else the tag.
type place struct {
	Text    string `json:"text,omitempty"`
	Number  bool   `json:"number,omitempty"`  // the twin has a number, not a string
	Tag     bool   `json:"tag,omitempty"`     // the text comes from a tag, not from a property
	Pending string `json:"pending,omitempty"` // value of the desired property, if the device has not applied it yet
}

// parseDoor parses a row in the result of doorQuery. Every property except the id may
// be missing or have an unexpected type, because a device can report anything.
func parseDoor(row json.RawMessage) (door, error) {
	var v map[string]json.RawMessage
	if err := json.Unmarshal(row, &v); err != nil {
		return door{}, fmt.Errorf("the hub's answer is not a device: %s", ui.Cut(termtext.Clean(string(row)), 80))
	}

	d := door{
		ID:        scalar(v["deviceId"]),
		Position:  position(scalar(v["position"])),
		Assumed:   scalar(v["source"]) == "assumed",
		Confirmed: scalar(v["confirmed"]) == "true",
		Fault:     shown(scalar(v["fault"])),
		Open:      scalar(v["doorOpen"]) == "true",
		Insecure:  scalar(v["secured"]) == "false",
		Pending:   scalar(v["pending"]) == "true",
		Lockdown:  scalar(v["lockdown"]) == "true",
		Forced:    scalar(v["forced"]) == "true",
		HeldOpen:  scalar(v["heldOpen"]) == "true",
		Connected: scalar(v["connectionState"]) == iothub.Connected,
		Disabled:  scalar(v["status"]) == iothub.Disabled,
		Building:  placeOf(v["reportedBuilding"], v["desiredBuilding"], v["tagBuilding"]),
		Floor:     placeOf(v["reportedFloor"], v["desiredFloor"], v["tagFloor"]),
		Room:      placeOf(v["reportedRoom"], v["desiredRoom"], v["tagRoom"]),
	}

	if d.ID == "" {
		return d, fmt.Errorf("the hub's answer has no device id: %s", ui.Cut(termtext.Clean(string(row)), 80))
	}
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

// placeOf chooses the text of a building, floor or room. It returns the first value
// that is set: the value that the device acknowledged, the desired property, the tag.
func placeOf(reported, desired, tag json.RawMessage) place {
	var ack struct {
		Value json.RawMessage `json:"value"`
	}
	want := shown(scalar(desired))

	if json.Unmarshal(reported, &ack) == nil {
		if p := newPlace(ack.Value); p.Text != "" {
			if want != p.Text {
				p.Pending = want
			}
			return p
		}
	}

	if p := newPlace(desired); p.Text != "" {
		return p
	}

	p := newPlace(tag)
	p.Tag = p.Text != ""
	return p
}

// newPlace returns the place whose value is a JSON string or number.
func newPlace(value json.RawMessage) place {
	p := place{Text: shown(scalar(value))}
	p.Number = p.Text != "" && value[0] != '"'
	return p
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

// shown removes the control characters from a device's text and cuts the text to
// maxShown characters.
func shown(text string) string { return ui.Cut(termtext.Clean(text), maxShown) }

func (d door) samePlace(e door) bool {
	return d.Building == e.Building && d.Floor == e.Floor && d.Room == e.Room
}

// compare orders doors by building, floor, room and id. It compares numbers in these
// texts by value. A door without a building, floor or room comes last.
func (d door) compare(e door) int {
	return cmp.Or(natural(d.Building.Text, e.Building.Text), natural(d.Floor.Text, e.Floor.Text),
		natural(d.Room.Text, e.Room.Text), natural(d.ID, e.ID), strings.Compare(d.ID, e.ID))
}

// natural compares two texts so that "floor 9" comes before "floor 10": it compares
// the numbers in them by value. An empty text comes last.
func natural(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	if x, err := strconv.Atoi(a); err == nil {
		if y, err := strconv.Atoi(b); err == nil {
			return cmp.Compare(x, y)
		}
	}

	for a != "" && b != "" {
		x, restA := firstRun(a)
		y, restB := firstRun(b)
		if c := compareRuns(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}

	return cmp.Compare(len(a), len(b))
}

// firstRun splits a text into its leading digits and the rest. If the text does not
// begin with a digit, it splits after the first byte.
func firstRun(text string) (run, rest string) {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}

	n = max(n, 1)
	return text[:n], text[n:]
}

// compareRuns compares two numbers, given as digits, by value. It compares any other
// texts byte by byte.
func compareRuns(a, b string) int {
	if !isDigit(a[0]) || !isDigit(b[0]) {
		return strings.Compare(a, b)
	}
	x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
