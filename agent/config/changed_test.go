package config

import (
	"slices"
	"strings"
	"testing"
)

func TestChanged(t *testing.T) {
	load := func(text string) Config {
		t.Helper()
		c, err := parse("/f.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	before := load(goodGPIO)
	for name, tc := range map[string]struct {
		old, new string
		want     []string
	}{
		"nothing":             {"17", "17", nil},
		"a line":              {"line = 17", "line = 18", []string{"lock.gpio.line"}},
		"a line's name":       {`"BOLT"`, `"B"`, []string{"lock.bolt_sensor"}},
		"no sensor":           {"[lock.bolt_sensor]\nline = \"BOLT\"\nactive = \"locked\"\nactive_low = true\nbias = \"pull-up\"\n", "", []string{"lock.bolt_sensor"}},
		"two keys of a table": {"at_power_on = \"last\"", "at_power_on = \"locked\"\nmin_interval = \"3s\"", []string{"lock.at_power_on", "lock.min_interval"}},
		"new keys":            {"[hub]", "log_level = \"warn\"\n[place]\nroom = \"r\"\n[hub]", []string{"log_level", "place.room"}},
	} {
		got := Changed(before, load(strings.Replace(goodGPIO, tc.old, tc.new, 1)))
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
