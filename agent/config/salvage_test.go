package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// An error outside [lock] leaves the lock's configuration usable and is reported with
// its place. Other tables stay in force.
func TestLoadLock(t *testing.T) {
	t.Parallel()
	const text = "log_level = \"debug\"\nstate_dir = \"/s\"\n" + goodGPIO + "[place]\nroom = \"r\"\n"
	want, err := parse("/f.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}

	for name, tc := range map[string]struct {
		old, new string
		problems []string // part of each problem
		hub      bool
		room     string
		level    string
	}{
		"no error":            {"", "", nil, true, "r", "debug"},
		"bad log level":       {`"debug"`, `"loud"`, []string{`:1: log_level: "loud" is not allowed`}, true, "r", "info"},
		"bad type on top":     {`"debug"`, `7`, []string{`:1: log_level: an integer`}, true, "r", "info"},
		"unknown key on top":  {`log_level =`, `loglevel =`, []string{`:1: unknown key loglevel`}, true, "r", "info"},
		"no TOML on top":      {`"debug"`, `debug"`, []string{`:1: `}, true, "r", "info"},
		"unknown key in hub":  {"[hub]", "[hub]\nendpiont = \"x\"", []string{`:5: unknown key hub.endpiont`}, false, "r", "debug"},
		"no TOML in hub":      {`= "secret"`, `= secret`, []string{`:5: `}, false, "r", "debug"},
		"no hub":              {"[hub]\nconnection_string_file = \"secret\"\n", "", []string{`hub.connection_string_file: missing`}, false, "r", "debug"},
		"bad address":         {"[hub]", "[hub]\nendpoint = \"h:\"", []string{`:5: hub.endpoint: "h:" is not an address`}, false, "r", "debug"},
		"bad provisioning":    {"[place]", "[provisioning]\nid_scope = 1\n[place]", []string{`provisioning.id_scope: `}, false, "r", "debug"},
		"unknown table":       {"[place]", "[dor]\nx = 1\n[place]", []string{`unknown key dor`}, true, "r", "debug"},
		"bad place":           {`room = "r"`, `room = 3.14`, []string{`place.room: a float`}, true, "", "debug"},
		"two errors":          {"log_level = \"debug\"", "log_level = \"loud\"\n[[place]]", []string{`:2: place: `, `:1: log_level`}, true, "", "info"},
		"not terminated text": {`room = "r"`, `room = "r`, []string{`: `}, true, "", "debug"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(t, strings.Replace(text, tc.old, tc.new, 1))
			c, problems, err := LoadLock(file)
			if err != nil {
				t.Fatal(err)
			}

			if !reflect.DeepEqual(c.Lock, want.Lock) {
				t.Errorf("the lock is configured as %+v, want %+v", c.Lock, want.Lock)
			}
			if len(problems) != len(tc.problems) {
				t.Errorf("problems %q, want %q", problems, tc.problems)
			}
			for i, want := range tc.problems {
				if i < len(problems) && (!strings.Contains(problems[i].Error(), want) || !strings.HasPrefix(problems[i].Error(), file)) {
					t.Errorf("problem %q, want %q", problems[i], want)
				}
			}

			room := ""
			if c.Place.Room != nil {
				room = *c.Place.Room
			}
			if c.HasHub() != tc.hub || room != tc.room || c.LogLevel != tc.level {
				t.Errorf("hub %v, room %q, log level %q; want %v, %q, %q", c.HasHub(), room, c.LogLevel, tc.hub, tc.room, tc.level)
			}
		})
	}
}

// An error in [lock] ends the agent: it cannot know how to drive the lock.
func TestLoadLockRefusesABadLock(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":              "",
		"no TOML":              "lock = 7",
		"bad value in lock":    strings.Replace(goodGPIO, `"hold"`, `"toggle"`, 1),
		"unknown key in lock":  strings.Replace(goodGPIO, `mode =`, `moed =`, 1),
		"no TOML in a sensor":  strings.Replace(goodGPIO, `"BOLT"`, `BOLT`, 1),
		"two bad tables":       strings.NewReplacer(`"hold"`, `hold`, `"secret"`, `secret`).Replace(goodGPIO),
		"bad key of the lock":  "log_level = loud\nlock.driver = \"mock\"\n",
		"hub is bad, no lock":  "[hub]\nx = 1\n",
		"lock in another form": "log_level = \"loud\"\nlock = {driver = \"gpoi\"}\n",
	} {
		if c, problems, err := LoadLock(write(t, text)); err == nil || !reflect.DeepEqual(c, Config{}) {
			t.Errorf("%s: %+v, %q", name, c, problems)
		}
	}

	if _, _, err := LoadLock("/none.toml"); err == nil || !strings.HasPrefix(err.Error(), "read the configuration: ") {
		t.Errorf("a missing file: %v", err)
	}
}

// LoadHub loads the way to the hub although [lock] or another table has errors.
func TestLoadHub(t *testing.T) {
	t.Parallel()
	const text = "state_dir = \"/s\"\n[hub]\nconnection_string_file = \"secret\"\n[place]\nroom = \"r\"\n"
	for name, tc := range map[string]struct{ text, secret, room string }{
		"bad lock":  {text + "[lock]\ndriver = \"gpoi\"\n", "/d/secret", "r"},
		"no TOML":   {text + "[lock]\ndriver = gpio\n", "/d/secret", "r"},
		"no lock":   {text, "/d/secret", "r"},
		"bad place": {strings.Replace(text, `"r"`, "3.14", 1), "/d/secret", ""},
		"bad hub":   {strings.Replace(text, `"secret"`, "7", 1), "", "r"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(t, tc.text)
			c, err := LoadHub(file)
			if err != nil {
				t.Fatal(err)
			}

			room := ""
			if c.Place.Room != nil {
				room = *c.Place.Room
			}
			secret := strings.Replace(c.Hub.ConnectionStringFile, filepath.Dir(file), "/d", 1)
			if secret != tc.secret || room != tc.room || c.StateDir != "/s" || c.Lock.Driver != "" {
				t.Errorf("secret %q, room %q, state directory %q, driver %q", secret, room, c.StateDir, c.Lock.Driver)
			}
		})
	}

	if _, err := LoadHub("/none.toml"); err == nil || !strings.Contains(err.Error(), "run 'latchd config --example > /none.toml' and edit the file") {
		t.Errorf("err = %v", err)
	}
}

// Keys of the lock before the first table count, whatever their notation.
func TestLoadLockReadsKeysOnTop(t *testing.T) {
	t.Parallel()
	for _, lock := range []string{
		"lock.driver = \"mock\"\nlock.at_power_on = \"locked\"\nlock.min_interval = \"3s\"\n",
		"lock = {driver = \"mock\", at_power_on = \"locked\", min_interval = \"3s\"}\n",
	} {
		c, problems, err := LoadLock(write(t, lock+"[hub]\nx = 1\n"))
		if err != nil || len(problems) != 1 || c.Lock.MinInterval != Duration(3*time.Second) {
			t.Errorf("%s: %+v, %q, %v", lock, c.Lock, problems, err)
		}
	}
}

// Each door of a gateway has its own state directory.
func TestDefaultStateDir(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/etc/latchd/latchd.toml": "/var/lib/latchd",
		"/etc/latchd/side.toml":   "/var/lib/latchd/side",
		"/home/me/side.toml":      "/var/lib/latchd",
		"latchd.toml":             "/var/lib/latchd",
	} {
		if got := DefaultStateDir(file); got != want {
			t.Errorf("the state of %s is in %s, want %s", file, got, want)
		}
	}
}
