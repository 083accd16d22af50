package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// tagged returns the dotted keys of a configuration struct, from its toml tags.
func tagged(prefix string, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || t.Field(0).Tag.Get("toml") == "" {
		return []string{strings.TrimSuffix(prefix, ".")}
	}
	var all []string
	for i := range t.NumField() {
		all = append(all, tagged(prefix+t.Field(i).Tag.Get("toml")+".", t.Field(i).Type)...)
	}
	return all
}

// The table of keys, from which the example is made, has each key of the configuration
// once and no other.
func TestTheExampleHasEachKey(t *testing.T) {
	var documented []string
	for _, k := range keys {
		documented = append(documented, k.name)
	}
	slices.Sort(documented)
	want := tagged("", reflect.TypeFor[Config]())
	slices.Sort(want)
	if !slices.Equal(documented, want) {
		t.Errorf("documented keys\n%q\nkeys of the configuration\n%q", documented, want)
	}
}

// The example loads as it is, and also with its alternatives uncommented.
func TestTheExampleLoads(t *testing.T) {
	c, err := Load(write(t, Example()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, Example())
	}

	if c.Lock.Driver != "gpio" || c.Lock.Bolt != nil || c.LogLevel != "info" {
		t.Errorf("the example loads as %+v", c)
	}

	uncomment := func(text string, keys ...string) string {
		for _, k := range keys {
			if !strings.Contains(text, "\n#"+k) {
				t.Errorf("the example has no commented-out key %s", k)
			}
			text = strings.ReplaceAll(text, "\n#"+k, "\n"+k)
		}
		return text
	}

	comment := func(text string, keys ...string) string {
		for _, k := range keys {
			text = strings.ReplaceAll(text, "\n"+k, "\n#"+k)
		}
		return text
	}

	all := uncomment(Example(), "state_dir", "log_level", "allow_reboot", "certificate_file", "certificate_key_file", "endpoint = \"10", "ca_file",
		"websocket", "proxy =", "confirm_timeout", "min_interval", "auto_relock", "relock", "settle", "exit_time", "held_open", "manual", "egress", "action", "active_low", "bias", "drive", "debounce", "chip", "line", "active",
		"travel", "fault", "building", "floor", "room", "[lock.bolt_sensor]", "[lock.door_sensor]", "[lock.exit]", "[lock.mock]", "[place]")

	for name, text := range map[string]string{
		"all compatible keys": all,
		"a strike":            uncomment(comment(strings.Replace(Example(), `mode = "hold"`, `mode = "pulse"`, 1), "at_power_on", "active ="), "pulse", "max_energised"),
		"a motor":             uncomment(comment(strings.Replace(Example(), `mode = "hold"`, `mode = "dual"`, 1), "at_power_on", "active ="), "unlock_line"),
		"provisioning":        uncomment(comment(Example(), "connection_string_file"), "[provisioning]", "id_scope", "registration_id", "key_file"),
	} {
		if _, err := Load(write(t, text)); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, text)
		}
	}
}
