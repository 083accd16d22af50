package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchd/latchd/agent/config"
)

func TestSetHub(t *testing.T) {
	t.Parallel()

	const (
		file  = "/etc/latchd/latchd.toml"
		login = "connection_string_file = \"/c/s\"\nca_file = \"/ca\"\n"
		gpio  = "[lock]\ndriver = \"gpio\"\nmode = \"hold\" # of the front door\n\n[lock.gpio]\nchip = \"c\"\nline = 4\n"
		mock  = "\n[lock]\ndriver = \"mock\"\nat_power_on = \"locked\"\n"
		top   = "# Configuration of latchd, written by 'latchd enroll'; see latchd.toml(5).\n"
	)
	for name, test := range map[string]struct {
		text    string
		mock    bool
		want    string
		hasLock bool
	}{
		"new":                      {"", false, top + "\n[hub]\n" + login, false},
		"new, with a mock":         {"", true, top + "\n[hub]\n" + login + mock, true},
		"only a lock":              {gpio, false, gpio + "\n[hub]\n" + login, true},
		"no newline at the end":    {"state_dir = \"/s\"", false, "state_dir = \"/s\"\n\n[hub]\n" + login, false},
		"a mock already":           {strings.TrimPrefix(mock, "\n"), true, strings.TrimPrefix(mock, "\n") + "\n[hub]\n" + login, true},
		"lock as keys":             {"lock.driver = \"mock\"\n", true, "lock.driver = \"mock\"\n\n[hub]\n" + login, true},
		"another login":            {"[hub] # old\nconnection_string_file = \"x\"\n" + gpio, false, "[hub] # old\n" + login + "#connection_string_file = \"x\"\n" + gpio, true},
		"a proxy stays":            {"[hub]\nproxy = \"socks5://p:1\"\n endpoint = \"e:1\"\n# note\n", false, "[hub]\n" + login + "proxy = \"socks5://p:1\"\n# endpoint = \"e:1\"\n# note\n", false},
		"provisioning":             {"[provisioning]\nid_scope = \"a\"\n# why\n\n" + gpio, false, "#[provisioning]\n#id_scope = \"a\"\n# why\n\n" + gpio + "\n[hub]\n" + login, true},
		"the same login":           {"[hub]\n" + login + gpio, false, "[hub]\n" + login + gpio, true},
		"a comment before a table": {"[hub]\nca_file = \"x\"\n# The lock.\n" + gpio, false, "[hub]\n" + login + "#ca_file = \"x\"\n# The lock.\n" + gpio, true},
	} {
		got, hasLock, err := config.SetHub(file, []byte(test.text), config.HubEdit{ConnectionStringFile: "/c/s", CAFile: "/ca", Mock: test.mock})
		if err != nil || string(got) != test.want || hasLock != test.hasLock {
			t.Errorf("%s: %v, has a lock: %v, %v\n%s\nwant\n%s", name, err, hasLock, test.hasLock, got, test.want)
		}
	}

	for name, test := range map[string]struct{ text, want string }{
		"no TOML":              {"[hub", "latchd.toml:1"},
		"an unknown key":       {"[hub]\nconection_string_file = \"x\"\n", "conection_string_file"},
		"hub as keys":          {"hub.ca_file = \"x\"\n", "unusual form"},
		"hub as a value":       {"hub = { ca_file = \"x\" }\n", "unusual form"},
		"a text like a table":  {"state_dir = '''\n[hub]\n'''\n", "unusual form"},
		"a login in two lines": {"[hub]\nca_file = '''\nx'''\n", "unusual form"},
		"a real lock":          {gpio, config.ErrOtherLock.Error()},
	} {
		got, _, err := config.SetHub(file, []byte(test.text), config.HubEdit{ConnectionStringFile: "/c/s", CAFile: "/ca", Mock: true})
		if err == nil || !strings.Contains(err.Error(), test.want) || got != nil {
			t.Errorf("%s: %v, want %q\n%s", name, err, test.want, got)
		}
	}
}

// The example is the usual start of a configuration.
func TestSetHubInTheExample(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "latchd.toml")
	text, hasLock, err := config.SetHub(file, []byte(config.Example()), config.HubEdit{ConnectionStringFile: "/c/s", CAFile: "/ca"})
	if err != nil || !hasLock {
		t.Fatal(err, hasLock)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil || c.Hub.ConnectionStringFile != "/c/s" || c.Hub.CAFile != "/ca" || c.Lock.Driver != "gpio" {
		t.Errorf("%+v, %v", c.Hub, err)
	}
	if _, _, err := config.SetHub(file, text, config.HubEdit{Mock: true}); !errors.Is(err, config.ErrOtherLock) {
		t.Errorf("a mock for a real lock: %v", err)
	}
}
