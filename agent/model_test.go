package agent

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// element is an element of the model's interface, as far as it is compared.
type element struct {
	Type     string `json:"@type"`
	Name     string
	Writable bool
	Schema   json.RawMessage
}

// members returns the names of an object's members, dotted below their parents.
func members(t *testing.T, name string, schema json.RawMessage) []string {
	t.Helper()
	if len(schema) > 0 && schema[0] == '"' {
		return []string{name}
	}
	var s struct {
		Type   string `json:"@type"`
		Fields []element
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	if s.Type != "Object" {
		return []string{name}
	}
	var all []string
	for _, f := range s.Fields {
		all = append(all, members(t, name+"."+f.Name, f.Schema)...)
	}
	return all
}

// leaves returns the same for a value.
func leaves(name string, value any) []string {
	o, ok := value.(map[string]any)
	if !ok {
		return []string{name}
	}
	var all []string
	for k, v := range o {
		all = append(all, leaves(name+"."+k, v)...)
	}
	return all
}

// The model that the agent announces says what the agent does, and nothing else.
func TestModelAndCodeAgree(t *testing.T) {
	text, err := os.ReadFile("DoorLock.json")
	if err != nil {
		t.Fatal(err)
	}
	var model struct {
		ID       string `json:"@id"`
		Contents []element
	}
	if err := json.Unmarshal(text, &model); err != nil {
		t.Fatal(err)
	}
	if model.ID != ModelID {
		t.Errorf("the model is %s, the agent announces %s", model.ID, ModelID)
	}
	inModel := map[string][]string{}
	for _, e := range model.Contents {
		kind := e.Type
		if e.Writable {
			kind = "desired"
		}
		if kind == "Property" {
			inModel[kind] = append(inModel[kind], members(t, e.Name, e.Schema)...)
		} else {
			inModel[kind] = append(inModel[kind], e.Name)
		}
	}
	inCode := map[string][]string{"Command": methodNames, "Telemetry": telemetryMembers()}
	for _, p := range properties {
		inCode["desired"] = append(inCode["desired"], p.name)
	}
	for name, value := range fullReport(t) {
		if !isProperty(name) {
			inCode["Property"] = append(inCode["Property"], leaves(name, value)...)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(inModel)) {
		want, got := slices.Sorted(slices.Values(inCode[kind])), slices.Sorted(slices.Values(inModel[kind]))
		if !slices.Equal(want, got) {
			t.Errorf("%s: the model has\n%q\nthe code\n%q", kind, got, want)
		}
	}
}

// telemetryMembers are the members of the messages that the agent sends.
func telemetryMembers() []string {
	names := map[string]bool{}
	for _, message := range []reflect.Type{reflect.TypeFor[Event](), reflect.TypeFor[telemetryNow]()} {
		for i := range message.NumField() {
			name, _, _ := strings.Cut(message.Field(i).Tag.Get("json"), ",")
			names[name] = true
		}
	}
	return slices.Collect(maps.Keys(names))
}

// fullReport is a report in which nothing is missing.
func fullReport(t *testing.T) iothub.Object {
	t.Helper()
	a := bareAgent(t)
	now := time.Now()
	a.config.System = System{Model: "Pi"}
	a.lock = doorLock{&stillLock{}, actuator.Status{
		Fault: "f", Last: &actuator.Last{Reason: "r"}, Door: actuator.DoorOpen, DoorChangedAt: now,
	}}
	a.link.Store(&linkInfo{lastError: "e"})
	a.state.Update(func(s *State) { s.LastReboot = &Reboot{now, causeMethod} }, func(error) {})
	return plain(a.reported())
}

// As long as telemetrySeconds says so, the hub is told where the door stands.
func TestTelemetry(t *testing.T) {
	d, h := newDoor(t, "", "", actuator.Locked), newHub(`{"desired":{"telemetrySeconds":1,"logLevel":"debug","$version":2},"reported":{}}`)
	levels := make(chan string, 8)
	d.config.SetLogLevel = func(level string) { levels <- level }
	d.serve(t, h)
	var m iothub.Message
	select {
	case m = <-h.messages:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is told")
	}
	var body map[string]any
	if err := json.Unmarshal(m.Body, &body); err != nil {
		t.Fatal(err)
	}
	if body["event"] != "status" || body["position"] != "locked" || body["source"] != "sensor" || m.ContentType != "application/json" {
		t.Errorf("told %s", m.Body)
	}
	if got := <-levels; got != "debug" {
		t.Errorf("the log's level is %q", got)
	}
	h.desired <- iothub.Object{"telemetrySeconds": json.Number("-1"), "logLevel": "loud", "$version": json.Number("3")}
	h.until(t, "the refusals", func(r iothub.Object) bool {
		seconds, _ := r["telemetrySeconds"].(map[string]any)
		level, _ := r["logLevel"].(map[string]any)
		return seconds["ac"] == json.Number("400") && level["ac"] == json.Number("400") && level["value"] == "debug"
	})
}
