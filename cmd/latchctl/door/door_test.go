package door

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseDoor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, row string
		want      Door
	}{
		{"report of latchd", `{"deviceId":"front","status":"enabled","connectionState":"Connected","position":"locked","source":"sensor","confirmed":true,
			"doorOpen":false,"desiredBuilding":"43","reportedBuilding":{"value":"43","ac":200,"av":3},"desiredFloor":3,"reportedFloor":{"value":3,"ac":200,"av":3}}`,
			Door{ID: "front", Position: "locked", Confirmed: true, Closed: true, Connected: true, Building: Place{Text: "43"}, Floor: Place{Text: "3", Number: true}}},
		{"jammed, no sensor", `{"deviceId":"a","connectionState":"Disconnected","position":"jammed","source":"assumed","fault":"bolt stuck","doorOpen":true}`,
			Door{ID: "a", Position: "jammed", Assumed: true, Fault: "bolt stuck", Open: true}},
		{"locked, but open", `{"deviceId":"a","position":"locked","doorOpen":true,"secured":false,"forced":true,"heldOpen":true,"lockdown":true,"pending":false}`,
			Door{ID: "a", Position: "locked", Open: true, Insecure: true, Forced: true, HeldOpen: true, Lockdown: true}},
		{"a lock that waits for the door", `{"deviceId":"a","position":"unlocked","doorOpen":true,"secured":false,"pending":true}`,
			Door{ID: "a", Position: "unlocked", Open: true, Insecure: true, Pending: true}},
		{"unexpected types of the door's state", `{"deviceId":"a","secured":"no","pending":{},"lockdown":1,"forced":"","heldOpen":null}`, Door{ID: "a"}},
		{"a command and its time", `{"deviceId":"a","releasedUntil":"2026-11-28T18:00:00Z","lastCommand":{"name":"unlockDoor","reason":"delivery","at":"2026-11-28T17:00:00.5Z","status":200}}`,
			Door{ID: "a", ReleasedUntil: at(18, 0), LastCommand: Command{"unlockDoor", "delivery", at(17, 0).Add(time.Second / 2), 200}}},
		{"unexpected types of a command", `{"deviceId":"a","lastCommand":{"name":"unlockDoor","reason":["x"],"at":5,"status":"200"}}`,
			Door{ID: "a", LastCommand: Command{Name: "unlockDoor"}}},
		{"a command without a name", `{"deviceId":"a","lastCommand":{"reason":"x"}}`, Door{ID: "a"}},
		{"never connected, with tags", `{"deviceId":"a","status":"disabled","tagBuilding":"7","tagFloor":2}`,
			Door{ID: "a", Disabled: true, Building: Place{Text: "7", Tag: true}, Floor: Place{Text: "2", Number: true, Tag: true}}},
		{"desired but not acknowledged", `{"deviceId":"a","desiredRoom":"12","tagRoom":"9"}`, Door{ID: "a", Room: Place{Text: "12"}}},
		{"refused value, old value in force", `{"deviceId":"a","desiredFloor":"three","reportedFloor":{"value":2,"ac":400,"ad":"want an integer"}}`,
			Door{ID: "a", Floor: Place{Text: "2", Number: true, Pending: "three"}}},
		{"refused first value", `{"deviceId":"a","desiredFloor":"three","reportedFloor":{"ac":400}}`, Door{ID: "a", Floor: Place{Text: "three"}}},
		{"unexpected types", `{"deviceId":"a","position":{"x":1},"confirmed":"yes","fault":[1],"reportedBuilding":"43","desiredBuilding":null,"tagFloor":{}}`,
			Door{ID: "a"}},
		{"unknown position", `{"deviceId":"a","position":"<b>open</b>"}`, Door{ID: "a", Position: "unknown"}},
		{"control characters and text direction", `{"deviceId":"a","fault":"x\u001b[31m\u202ey\nz"}`, Door{ID: "a", Fault: "x?[31m?y z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.State = tt.want.judge() // TestState is its specification
			got, err := Parse(json.RawMessage(tt.row))
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}

	for _, row := range []string{``, `[]`, `1`, `{}`, `{"deviceId":""}`, `{"deviceId":{}}`} {
		if d, err := Parse(json.RawMessage(row)); err == nil {
			t.Errorf("%s was accepted as %+v", row, d)
		}
	}
}

// A long text from a device is cut, so that its row stays short.
func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	long, _ := json.Marshal(strings.Repeat("é", 4000))
	d, err := Parse(json.RawMessage(`{"deviceId":"a","fault":` + string(long) + `,"desiredRoom":` + string(long) + `}`))
	if err != nil || utf8.RuneCountInString(d.Fault) != maxFault || utf8.RuneCountInString(d.Room.Text) != maxText {
		t.Errorf("%d and %d characters, %v", utf8.RuneCountInString(d.Fault), utf8.RuneCountInString(d.Room.Text), err)
	}
}

// at returns a time of the test's day.
func at(hour, minute int) time.Time { return time.Date(2026, 11, 28, hour, minute, 0, 0, time.UTC) }

func TestOrder(t *testing.T) {
	t.Parallel()
	want := []string{"7/0//x", "7/2//x", "7/10//x", "7//1/x", "43/-1//x", "43/1/9/x", "43/1/10/x", "43/1/A 2/x", "43/1/A 10/x", "43/1//d2", "43/1//d10", "A/1//x", "//R/x", "///x1"}
	doors := make([]Door, len(want))
	for i, text := range want {
		p := strings.Split(text, "/")
		doors[len(want)-1-i] = Door{ID: p[3], Building: Place{Text: p[0]}, Floor: Place{Text: p[1]}, Room: Place{Text: p[2]}}
	}

	slices.SortFunc(doors, Door.Compare)
	for i, d := range doors {
		if got := strings.Join([]string{d.Building.Text, d.Floor.Text, d.Room.Text, d.ID}, "/"); got != want[i] {
			t.Errorf("door %d is %s, want %s", i, got, want[i])
		}
	}
}

func FuzzParseDoor(f *testing.F) {
	f.Add([]byte(`{"deviceId":"a","position":"locked","reportedFloor":{"value":3},"tagRoom":"1"}`), []byte(`{"deviceId":"b"}`))
	f.Add([]byte(`{"deviceId":"a","desiredBuilding":" 7","tagBuilding":007}`), []byte(`{"deviceId":"0","desiredBuilding":"07"}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		a, errA := Parse(first)
		b, errB := Parse(second)
		if errA != nil || errB != nil {
			return
		}

		if a.Compare(b) != -b.Compare(a) || a.Compare(a) != 0 {
			t.Errorf("%+v and %+v have no consistent order", a, b)
		}
		for text, limit := range map[string]int{a.Fault: maxFault, a.Building.Text: maxText, a.Floor.Pending: maxText} {
			if strings.ContainsAny(text, "\n\r\x1b\u202e") || utf8.RuneCountInString(text) > limit {
				t.Errorf("the list shows %q", text)
			}
		}
		if _, err := json.Marshal(a); err != nil {
			t.Error(err)
		}
	})
}
