package conn

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	fileString = "HostName=file.example;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0LWtleQ=="
	envString  = "HostName=env.example;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0LWtleQ=="
	siteString = "HostName=site.example;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0LWtleQ=="
)

// The table lists which source of the hub takes precedence, and which endpoint belongs
// to each source.
func TestResolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "hub")
	site := filepath.Join(dir, "site")
	for path, text := range map[string]string{file: fileString + "\n", site: siteString} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	config := Config{Hubs: map[string]Hub{
		"site":  {ConnectionStringFile: site, Endpoint: "https://site.local:8443"},
		"bare":  {ConnectionStringFile: site},
		"entra": {HostName: "h.azure-devices.net", Auth: "entra"},
	}}
	config.Hubs["known"] = Hub{ConnectionStringFile: site, ID: "5f0c1a52"}
	withDefault := config
	withDefault.Default = "site"

	tests := []struct {
		name     string
		flags    Flags
		env      map[string]string
		config   Config
		host     string
		endpoint string
		label    string // expected label; empty means not checked
		id       iothub.HubID
		entra    bool
		usage    string // expected part of the usage error
	}{
		{name: "file", flags: Flags{HubFile: file}, host: "file.example", label: "file.example"},
		{name: "file flag and environment", flags: Flags{HubFile: file}, env: map[string]string{"LATCHCTL_HUB": envString}, host: "file.example"},
		{name: "environment", env: map[string]string{"LATCHCTL_HUB": envString, "LATCHCTL_ENDPOINT": "h:1"}, config: withDefault, host: "env.example", endpoint: "h:1"},
		{name: "file from the environment", env: map[string]string{"LATCHCTL_HUB_FILE": file}, host: "file.example"},
		{name: "default", config: withDefault, env: map[string]string{"LATCHCTL_ENDPOINT": "h:1"}, host: "site.example", endpoint: "site.local:8443"},
		{name: "by name", flags: Flags{Hub: "site"}, env: map[string]string{"LATCHCTL_HUB": envString, "LATCHCTL_ENDPOINT": "h:1"}, config: config, host: "site.example", endpoint: "site.local:8443", label: "site"},
		{name: "by name, with its id", flags: Flags{Hub: "known"}, config: config, host: "site.example", label: "known", id: "5f0c1a52"},
		{name: "by name, without an endpoint", flags: Flags{Hub: "bare"}, env: map[string]string{"LATCHCTL_ENDPOINT": "h:1"}, config: config, host: "site.example"},
		{name: "by name, at another endpoint", flags: Flags{Hub: "site", Endpoint: "https://h:2"}, config: config, host: "site.example", endpoint: "h:2", label: "site at h:2"},
		{name: "endpoint flag", flags: Flags{HubFile: file, Endpoint: "h:2"}, env: map[string]string{"LATCHCTL_ENDPOINT": "h:1"}, host: "file.example", endpoint: "h:2", label: "h:2"},
		{name: "none", config: config, usage: "no hub is given"},
		{name: "unknown", flags: Flags{Hub: "home"}, config: config, usage: "its hubs: bare, entra, known, site"},
		{name: "both flags", flags: Flags{Hub: "site", HubFile: file}, usage: "give one of"},
		{name: "two environment variables", env: map[string]string{"LATCHCTL_HUB": envString, "LATCHCTL_HUB_FILE": file}, usage: "more than one of LATCHCTL_HUB, LATCHCTL_HUB_FILE and LATCHCTL_HUB_NAME is set"},
		{name: "host name", flags: Flags{HubName: "h.azure-devices.net"}, env: map[string]string{"LATCHCTL_HUB": envString}, host: "h.azure-devices.net", entra: true},
		{name: "host name from the environment", env: map[string]string{"LATCHCTL_HUB_NAME": "h.azure-devices.net"}, config: withDefault,
			host: "h.azure-devices.net", entra: true},
		{name: "host name in the config", flags: Flags{Hub: "entra"}, config: config, host: "h.azure-devices.net", entra: true},
		{name: "short host name", flags: Flags{HubName: "h"}, usage: `--hub-name has the host name "h"; want the full name`},
		{name: "URL as host name", flags: Flags{HubName: "https://h.azure-devices.net"}, usage: "want the full name"},
		{name: "host name and file", flags: Flags{HubName: "h.azure-devices.net", HubFile: file}, usage: "give one of"},
		{name: "bad endpoint", flags: Flags{HubFile: file, Endpoint: "ftp://h"}, usage: "the scheme is ftp; want https"},
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, err := Resolve(tt.flags, func(name string) string { return tt.env[name] }, tt.config)
			if tt.usage != "" {
				_, isUsage := errors.AsType[*UsageError](err)
				if !isUsage || !strings.Contains(err.Error(), tt.usage) {
					t.Errorf("error %v, want a usage error with %q", err, tt.usage)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}

			endpoint := ""
			if target.Endpoint != nil {
				endpoint = target.Endpoint.Host
			}
			if target.Service.HostName != tt.host || endpoint != tt.endpoint || target.Entra != tt.entra || len(target.Warnings) != 0 {
				t.Errorf("%s at %q, warnings %q; want %s at %q", target.Service.HostName, endpoint, target.Warnings, tt.host, tt.endpoint)
			}
			if target.HubID != tt.id || tt.label != "" && target.Label != tt.label {
				t.Errorf("the hub is called %q and has the id %q; want %q and %q", target.Label, target.HubID, tt.label, tt.id)
			}
		})
	}
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"empty", "", ""},
		{"whole", "default = 'a'\nconfirm_above = 0\n[hubs.a]\nconnection_string_file = 'x'\nendpoint = 'h:1'\nca_file = 'y'\n", ""},
		{"no login for doors", "identify = false\n", ""},
		{"identify is no boolean", "identify = 'no'\n", "config.toml:1: "},
		{"unknown key", "\nconfirm_over = 3\n", "config.toml:2: unknown key confirm_over"},
		{"a connection string in the file", "[hubs.a]\nconnection_string = 'HostName=h'\n", "config.toml:2: unknown key hubs.a.connection_string"},
		{"wrong type", "confirm_above = 'ten'\n", "config.toml:1: "},
		{"negative", "confirm_above = -1\n", "confirm_above is -1"},
		{"no login", "[hubs.a]\nendpoint = 'h'\n", `hub "a" has no login; give a connection_string_file, or host_name with auth = "entra"`},
		{"Entra ID", "[hubs.a]\nhost_name = 'h.azure-devices.net'\nauth = 'entra'\n", ""},
		{"Entra ID without a host name", "[hubs.a]\nauth = 'entra'\n", `hub "a" has no host_name, such as myhub.azure-devices.net`},
		{"Entra ID with a short host name", "[hubs.a]\nhost_name = 'h'\nauth = 'entra'\n", "want the full name"},
		{"Entra ID with a key", "[hubs.a]\nconnection_string_file = 'x'\nauth = 'entra'\n", "Entra ID needs host_name instead"},
		{"a host name alone", "[hubs.a]\nhost_name = 'h.azure-devices.net'\n", `add auth = "entra"`},
		{"a tier", "[hubs.a]\nconnection_string_file = 'x'\ntier = 'S2'\nunits = 3\n", ""},
		{"an id", "[hubs.a]\nconnection_string_file = 'x'\nid = '5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11'\n", ""},
		{"an invalid id", "[hubs.a]\nconnection_string_file = 'x'\nid = 'a b'\n", `hub "a" has an invalid id: the hub id contains ' '`},
		{"units without a tier", "[hubs.a]\nconnection_string_file = 'x'\nunits = 3\n", `hub "a" has units = 3; want 1 or more and a tier such as "S1"`},
		{"units below one", "[hubs.a]\nconnection_string_file = 'x'\ntier = 'S2'\nunits = -1\n", `hub "a" has units = -1`},
		{"another auth", "[hubs.a]\nhost_name = 'h.azure-devices.net'\nauth = 'login'\n", `has auth = "login"; use "entra"`},
		{"unknown default", "default = 'b'\n[hubs.a]\nconnection_string_file = 'x'\n", `default is "b"`},
		{"no TOML", "hubs: a\n", "config.toml:1: "},
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseConfig([]byte(tt.text), "config.toml")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has more than one line", err)
			}
		})
	}
}

func TestLoadConfigMakesPathsAbsolute(t *testing.T) {
	t.Parallel()
	config, home := t.TempDir(), t.TempDir()
	folder := filepath.Join(config, "latchctl")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(home, "b")
	text := "[hubs.a]\nconnection_string_file = 'a.txt'\nca_file = '~/ca.pem'\n[hubs.b]\nconnection_string_file = '" + elsewhere + "'\n"
	if err := os.WriteFile(filepath.Join(folder, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	getenv := func(name string) string {
		return map[string]string{"XDG_CONFIG_HOME": config, "HOME": home, "USERPROFILE": home}[name]
	}
	c, err := LoadConfig(getenv)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Hub{
		"a": {ConnectionStringFile: filepath.Join(folder, "a.txt"), CAFile: filepath.Join(home, "ca.pem")},
		"b": {ConnectionStringFile: elsewhere},
	}
	for name, hub := range want {
		if c.Hubs[name] != hub {
			t.Errorf("%s: %+v, want %+v", name, c.Hubs[name], hub)
		}
	}
	if c.Threshold() != DefaultConfirmAbove {
		t.Errorf("threshold %d", c.Threshold())
	}

	for _, env := range []map[string]string{{}, {"HOME": t.TempDir()}, {"XDG_CONFIG_HOME": t.TempDir(), "HOME": home}} {
		if c, err := LoadConfig(func(name string) string { return env[name] }); err != nil || len(c.Hubs) != 0 {
			t.Errorf("%v: %+v, %v", env, c, err)
		}
	}
}

func TestOthersMay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode, mask fs.FileMode
		goos       string
		want       bool
	}{
		{0o600, 0o077, "linux", false},
		{0o640, 0o077, "linux", true},
		{0o604, 0o077, "darwin", true},
		{0o644, 0o022, "linux", false},
		{0o664, 0o022, "linux", true},
		{fs.ModeNamedPipe | 0o644, 0o077, "linux", false},
		{0o666, 0o077, "windows", false}, // the mode of every file that can be written
	} {
		if got := othersMay(tt.mode, tt.mask, tt.goos); got != tt.want {
			t.Errorf("%s, %v & %v: %t, want %t", tt.goos, tt.mode, tt.mask, got, tt.want)
		}
	}
}

// Whatever the config file contains, parseConfig accepts it or returns an error that
// names the faulty line.
func FuzzConfig(f *testing.F) {
	f.Add("default = 'a'\n[hubs.a]\nconnection_string_file = 'x'\n")
	f.Add("confirm_above = [1]\n")
	f.Add("[hubs]\na = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig([]byte(text), "f")
		if err != nil && strings.HasPrefix(err.Error(), "f:0:") {
			t.Errorf("the error %q names no line", err)
		}
		if err == nil && c.Threshold() < 0 {
			t.Error("a negative threshold was accepted")
		}
	})
}
