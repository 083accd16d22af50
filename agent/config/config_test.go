package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

const good = `
state_dir = "state"
[hub]
connection_string_file = "secret"
ca_file = "/etc/ca.pem"
endpoint = "127.0.0.1:8883"
[lock]
driver = "mock"
at_power_on = "locked"
`

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "latchd.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoadFillsDefaultsAndResolvesPaths(t *testing.T) {
	file := write(t, good)
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}

	dir := filepath.Dir(file)
	if c.StateDir != filepath.Join(dir, "state") || c.Hub.ConnectionStringFile != filepath.Join(dir, "secret") || c.Hub.CAFile != "/etc/ca.pem" {
		t.Errorf("paths: %q, %q, %q", c.StateDir, c.Hub.ConnectionStringFile, c.Hub.CAFile)
	}
	if c.Lock.ConfirmTimeout != Duration(4*time.Second) || c.LogLevel != "info" || c.Lock.MinInterval != Duration(time.Second) {
		t.Errorf("defaults: %+v", c)
	}
	if got := c.Lock.MockConfig(); got != (mock.Config{Travel: 50 * time.Millisecond}) {
		t.Errorf("mock = %+v", got)
	}
}

func TestLoadErrors(t *testing.T) {
	replaced := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":         {replaced("endpoint", "endpiont"), `:6: unknown key hub.endpiont`},
		"unknown table":       {good + "[door]\nx = 1\n", `unknown key door`},
		"not TOML":            {replaced(`state_dir = "state"`, `state_dir = `), `:2: `},
		"wrong type":          {replaced(`"mock"`, `7`), `:8: lock.driver: `},
		"unknown driver":      {replaced(`"mock"`, `"gpoi"`), `:8: lock.driver: "gpoi" is not allowed; want "gpio" or "mock"`},
		"unknown power-on":    {replaced(`"locked"`, `"closed"`), `:9: lock.at_power_on: "closed" is not allowed; want "locked" or "unlocked" or "last"`},
		"unknown fault":       {good + "[lock.mock]\nfault = \"jammed\"\n", `lock.mock.fault: "jammed" is not allowed; want "none" or "jam" or "slow" or "dead-sensor" or "busy"`},
		"unknown level":       {"log_level = \"loud\"\n" + good, `:1: log_level: "loud" is not allowed`},
		"not a duration":      {good + "confirm_timeout = \"4\"\n", `:10: lock.confirm_timeout: "4" is not a duration`},
		"no unit":             {good + "min_interval = 5\n", `:10: lock.min_interval: 5 is not a duration; want a number with a unit`},
		"confirm too short":   {good + "confirm_timeout = \"99ms\"\n", `:10: lock.confirm_timeout: 99ms is out of range; want 100ms to 4s`},
		"a nanosecond over":   {good + "confirm_timeout = \"4000000001ns\"\n", `:10: lock.confirm_timeout: 4.000000001s is out of range`},
		"negative":            {good + "min_interval = \"-1ns\"\n", `:10: lock.min_interval: -1ns is out of range`},
		"relock too late":     {good + "auto_relock = \"24h0m1s\"\n", `:10: lock.auto_relock: 24h0m1s is out of range; want 0s to 24h`},
		"travel too long":     {good + "[lock.mock]\ntravel = \"11s\"\n", `:11: lock.mock.travel: 11s is out of range; want 0s to 10s`},
		"endpoint with path":  {replaced("127.0.0.1:8883", "hub/x"), `:6: hub.endpoint: "hub/x" is not an address; want HOST or HOST:PORT`},
		"endpoint, no port":   {replaced("127.0.0.1:8883", "hub:"), `:6: hub.endpoint: "hub:" is not an address`},
		"endpoint, bad port":  {replaced("127.0.0.1:8883", "hub:65536"), `:6: hub.endpoint: "hub:65536" is not an address`},
		"confirm too long":    {good + "confirm_timeout = \"5s\"\n", `:10: lock.confirm_timeout: 5s is out of range; want 100ms to 4s`},
		"interval too long":   {good + "min_interval = \"2m\"\n", `:10: lock.min_interval: 2m is out of range; want 0s to 1m`},
		"relock in fractions": {good + "auto_relock = \"1500ms\"\n", `lock.auto_relock: 1.5s is not allowed; want whole seconds`},
		"no credentials":      {replaced(`connection_string_file = "secret"`, ``), `hub.connection_string_file: missing`},
		"no driver":           {replaced(`driver = "mock"`, ``), `lock.driver: missing; want "gpio" or "mock"`},
		"no power-on":         {replaced(`at_power_on = "locked"`, ``), `lock.at_power_on: missing; want "locked" or "unlocked" or "last"`},
		"place too long":      {good + "[place]\nroom = \"" + strings.Repeat("x", 129) + "\"\n", `place.room: the text is too long; at most 128 characters are allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, tc.text)
			_, err := Load(file)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), file) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant one line that begins with the file's name and contains %s", err, tc.want)
			}
		})
	}
}

func TestLoadAcceptsTheBounds(t *testing.T) {
	for _, text := range []string{
		good + "confirm_timeout = \"4s\"\nmin_interval = \"1m\"\nauto_relock = \"24h\"\n[lock.mock]\ntravel = \"10s\"\n",
		good + "confirm_timeout = '100ms'\nmin_interval = \"0s\"\nauto_relock = \"0s\"\n[lock.mock]\ntravel = \"0s\"\n",
		good + "[place]\nroom = \"" + strings.Repeat("\u00e9", 128) + "\"\n",
		strings.Replace(good, "127.0.0.1:8883", "hub.example", 1),
		strings.Replace(good, "127.0.0.1:8883", "::1", 1),
		strings.Replace(good, "127.0.0.1:8883", "[::1]:65535", 1),
	} {
		if _, err := Load(write(t, text)); err != nil {
			t.Errorf("%v in %s", err, text)
		}
	}
}

// Load returns a configuration within its bounds, or an error that begins with the
// file's name.
func FuzzLoad(f *testing.F) {
	f.Add(good)
	f.Add(good + "auto_relock = '30s'\n[lock.mock]\nfault = 'jam'\ntravel = 5\n[place]\nfloor = -3\nroom = \"\"\n")
	f.Add(goodGPIO)
	f.Add("lock = {driver = 'mock', at_power_on = 'last'}\nhub.connection_string_file = 'x'\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse("/f.toml", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "/f.toml") {
				t.Errorf("the error does not begin with the file's name: %v", err)
			}
			if !reflect.DeepEqual(c, Config{}) {
				t.Errorf("the error comes with a configuration: %+v", c)
			}
			return
		}

		l := c.Lock
		if l.ConfirmTimeout <= 0 || time.Duration(l.ConfirmTimeout) > 4*time.Second || l.MinInterval < 0 || l.AutoRelock < 0 {
			t.Errorf("accepted %+v", l)
		}
		if a := l.ActuatorConfig(); a.AtPowerOn == actuator.Unlocked && l.AtPowerOn != "unlocked" {
			t.Errorf("at_power_on = %q unlocks", l.AtPowerOn)
		}

		if l.Driver == "gpio" {
			l.GPIOConfig() // must not panic
		}
	})
}

func TestLoadWithoutFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml")); err == nil || !strings.Contains(err.Error(), "none.toml") {
		t.Errorf("err = %v", err)
	}
}
