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
)

// doorQuery asks for what the list shows of each device and no more: IoT Hub
// counts an answer's bytes.
const doorQuery = "SELECT deviceId, status, connectionState, " +
	"properties.reported.lock.position AS position, properties.reported.lock.source AS source, " +
	"properties.reported.lock.confirmed AS confirmed, properties.reported.lock.fault AS fault, " +
	"properties.reported.door.open AS doorOpen, " +
	"tags.building AS tagBuilding, tags.floor AS tagFloor, tags.room AS tagRoom, " +
	"properties.desired.building AS desiredBuilding, properties.desired.floor AS desiredFloor, properties.desired.room AS desiredRoom, " +
	"properties.reported.building AS reportedBuilding, properties.reported.floor AS reportedFloor, properties.reported.room AS reportedRoom " +
	"FROM devices"

// maxShown is how much is shown of a text that a device has made.
const maxShown = 160

// door is a device as the list shows it.
type door struct {
	ID        string `json:"id"`
	Building  place  `json:"building"`
	Floor     place  `json:"floor"`
	Room      place  `json:"room"`
	Position  string `json:"position"`            // locked, unlocked, moving, unknown, jammed; empty: it has reported none
	Assumed   bool   `json:"assumed,omitempty"`   // no sensor says so
	Confirmed bool   `json:"confirmed,omitempty"` // the sensor has said so after the last command
	Fault     string `json:"fault,omitempty"`
	Open      bool   `json:"open,omitempty"` // its door sensor says open
	Connected bool   `json:"connected"`
	Disabled  bool   `json:"disabled,omitempty"`
}

// place is a part of where a door is: what the device has acknowledged, else
// what it is told, else a tag.
type place struct {
	Text    string `json:"text,omitempty"`
	Number  bool   `json:"number,omitempty"`  // the text is a number in the twin
	Tag     bool   `json:"tag,omitempty"`     // it is a tag, and not a desired property
	Pending string `json:"pending,omitempty"` // what the device is told and has not taken
}

// parseDoor reads a row of doorQuery. All but the id may be missing, or of
// another kind than a door reports: devices report what they like.
func parseDoor(row json.RawMessage) (door, error) {
	var v map[string]json.RawMessage
	if err := json.Unmarshal(row, &v); err != nil {
		return door{}, fmt.Errorf("the hub's answer is no device: %s", ui.Cut(ui.Clean(string(row)), 80))
	}
	d := door{
		ID:        scalar(v["deviceId"]),
		Position:  position(scalar(v["position"])),
		Assumed:   scalar(v["source"]) == "assumed",
		Confirmed: scalar(v["confirmed"]) == "true",
		Fault:     shown(scalar(v["fault"])),
		Open:      scalar(v["doorOpen"]) == "true",
		Connected: scalar(v["connectionState"]) == iothub.Connected,
		Disabled:  scalar(v["status"]) == iothub.Disabled,
		Building:  placeOf(v["reportedBuilding"], v["desiredBuilding"], v["tagBuilding"]),
		Floor:     placeOf(v["reportedFloor"], v["desiredFloor"], v["tagFloor"]),
		Room:      placeOf(v["reportedRoom"], v["desiredRoom"], v["tagRoom"]),
	}
	if d.ID == "" {
		return d, fmt.Errorf("the hub's answer names no device: %s", ui.Cut(ui.Clean(string(row)), 80))
	}
	return d, nil
}

// position is one of those that a lock can have.
func position(text string) string {
	switch text {
	case "", "locked", "unlocked", "moving", "jammed":
		return text
	}
	return "unknown"
}

// placeOf prefers what the device says is in force.
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

func newPlace(value json.RawMessage) place {
	p := place{Text: shown(scalar(value))}
	p.Number = p.Text != "" && value[0] != '"'
	return p
}

// scalar writes a text, a number or a truth value as text; all else is empty.
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

func shown(text string) string { return ui.Cut(ui.Clean(text), maxShown) }

// samePlace reports whether both stand at the same place in the list.
func (d door) samePlace(e door) bool {
	return d.Building == e.Building && d.Floor == e.Floor && d.Room == e.Room
}

// compare is the order of the list: by building, floor, room and id, numbers in
// them by their size. What has no building or floor comes last.
func (d door) compare(e door) int {
	return cmp.Or(natural(d.Building.Text, e.Building.Text), natural(d.Floor.Text, e.Floor.Text),
		natural(d.Room.Text, e.Room.Text), natural(d.ID, e.ID), strings.Compare(d.ID, e.ID))
}

// natural compares texts with the numbers in them by size; the empty one is last.
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
		x, restA := run(a)
		y, restB := run(b)
		if c := compareRuns(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// run cuts off the digits, or the one other byte, that a text starts with.
func run(text string) (string, string) {
	n := 0
	for n < len(text) && digit(text[n]) {
		n++
	}
	n = max(n, 1)
	return text[:n], text[n:]
}

func compareRuns(a, b string) int {
	if !digit(a[0]) || !digit(b[0]) {
		return strings.Compare(a, b)
	}
	x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}

func digit(b byte) bool { return b >= '0' && b <= '9' }
