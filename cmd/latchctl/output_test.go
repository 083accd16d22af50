package main

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/events"
	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

// documented maps the beginning of each heading in output.txt to the type whose fields
// the heading documents.
var documented = map[string]reflect.Type{
	"doors":                    reflect.TypeFor[listedDoor](),
	"events":                   reflect.TypeFor[events.Event](),
	"device list":              reflect.TypeFor[listedDevice](),
	"device create":            reflect.TypeFor[deviceView](),
	"device connection-string": reflect.TypeFor[deviceSecret](),
	"twin show":                reflect.TypeFor[iothub.Twin](),
	"method invoke":            reflect.TypeFor[iothub.MethodResponse](),
	"job list":                 reflect.TypeFor[iothub.Job](),
	"lock, unlock, lockdown on, lockdown off, job watch": reflect.TypeFor[fleet.JobResult](),
	"the same with -o jsonl":                             reflect.TypeFor[fleet.Result](),
	"lock, unlock, lockdown on, lockdown off, job sched": reflect.TypeFor[fleet.Device](),
	"rollout list":           reflect.TypeFor[listedRollout](),
	"rollout show":           reflect.TypeFor[rolloutResult](),
	"of these with -o jsonl": reflect.TypeFor[rolloutDevice](),
	"rollout method and":     reflect.TypeFor[plannedDevice](),
	"hub list":               reflect.TypeFor[listedHub](),
	"hub token":              reflect.TypeFor[hubToken](),
	"doctor":                 reflect.TypeFor[finding](),
	"console":                reflect.TypeFor[consoleResult](),
	"version":                reflect.TypeFor[versionView](),
}

var (
	outputHead  = regexp.MustCompile(`^[a-z].*: `)
	outputField = regexp.MustCompile(`^  (\S+)  +\S`)
)

// readOutputText returns the fields that output.txt documents, by heading.
func readOutputText() map[string][]string {
	found := make(map[string][]string)
	head := ""
	_, sections, _ := strings.Cut(outputFields, "\n\n")
	for line := range strings.Lines(sections) {
		if outputHead.MatchString(line) {
			head = strings.TrimSpace(line)
			found[head] = nil
		} else if m := outputField.FindStringSubmatch(line); m != nil {
			found[head] = append(found[head], m[1])
		}
	}
	return found
}

// fieldsOf returns the names of the fields in the JSON form of a type, as output.txt
// writes them.
func fieldsOf(of reflect.Type, prefix string) []string {
	var fields []string
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			fields = append(fields, fieldsOf(f.Type, prefix)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options == "omitempty" || options == "omitzero" {
			name += "?"
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		whole := inner == reflect.TypeFor[time.Time]() || inner == reflect.TypeFor[iothub.Job]()
		if inner.Kind() == reflect.Struct && !whole {
			fields = append(fields, fieldsOf(inner, prefix+name+".")...)
		} else {
			fields = append(fields, prefix+name)
		}
	}
	return fields
}

// TestOutputIsDocumented checks that output.txt lists exactly the fields of the types
// that latchctl prints, and has a heading for each command.
func TestOutputIsDocumented(t *testing.T) {
	heads := readOutputText()
	for begins, of := range documented {
		fields, found := []string(nil), false
		for head, f := range heads {
			if strings.HasPrefix(head, begins) {
				fields, found = f, true
			}
		}
		if want := fieldsOf(of, ""); !found || !slices.Equal(fields, want) {
			t.Errorf("output.txt has under %q\n%q\n%s has\n%q", begins, fields, of, want)
		}
	}
	if len(heads) != len(documented)+1 { // The rows of a query have no fixed fields.
		t.Errorf("output.txt has the headings %q", slices.Sorted(maps.Keys(heads)))
	}
	silent := []string{"device delete", "hub add", "hub use", "hub remove"} // commands that print nothing on standard output
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		name := strings.TrimPrefix(cmd.CommandPath(), "latchctl ")
		if cmd.HasParent() && !cmd.HasSubCommands() && cmd.Runnable() && !slices.Contains(silent, name) && !regexp.MustCompile(`(?m)^.*\b`+name+`\b.*:`).MatchString(outputFields) {
			t.Errorf("output.txt does not say what %s prints", name)
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(&app{}))
}

// TestOutputIsAsDocumented checks that commands print only documented fields.
func TestOutputIsAsDocumented(t *testing.T) {
	hub := startFakeHub(t, threeDoors)
	for _, tt := range []struct {
		begins string
		args   []string
		status int
	}{
		{"device create", []string{"device", "create", "new"}, exitOK},
		{"device create", []string{"device", "show", "new"}, exitOK},
		{"device list", []string{"device", "list"}, exitOK},
		{"doors", []string{"doors"}, exitOK},
		{"device connection-string", []string{"device", "connection-string", "new"}, exitOK},
		{"twin show", []string{"twin", "show", "a"}, exitOK},
		{"twin show", []string{"twin", "update", "a", "--tags", `{"x":1}`}, exitOK},
		{"method invoke", []string{"method", "invoke", "c", "lockDoor"}, exitDevices},
		{"job list", []string{"job", "schedule", "method", "ping", "--where", "*", "--yes", "--id", "j"}, exitOK},
		{"lock, unlock, lockdown on, lockdown off, job watch", []string{"job", "watch", "j"}, exitDevices},
		{"lock, unlock, lockdown on, lockdown off, job watch", []string{"lock", "--where", "*"}, exitDevices},
		{"lock, unlock, lockdown on, lockdown off, job watch", []string{"job", "show", "j", "--devices"}, exitOK},
		{"job list", []string{"job", "list"}, exitOK},
		{"lock, unlock, lockdown on, lockdown off, job watch", []string{"job", "show", "j"}, exitOK},
		{"lock, unlock, lockdown on, lockdown off, job sched", []string{"unlock", "a", "--dry-run"}, exitOK},
		{"doctor", []string{"doctor"}, exitOK},
		{"version", []string{"version"}, exitOK},
	} {
		a, out, errOut := terminalApp(t, hub, 0, strings.NewReader(""))
		if got := run(t.Context(), a, append(tt.args, "-o", "json")); got != tt.status {
			t.Errorf("%v: status %d, want %d: %s", tt.args, got, tt.status, errOut)
			continue
		}
		var value any
		if err := json.Unmarshal(out.Bytes(), &value); err != nil {
			t.Errorf("%v: %v in %s", tt.args, err, out)
			continue
		}
		known := make(map[string]bool)
		for _, field := range fieldsOf(documented[tt.begins], "") {
			known[strings.ReplaceAll(field, "?", "")] = true
		}
		for _, path := range undocumented(value, "", known) {
			t.Errorf("%v prints the field %s, which is not documented", tt.args, path)
		}
	}
}

// undocumented returns the fields of a JSON value that known does not list. It does not
// look at fields inside a known field.
func undocumented(value any, prefix string, known map[string]bool) []string {
	var paths []string
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			paths = append(paths, undocumented(element, prefix, known)...)
		}
	case map[string]any:
		for name, inner := range v {
			switch inner.(type) {
			case map[string]any:
				if !known[prefix+name] {
					paths = append(paths, undocumented(inner, prefix+name+".", known)...)
				}
			default:
				if !known[prefix+name] {
					paths = append(paths, prefix+name)
				}
			}
		}
	}
	return paths
}
