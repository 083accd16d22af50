package events

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/transport/rest"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestFromHub(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		event   rest.Event
		want    Event
		details string
	}{
		{"who unlocked", telemetry(`{"seq":7,"event":"unlocked","at":"2026-11-28T11:59:58Z","position":"unlocked","source":"sensor","command":"unlockDoor","by":"ada@bench","reason":"delivery","origin":"remote"}`),
			Event{Time: noon.Add(-2 * time.Second), DeviceID: "front", Type: "unlocked", Command: "unlockDoor", By: "ada@bench", Reason: "delivery", Origin: "remote", Position: "unlocked"},
			"unlockDoor, by ada@bench, reason: delivery"},
		{"forced", telemetry(`{"event":"forced","position":"locked"}`), Event{Time: noon, DeviceID: "front", Type: "forced", Position: "locked"}, "bolt locked"},
		{"a refused command, three times", telemetry(`{"event":"command","name":"unlockDoor","by":"eve","status":403,"code":"lockdown","count":3,"origin":"local"}`),
			Event{Time: noon, DeviceID: "front", Type: "command", Command: "unlockDoor", By: "eve", Status: 403, Code: "lockdown", Count: 3, Origin: "local"},
			"unlockDoor, by eve, on site, refused: 403 lockdown, 3 times"},
		{"an exit", telemetry(`{"event":"command","name":"unlockDoor","origin":"exit","status":200}`),
			Event{Time: noon, DeviceID: "front", Type: "command", Command: "unlockDoor", Origin: "exit", Status: 200}, "unlockDoor, by the exit input"},
		{"a pending lock", telemetry(`{"event":"command","name":"lockDoor","status":202,"pending":"door"}`),
			Event{Time: noon, DeviceID: "front", Type: "command", Command: "lockDoor", Status: 202, Pending: "door"}, "lockDoor, waits for the door to close"},
		{"closed, unseen", telemetry(`{"event":"doorClosed","openSeconds":12.5,"unseen":true}`),
			Event{Time: noon, DeviceID: "front", Type: "doorClosed", OpenSeconds: 12.5, Unseen: true}, "was open for 12.5 s, while latchd was not running"},
		{"by hand", telemetry(`{"event":"locked","cause":"manual","position":"locked"}`), Event{Time: noon, DeviceID: "front", Type: "locked", Cause: "manual", Position: "locked"},
			"by handle, thumb-turn or key"},
		{"a type of a newer door", telemetry(`{"event":"painted"}`), Event{Time: noon, DeviceID: "front", Type: "painted"}, ""},
		{"connected", rest.Event{Kind: "lifecycle", Time: noon, DeviceID: "front", Operation: "deviceConnected"}, Event{Time: noon, DeviceID: "front", Type: "connected"}, ""},
		{"disconnected", rest.Event{Kind: "lifecycle", Time: noon, DeviceID: "front", Operation: "deviceDisconnected"}, Event{Time: noon, DeviceID: "front", Type: "disconnected"}, ""},
		{"unexpected types", telemetry(`{"event":"unlocked","at":7,"by":{"x":1},"reason":["y"],"status":"200","count":"3","openSeconds":true,"unseen":"yes"}`),
			Event{Time: noon, DeviceID: "front", Type: "unlocked"}, ""},
		{"control characters", telemetry(`{"event":"unlocked","by":"eve\u001b[2J\u202e\nx"}`), Event{Time: noon, DeviceID: "front", Type: "unlocked", By: "eve?[2J? x"}, "by eve?[2J? x"},

		{"the door's status", telemetry(`{"event":"status","position":"locked"}`), Event{}, ""},
		{"another message", telemetry(`{"temperature":21}`), Event{}, ""},
		{"no JSON object", telemetry(`[]`), Event{}, ""},
		{"no JSON", rest.Event{Kind: "telemetry", DeviceID: "front"}, Event{}, ""},
		{"a created device", rest.Event{Kind: "lifecycle", DeviceID: "front", Operation: "createDeviceIdentity"}, Event{}, ""},
		{"no device", rest.Event{Kind: "lifecycle", Operation: "deviceConnected"}, Event{}, ""},
		{"a changed twin", rest.Event{Kind: "twin", DeviceID: "front"}, Event{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := fromHub(tt.event)
			if ok != (tt.want.Type != "") || ok && got != tt.want {
				t.Errorf("got %+v, %t\nwant %+v", got, ok, tt.want)
			}
			if text := got.Details(); ok && text != tt.details {
				t.Errorf("details %q, want %q", text, tt.details)
			}
		})
	}
}

// telemetry returns a message of the device front.
func telemetry(body string) rest.Event {
	return rest.Event{Kind: "telemetry", Time: noon, DeviceID: "front", Body: json.RawMessage(body)}
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 100_000)
	e, ok := fromHub(telemetry(`{"event":"unlocked","by":"` + long + `","reason":"` + long + `","command":"` + long + `"}`))
	if !ok || utf8.RuneCountInString(e.By) != maxText || utf8.RuneCountInString(e.Details()) > 4*maxText {
		t.Errorf("%d and %d characters", utf8.RuneCountInString(e.By), utf8.RuneCountInString(e.Details()))
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	locked := door.Door{ID: "front", Position: "locked", Closed: true, Secured: true, Connected: true}
	with := func(change func(*door.Door)) door.Door {
		d := locked
		change(&d)
		return d
	}
	unlock := door.Command{Name: "unlockDoor", Reason: "delivery", At: noon, Status: 200}

	for _, tt := range []struct {
		name          string
		before, after door.Door
		want          string
	}{
		{"nothing", locked, locked, ""},
		{"unlocked by a command", locked, with(func(d *door.Door) { d.Position, d.Secured, d.LastCommand = "unlocked", false, unlock }),
			"command unlockDoor, reason: delivery; unlocked"},
		{"the same command again", with(func(d *door.Door) { d.LastCommand = unlock }), with(func(d *door.Door) { d.LastCommand = unlock; d.LastCommand.Status = 403 }),
			"command unlockDoor, reason: delivery, refused: 403"},
		{"forced", locked, with(func(d *door.Door) { d.Forced, d.Open, d.Closed = true, true, false }), "forced bolt locked; doorOpened"},
		{"held open", with(func(d *door.Door) { d.Open, d.Closed = true, false }), with(func(d *door.Door) { d.HeldOpen, d.Open, d.Closed = true, true, false }), "heldOpen"},
		{"jammed", locked, with(func(d *door.Door) { d.Position = "jammed" }), "jammed"},
		{"moving", locked, with(func(d *door.Door) { d.Position = "moving" }), ""},
		{"lockdown begins", locked, with(func(d *door.Door) { d.Lockdown = true }), "lockdownOn"},
		{"lockdown ends", with(func(d *door.Door) { d.Lockdown = true }), locked, "lockdownOff"},
		{"the door closes", with(func(d *door.Door) { d.Open, d.Closed = true, false }), locked, "doorClosed"},
		{"the first report", door.Door{ID: "front"}, locked, "connected"},
		{"offline", locked, with(func(d *door.Door) { d.Connected = false }), "disconnected"},
		{"the alarm ends", with(func(d *door.Door) { d.Forced, d.HeldOpen, d.ExitStuck = true, true, true }), locked, ""},
	} {
		var got []string
		for _, e := range derive(tt.before, tt.after, noon) {
			if !e.Derived || e.Time != noon || e.DeviceID != "front" {
				t.Errorf("%s: %+v", tt.name, e)
			}
			got = append(got, strings.TrimSpace(e.Type+" "+e.Details()))
		}
		if text := strings.Join(got, "; "); text != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, text, tt.want)
		}
	}
}
