package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
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
	model := readModel(t)
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

// The commands of the model have the members that the methods take and answer.
func TestModelOfMethods(t *testing.T) {
	model := readModel(t)
	a := bareAgent(t)
	samples := map[string]string{`"string"`: `"x"`, `"long"`: `1`, `"boolean"`: `true`}
	payload := func(f element) []byte {
		return fmt.Appendf(nil, "{%q:%s}", f.Name, samples[string(f.Schema)])
	}

	lock, unlock := model.command(t, "lockDoor"), model.command(t, "unlockDoor")
	for _, f := range lock.request {
		if _, ignored := parseLock(payload(f)); len(ignored) != 0 {
			t.Errorf("lockDoor does not understand %s", payload(f))
		}
	}
	for _, f := range unlock.request {
		if _, err := a.parseUnlock(payload(f)); err != nil {
			t.Errorf("unlockDoor refuses %s: %v", payload(f), err)
		}
	}
	if names := elementNames(lock.request); !slices.Equal(names, []string{"by", "reason", "whenClosed"}) {
		t.Errorf("lockDoor takes %q", names)
	}
	if names := elementNames(unlock.request); !slices.Equal(names, []string{"by", "forSeconds", "hold", "reason"}) {
		t.Errorf("unlockDoor takes %q", names)
	}

	inModel := slices.Concat(elementNames(lock.response), elementNames(unlock.response))
	inCode := slices.Concat(memberNames(reflect.TypeFor[motionAnswer]()), memberNames(reflect.TypeFor[pendingAnswer]()))
	slices.Sort(inModel)
	slices.Sort(inCode)
	if inModel, inCode := slices.Compact(inModel), slices.Compact(inCode); !slices.Equal(inModel, inCode) {
		t.Errorf("the model's answers have %q, the code's %q", inModel, inCode)
	}
}

// The enumerations of the model list the constants of package actuator.
func TestModelOfConstants(t *testing.T) {
	constants := actuatorConstants(t)
	enums := readModel(t).enums(t)
	for name, want := range map[string][]string{
		"event":         append(constants["EventKind"], events.Started, "status"),
		"code":          constants["Code"],
		"origin":        constants["Origin"],
		"pending":       constants["Pending"],
		"position":      constants["Position"],
		"source":        constants["Source"],
		"doorState":     constants["DoorState"],
		"lock.mode":     constants["Mode"],
		"lock.position": constants["Position"],
		"lock.source":   constants["Source"],
	} {
		slices.Sort(want)
		if got := enums[name]; len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: the model has %q, the code %q", name, got, want)
		}
	}
}

// The model keeps to the rules of DTDL version 2 for names, texts, depth and arrays.
func TestModelIsValid(t *testing.T) {
	model := readModel(t)
	validName := regexp.MustCompile(`^[a-zA-Z](?:[a-zA-Z0-9_]*[a-zA-Z0-9])?$`)
	names := map[string]bool{}
	for _, e := range model.Contents {
		if names[e.Name] {
			t.Errorf("two elements have the name %s", e.Name)
		}
		names[e.Name] = true
		if arrays := bytes.Contains(e.Schema, []byte(`"Array"`)); arrays && e.Type == "Property" {
			t.Errorf("the property %s holds an array", e.Name)
		}
	}

	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item, depth)
			}
		case map[string]any:
			if name, ok := v["name"].(string); ok && (len(name) > 64 || !validName.MatchString(name)) {
				t.Errorf("the name %q is not valid", name)
			}
			if text, _ := v["description"].(string); len(text) > 512 {
				t.Errorf("a description has %d characters: %s", len(text), text)
			}
			if v["@type"] == "Object" {
				depth++
			}
			if depth > 5 {
				t.Errorf("the schema %v is nested too deep", v)
			}
			for _, item := range v {
				walk(item, depth)
			}
		}
	}
	var whole any
	if err := json.Unmarshal(model.text, &whole); err != nil {
		t.Fatal(err)
	}
	walk(whole, 0)
}

// model is the agent's DTDL model.
type model struct {
	text     []byte
	ID       string `json:"@id"`
	Contents []element
}

func readModel(t *testing.T) model {
	t.Helper()
	text, err := os.ReadFile("DoorLock.json")
	if err != nil {
		t.Fatal(err)
	}

	m := model{text: text}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// modelCommand holds the members of a command's request and response.
type modelCommand struct{ request, response []element }

func (m model) command(t *testing.T, name string) modelCommand {
	t.Helper()
	var c struct {
		Contents []struct {
			Name              string
			Request, Response struct{ Schema struct{ Fields []element } }
		}
	}
	var generic struct{ Contents []json.RawMessage }
	if err := json.Unmarshal(m.text, &generic); err != nil {
		t.Fatal(err)
	}
	for i, e := range m.Contents {
		if e.Type != "Command" || e.Name != name {
			continue
		}
		if err := json.Unmarshal(fmt.Appendf(nil, `{"contents":[%s]}`, generic.Contents[i]), &c); err != nil {
			t.Fatal(err)
		}
		return modelCommand{c.Contents[0].Request.Schema.Fields, c.Contents[0].Response.Schema.Fields}
	}
	t.Fatalf("the model has no command %s", name)
	return modelCommand{}
}

// enums returns the values of the model's enumerations in properties and messages, by
// dotted name.
func (m model) enums(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	var add func(name string, schema json.RawMessage)
	add = func(name string, schema json.RawMessage) {
		var s struct {
			Fields     []element
			EnumValues []struct{ EnumValue string }
		}
		if json.Unmarshal(schema, &s) != nil {
			return // a plain type
		}
		for _, v := range s.EnumValues {
			all[name] = append(all[name], v.EnumValue)
		}
		slices.Sort(all[name])
		for _, f := range s.Fields {
			add(name+"."+f.Name, f.Schema)
		}
	}

	for _, e := range m.Contents {
		add(e.Name, e.Schema)
	}
	return all
}

// actuatorConstants returns the values of the string constants of package actuator, by
// the name of their type.
func actuatorConstants(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../actuator/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("the files of package actuator: %q, %v", files, err)
	}

	all := map[string][]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, named := spec.Type.(*ast.Ident)
			value, literal := spec.Values[0].(*ast.BasicLit)
			if !named || !literal || value.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(value.Value)
			if err != nil {
				t.Fatal(err)
			}
			all[kind.Name] = append(all[kind.Name], text)
			return true
		})
	}
	return all
}

func elementNames(elements []element) []string {
	var names []string
	for _, e := range elements {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// memberNames returns the names of the JSON members of a struct.
func memberNames(s reflect.Type) []string {
	var names []string
	for i := range s.NumField() {
		if name, _, _ := strings.Cut(s.Field(i).Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// telemetryMembers returns the names of all members of the agent's messages.
func telemetryMembers() []string {
	names := slices.Concat(memberNames(reflect.TypeFor[events.Event]()), memberNames(reflect.TypeFor[statusMessage]()))
	slices.Sort(names)
	return slices.Compact(names)
}

// fullReport returns reported properties in which every optional member is present.
func fullReport(t *testing.T) iothub.Object {
	t.Helper()
	a := bareAgent(t)
	now := time.Now()
	a.config.System = System{Model: "Pi"}
	a.lock = doorLock{&stillLock{}, actuator.Status{
		Fault: "f", Last: &actuator.Last{Reason: "r"}, ReleaseEnd: now,
		Door: actuator.DoorOpen, DoorChangedAt: now, LastForcedAt: now, ExitStuck: true,
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
