package door

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestState is the specification of a door's state: what a door reports, and what a person
// must see.
func TestState(t *testing.T) {
	t.Parallel()
	const secured = `"position":"locked","secured":true,"doorOpen":false`

	for _, tt := range []struct {
		name, row string
		state     State
		details   string
		since     string
	}{
		{"secured", `"connectionState":"Connected",` + secured + `,"lockChangedAt":"2026-11-28T09:00:00Z"`, Locked, "", "09:00"},
		{"secured, no bolt sensor", `"connectionState":"Connected","source":"assumed",` + secured, Locked, "position assumed", ""},
		{"locked is not enough", `"connectionState":"Connected","position":"locked"`, Unsecure, "the door does not report whether it is secured", ""},
		{"the door says that it is not secured", `"connectionState":"Connected","position":"locked","secured":false`, Unsecure, "", ""},
		{"secured is not enough", `"connectionState":"Connected","position":"unlocked","secured":true`, Unlocked, "", ""},
		{"unlocked for a while", `"connectionState":"Connected","position":"unlocked","secured":false,"releasedUntil":"2026-11-28T18:00:00.5Z"`, Unlocked, "until 18:00", ""},
		{"held unlocked", `"connectionState":"Connected","position":"unlocked","hold":true`, Unlocked, "until somebody locks it", ""},
		{"locks soon", `"connectionState":"Connected","position":"unlocked","pending":true`, Unlocked, "locks by itself soon", ""},
		{"the bolt is out, but the door is open", `"connectionState":"Connected","position":"locked","secured":false,"doorOpen":true,"doorChangedAt":"2026-11-28T10:00:00Z"`,
			Open, "bolt locked", "10:00"},
		{"open in lockdown", `"connectionState":"Connected","position":"unlocked","doorOpen":true,"pending":true,"lockdown":true`, Open,
			"bolt unlocked, locks when the door is closed, lockdown", ""},
		{"moving", `"connectionState":"Connected","position":"moving"`, Moving, "", ""},
		{"position not known", `"connectionState":"Connected","position":"unknown"`, Unknown, "", ""},
		{"connected, but no report yet", `"connectionState":"Connected"`, Unknown, "never reported", ""},

		{"forced", `"connectionState":"Connected","position":"locked","secured":false,"doorOpen":true,"forced":true,"heldOpen":true,"fault":"the door was opened while it was locked","forcedAt":"2026-11-28T11:30:00Z"`,
			Forced, "the door was opened while it was locked, door open, bolt locked", "11:30"},
		{"held open", `"connectionState":"Connected","position":"unlocked","doorOpen":true,"heldOpen":true,"doorChangedAt":"2026-11-28T12:00:00Z"`,
			HeldOpen, "door open, bolt unlocked", "12:00"},
		{"jammed", `"connectionState":"Connected","position":"jammed","doorOpen":false,"fault":"the bolt did not reach its position","lockChangedAt":"2026-11-28T13:00:00Z"`,
			Fault, "the bolt did not reach its position, door closed, bolt jammed", "13:00"},
		{"a fault on a secured door", `"connectionState":"Connected","fault":"the exit input is unreadable","lockChangedAt":"2026-11-28T09:00:00Z",` + secured, Fault,
			"the exit input is unreadable, door closed, bolt locked", ""},
		{"exit stuck", `"connectionState":"Connected","exitStuck":true,` + secured, Fault, "the exit input is stuck, door closed, bolt locked", ""},

		{"offline", `"connectionState":"Disconnected","lastActivityTime":"2026-11-28T14:02:00Z","lockChangedAt":"2026-11-28T09:00:00Z",` + secured,
			Offline, "was locked, offline since 14:02", "09:00"},
		{"offline while open", `"connectionState":"Disconnected","lastActivityTime":"2026-11-28T14:02:00","position":"locked","doorOpen":true,"doorChangedAt":"2026-11-28T10:00:00Z"`,
			Offline, "was open, bolt locked, offline since 14:02", "10:00"},
		{"offline and forced", `"connectionState":"Disconnected","lastActivityTime":"2026-11-28T14:02:00Z","forced":true,"position":"unlocked"`,
			Forced, "bolt unlocked, offline since 14:02", ""},
		{"offline and disabled", `"connectionState":"Disconnected","status":"disabled","lastActivityTime":"2026-11-28T14:02:00Z",` + secured,
			Offline, "was locked, disabled at the hub, offline since 14:02", ""},
		{"never connected", `"connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00"`, Offline, "never reported, never connected", ""},
		{"no connection state", secured, Offline, "was locked, never connected", ""},
		{"unexpected types", `"connectionState":"Connected","position":"locked","secured":"yes","lockChangedAt":7,"releasedUntil":"soon","forcedAt":{}`,
			Unsecure, "the door does not report whether it is secured", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse(json.RawMessage(`{"deviceId":"a",` + tt.row + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if d.State != tt.state || d.Safe() != (tt.state == Locked) {
				t.Errorf("state %q, safe %t; want %q", d.State, d.Safe(), tt.state)
			}
			if got := d.Details(clock); got != tt.details {
				t.Errorf("details %q\nwant    %q", got, tt.details)
			}
			if got := clock(d.Since); got != tt.since {
				t.Errorf("since %s, want %s", got, tt.since)
			}
		})
	}
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("15:04")
}

// TestOnlySecuredDoorsAreSafe tries every combination of the properties that can make a
// door unsafe. A safe door is connected, reports lock.secured, and reports no trouble.
func TestOnlySecuredDoorsAreSafe(t *testing.T) {
	t.Parallel()
	properties := []string{`"connectionState":"Connected"`, `"position":"locked"`, `"secured":true`,
		`"doorOpen":true`, `"forced":true`, `"heldOpen":true`, `"exitStuck":true`, `"fault":"x"`}
	const safe = 0b111 // the first three properties, and no other

	for set := range 1 << len(properties) {
		row := []string{`"deviceId":"a"`}
		for i, p := range properties {
			if set&(1<<i) != 0 {
				row = append(row, p)
			}
		}
		d, err := Parse(json.RawMessage("{" + strings.Join(row, ",") + "}"))
		if err != nil || d.Safe() != (set == safe) {
			t.Errorf("%s: state %s, %v", row, d.State, err)
		}
	}
}

// TestStates checks that the states that need a person come first, and the safe state
// last.
func TestStates(t *testing.T) {
	t.Parallel()
	for i, s := range States {
		if s.Rank() != i || s.Trouble() != (i < 3) || slices.Index(States, s) != i {
			t.Errorf("%s has rank %d, trouble %t", s, s.Rank(), s.Trouble())
		}
	}
	if States[len(States)-1] != Locked {
		t.Errorf("the last state is %s", States[len(States)-1])
	}
}
