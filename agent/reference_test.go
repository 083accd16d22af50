package agent

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/reference"
)

var updateReference = flag.Bool("update", false, "write the sections of the reference")

// described is an element of the DTDL model with its description.
type described struct {
	Type        string `json:"@type"`
	Name        string
	Description string
	Writable    bool
	EnumValue   string
	Schema      json.RawMessage
	Request     *described
	Response    *described
}

// parts returns the fields of an object's schema or the values of an enumeration, and the
// name of the schema.
func (d described) parts(t *testing.T) (parts []described, schema string) {
	t.Helper()
	if len(d.Schema) == 0 {
		return nil, ""
	}
	if d.Schema[0] == '"' {
		return nil, strings.Trim(string(d.Schema), `"`)
	}

	var s struct {
		Type          string `json:"@type"`
		Fields        []described
		EnumValues    []described
		ElementSchema json.RawMessage
	}
	if err := json.Unmarshal(d.Schema, &s); err != nil {
		t.Fatal(err)
	}
	return append(s.Fields, s.EnumValues...), s.Type
}

// rows returns one row for each leaf of the element: its dotted name below prefix, its
// type or values, and its description.
func (d described) rows(t *testing.T, prefix string) [][]string {
	t.Helper()
	parts, schema := d.parts(t)
	name := prefix + d.Name

	switch schema {
	case "Object":
		var rows [][]string
		for _, f := range parts {
			rows = append(rows, f.rows(t, name+".")...)
		}
		return rows

	case "Enum":
		var values []string
		for _, v := range parts {
			values = append(values, "`"+v.EnumValue+"`")
		}
		return [][]string{{"`" + name + "`", strings.Join(values, ", "), d.Description}}

	case "Array":
		return [][]string{{"`" + name + "`", "array", d.Description}}
	}

	words := map[string]string{"long": "whole number", "integer": "whole number", "double": "number", "boolean": "true or false", "dateTime": "time", "string": "text"}
	return [][]string{{"`" + name + "`", words[schema], d.Description}}
}

// TestReference writes the model of a door into the reference. Other tests of this package
// keep the model equal to the code.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("DoorLock.json")
	if err != nil {
		t.Fatal(err)
	}
	var model struct{ Contents []described }
	if err := json.Unmarshal(text, &model); err != nil {
		t.Fatal(err)
	}

	head := []string{"name", "type or values", "meaning"}
	var methods strings.Builder
	desired, reported, messages := [][]string{head}, [][]string{head}, [][]string{head}
	events := [][]string{{"event", "when"}}

	for _, e := range model.Contents {
		switch {
		case e.Type == "Command":
			methods.WriteString(method(t, e))
		case e.Writable:
			desired = append(desired, e.rows(t, "")...)
		case e.Type == "Property":
			reported = append(reported, e.rows(t, "")...)
		case e.Name == "event":
			kinds, _ := e.parts(t)
			for _, kind := range kinds {
				events = append(events, []string{"`" + kind.EnumValue + "`", kind.Description})
			}
			messages = append(messages, []string{"`event`", "see above", e.Description})
		case e.Type == "Telemetry":
			messages = append(messages, e.rows(t, "")...)
		}
	}

	reference.Check(t, "methods", methods.String(), *updateReference)
	reference.Check(t, "desired", reference.Table(desired), *updateReference)
	reference.Check(t, "reported", reference.Table(reported), *updateReference)
	reference.Check(t, "events", reference.Table(events), *updateReference)
	reference.Check(t, "messages", reference.Table(messages), *updateReference)
}

// method returns the part of the reference about a direct method.
func method(t *testing.T, e described) string {
	t.Helper()
	rows := [][]string{{"in", "name", "type or values", "meaning"}}
	for _, side := range []struct {
		name string
		of   *described
	}{{"payload", e.Request}, {"answer", e.Response}} {
		if side.of == nil {
			continue
		}
		fields, schema := side.of.parts(t)
		if schema != "Object" {
			rows = append(rows, []string{side.name, "", "any JSON", ""})
		}
		for _, f := range fields {
			for _, row := range f.rows(t, "") {
				rows = append(rows, append([]string{side.name}, row...))
			}
		}
	}
	return "### " + e.Name + "\n\n" + e.Description + "\n\n" + reference.Table(rows) + "\n"
}
