package fleet

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// TestProperties checks that Properties lists the writable properties of the model that
// latchd publishes.
func TestProperties(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../agent/DoorLock.json")
	if err != nil {
		t.Fatal(err)
	}
	var model struct {
		Contents []struct {
			Type     string `json:"@type"`
			Name     string `json:"name"`
			Writable bool   `json:"writable"`
		} `json:"contents"`
	}
	if err := json.Unmarshal(text, &model); err != nil {
		t.Fatal(err)
	}

	var want []string
	for _, c := range model.Contents {
		if c.Type == "Property" && c.Writable {
			want = append(want, c.Name)
		}
	}
	slices.Sort(want)
	if !slices.Equal(Properties, want) {
		t.Errorf("Properties are %q, the model has %q", Properties, want)
	}
}

func TestUnknownProperties(t *testing.T) {
	t.Parallel()
	got := UnknownProperties(iothub.Object{"floor": 3, "flor": 3, "Floor": 3, "site": map[string]any{"x": 1}})
	if !slices.Equal(got, []string{"Floor", "flor", "site"}) {
		t.Errorf("got %q", got)
	}
}

// TestJudgeProperty is the specification of a verdict on one property of a device.
func TestJudgeProperty(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, property, row string
		want                any
		outcome             iothub.Outcome
		reason              string
	}{
		{"acknowledged", "floor", `"floorDesired":3,"floorVersion":7,"floorAck":{"value":3,"ac":200,"av":7}`, 3, iothub.Succeeded, ""},
		{"acknowledged with a later change", "floor", `"floorDesired":3.0,"floorVersion":7,"floorAck":{"value":3,"ac":200,"av":9}`, json.Number("3"), iothub.Succeeded, ""},
		{"a number as a text", "building", `"buildingDesired":43,"buildingVersion":7,"buildingAck":{"value":"43","ac":200,"av":7}`, 43, iothub.Succeeded, ""},
		{"an old acknowledgement", "floor", `"floorDesired":3,"floorVersion":7,"floorAck":{"value":3,"ac":200,"av":6}`, 3, iothub.Pending, "is connected but has not acknowledged yet"},
		{"no acknowledgement", "floor", `"floorDesired":3,"floorVersion":7`, 3, iothub.Pending, "is connected but has not acknowledged yet"},
		{"refused", "floor", `"floorDesired":"three","floorVersion":7,"floorAck":{"value":2,"ac":400,"av":7,"ad":"want a whole number"}`, "three", iothub.Refused, "floor: 400: want a whole number"},
		{"refused at another time", "floor", `"floorDesired":"three","floorVersion":8,"floorAck":{"value":2,"ac":400,"av":7}`, "three", iothub.Pending, "is connected but has not acknowledged yet"},
		{"refused lockdown", "lockdown", `"lockdownDesired":true,"lockdownVersion":2,"lockdownAck":{"value":false,"ac":403,"av":2,"ad":"people could be trapped"}`, true, iothub.Refused, "403: people could be trapped"},
		{"not locked yet", "lockdown", `"lockdownDesired":true,"lockdownVersion":2,"lockdownAck":{"value":true,"ac":202,"av":2,"ad":"the door is open"}`, true, iothub.Pending, "is in lockdown but not locked yet: the door is open"},
		{"another value in force", "lockdown", `"lockdownDesired":true,"lockdownVersion":2,"lockdownAck":{"value":false,"ac":200,"av":2}`, true, iothub.Refused, "the device acknowledged another value: false"},
		{"changed by somebody else", "floor", `"floorDesired":4,"floorVersion":8,"floorAck":{"value":4,"ac":200,"av":8}`, 3, iothub.Failed, "somebody else has changed floor since; run 'latchctl twin show front'"},
		{"removed", "floor", ``, nil, iothub.Succeeded, ""},
		{"not removed yet", "floor", `"floorAck":{"value":3,"ac":200,"av":6}`, nil, iothub.Pending, "is connected but has not acknowledged yet"},
		{"removed by somebody else", "floor", ``, 3, iothub.Failed, "somebody else has changed floor since; run 'latchctl twin show front'"},
		{"unexpected types", "floor", `"floorDesired":3,"floorVersion":"7","floorAck":"yes"`, 3, iothub.Pending, "is connected but has not acknowledged yet"},
		{"an acknowledgement without a code", "floor", `"floorDesired":3,"floorVersion":7,"floorAck":{"value":3,"av":7}`, 3, iothub.Pending, "is connected but has not acknowledged yet"},
	} {
		row := `{"deviceId":"front","connectionState":"Connected"`
		if tt.row != "" {
			row += "," + tt.row
		}
		id, state := parseDeviceState(json.RawMessage(row+"}"), []string{tt.property})
		if id != "front" || !state.connected || len(state.properties) != 1 {
			t.Errorf("%s: %q, %+v", tt.name, id, state)
			continue
		}

		got := state.properties[0].judge(id, true, tt.want)
		if got.Outcome != tt.outcome || got.Reason != tt.reason {
			t.Errorf("%s: %s, %q; want %s, %q", tt.name, got.Outcome, got.Reason, tt.outcome, tt.reason)
		}
		if offline := state.properties[0].judge(id, false, tt.want); tt.outcome == iothub.Pending && tt.reason == reasonSilent && offline.Reason != reasonOffline {
			t.Errorf("%s, offline: %+v", tt.name, offline)
		}
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	ok, pending := iothub.Verdict{Outcome: iothub.Succeeded}, iothub.Verdict{Outcome: iothub.Pending, Reason: reasonSilent}
	refused := iothub.Verdict{Outcome: iothub.Refused, Reason: "floor: 400"}
	other := iothub.Verdict{Outcome: iothub.Refused, Reason: "room: 400"}

	for _, tt := range []struct {
		verdicts []iothub.Verdict
		want     iothub.Verdict
	}{
		{[]iothub.Verdict{ok, ok}, ok},
		{[]iothub.Verdict{ok, pending, pending}, pending},
		{[]iothub.Verdict{pending, refused, ok, other}, iothub.Verdict{Outcome: iothub.Refused, Reason: "floor: 400; room: 400"}},
	} {
		if got := worst(tt.verdicts); got != tt.want {
			t.Errorf("%+v give %+v, want %+v", tt.verdicts, got, tt.want)
		}
	}
}

func TestDesiredOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{`{"etag":"*","properties":{"desired":{"floor":3,"room":null}}}`: 2, `{"tags":{"a":1}}`: 0, `x`: 0} {
		if got := DesiredOf(iothub.Job{Type: iothub.ScheduleUpdateTwin, UpdateTwin: json.RawMessage(text)}); len(got) != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got := DesiredOf(iothub.Job{Type: iothub.ScheduleDeviceMethod, UpdateTwin: json.RawMessage(`{"properties":{"desired":{"a":1}}}`)}); got != nil {
		t.Errorf("a method job: %v", got)
	}
}
