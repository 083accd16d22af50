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
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// element is an element of a DTDL interface: a property, command or telemetry. It has
// only the members that the test compares.
type element struct {
	Type     string `json:"@type"`
	Name     string
	Writable bool
	Schema   json.RawMessage
}

// members returns the dotted names of all leaves of a DTDL schema.
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

// leaves returns the dotted names of all leaves of a JSON value.
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

// The DTDL model lists exactly the properties, methods and messages of the agent.
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
		t.Errorf("the model has the id %s, but the agent announces %s", model.ID, ModelID)
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

// telemetryMembers returns the names of all members of the agent's messages.
func telemetryMembers() []string {
	names := map[string]bool{}
	for _, message := range []reflect.Type{reflect.TypeFor[events.Event](), reflect.TypeFor[statusMessage]()} {
		for i := range message.NumField() {
			name, _, _ := strings.Cut(message.Field(i).Tag.Get("json"), ",")
			if name != "-" {
				names[name] = true
			}
		}
	}
	return slices.Collect(maps.Keys(names))
}

// fullReport returns reported properties in which every optional member is present.
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
	return normalize(a.reported())
}

// The desired property telemetrySeconds makes the agent send status messages, and
// logLevel changes its log level. Bad values of both are refused.
func TestTelemetry(t *testing.T) {
	d, h := newDoor(t, "", "", actuator.Locked), newHub(`{"desired":{"telemetrySeconds":1,"logLevel":"debug","$version":2},"reported":{}}`)
	levels := make(chan string, 8)
	d.config.SetLogLevel = func(level string) { levels <- level }
	d.serve(t, h)
	var m iothub.Message
	select {
	case m = <-h.messages:
	case <-time.After(10 * time.Second):
		t.Fatal("no status message was sent")
	}

	var body map[string]any
	if err := json.Unmarshal(m.Body, &body); err != nil {
		t.Fatal(err)
	}

	if body["event"] != "status" || body["position"] != "locked" || body["source"] != "sensor" || m.ContentType != "application/json" {
		t.Errorf("status message %s", m.Body)
	}
	if got := <-levels; got != "debug" {
		t.Errorf("log level %q, want debug", got)
	}

	h.desired <- iothub.Object{"telemetrySeconds": json.Number("-1"), "logLevel": "loud", "$version": json.Number("3")}
	h.until(t, "the refusals", func(r iothub.Object) bool {
		seconds, _ := r["telemetrySeconds"].(map[string]any)
		level, _ := r["logLevel"].(map[string]any)
		return seconds["ac"] == json.Number("400") && level["ac"] == json.Number("400") && level["value"] == "debug"
	})
}
