package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// tagged returns the keys of a struct, dotted.
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

// Each key of the configuration stands in the example, once, and no other does.
func TestTheExampleHasEachKey(t *testing.T) {
	var documented []string
	for _, k := range keys {
		documented = append(documented, k.name)
	}
	slices.Sort(documented)
	want := tagged("", reflect.TypeFor[Config]())
	slices.Sort(want)
	if !slices.Equal(documented, want) {
		t.Errorf("documented\n%q\nthe configuration has\n%q", documented, want)
	}
}

// The example is a configuration as it stands, and with each part that it has
// commented out.
func TestTheExampleLoads(t *testing.T) {
	c, err := Load(write(t, Example()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, Example())
	}
	if c.Lock.Driver != "gpio" || c.Lock.Bolt != nil || c.LogLevel != "info" {
		t.Errorf("the example is %+v", c)
	}
	on := func(text string, keys ...string) string {
		for _, k := range keys {
			if !strings.Contains(text, "\n#"+k) {
				t.Errorf("the example has no %s that is commented out", k)
			}
			text = strings.ReplaceAll(text, "\n#"+k, "\n"+k)
		}
		return text
	}
	off := func(text string, keys ...string) string {
		for _, k := range keys {
			text = strings.ReplaceAll(text, "\n"+k, "\n#"+k)
		}
		return text
	}
	all := on(Example(), "state_dir", "log_level", "allow_reboot", "certificate_file", "certificate_key_file", "endpoint = \"10", "ca_file",
		"websocket", "proxy =", "confirm_timeout", "min_interval", "auto_relock", "active_low", "bias", "drive", "debounce", "chip", "line", "active",
		"travel", "fault", "building", "floor", "room", "[lock.bolt_sensor]", "[lock.door_sensor]", "[lock.mock]", "[place]")
	for name, text := range map[string]string{
		"all that goes together": all,
		"a strike":               on(off(strings.Replace(Example(), `mode = "hold"`, `mode = "pulse"`, 1), "at_power_on", "active ="), "pulse", "max_energised"),
		"a motor":                on(off(strings.Replace(Example(), `mode = "hold"`, `mode = "dual"`, 1), "at_power_on", "active ="), "unlock_line"),
		"provisioning":           on(off(Example(), "connection_string_file"), "[provisioning]", "id_scope", "registration_id", "key_file"),
	} {
		if _, err := Load(write(t, text)); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, text)
		}
	}
}
