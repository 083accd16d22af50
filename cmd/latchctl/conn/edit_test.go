package conn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestNameFor(t *testing.T) {
	for host, want := range map[string]string{
		"hub.example.com": "hub", "localhost": "localhost", "10.0.0.5": "10-0-0-5", "Doors.azure-devices.net": "doors", "9.example": "9-example",
	} {
		if got := NameFor(host); got != want || CheckHubName(got) != nil {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// A file that cannot be edited safely stays as it is.
func TestUnusualConfigStaysAsItIs(t *testing.T) {
	for name, text := range map[string]string{
		"hubs as keys":         "[hubs]\nnorth.connection_string_file = \"n\"\nsouth.connection_string_file = \"s\"\n",
		"hubs as a value":      "hubs = { north = { connection_string_file = \"n\" } }\n",
		"a heading in a text":  "[hubs.north]\nconnection_string_file = '''\n[hubs.south]\n'''\n",
		"a default in a table": "[hubs.north]\nconnection_string_file = '''\ndefault = 1'''\n[hubs.\"north\".x]\n",
	} {
		home := t.TempDir()
		file := filepath.Join(home, "latchctl", "config.toml")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := LoadConfig(func(variable string) string { return map[string]string{"XDG_CONFIG_HOME": home}[variable] })
		if err != nil {
			continue // no command works with such a file
		}

		if err := config.RemoveHub("north"); err == nil || !strings.Contains(err.Error(), "unusual form") {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != text {
			t.Errorf("%s: the file is now\n%s", name, after)
		}
	}
}

// A login that an interrupted command has left may be replaced, but no other file.
func TestCheckNew(t *testing.T) {
	dir := t.TempDir()
	config := Config{path: filepath.Join(dir, "config.toml")}
	hub := NewHub{Name: "north", Service: iothub.Service{HostName: "h", KeyName: "anna", Key: iothub.NewKey()}}
	if err := config.CheckNew(hub); err != nil {
		t.Errorf("no file: %v", err)
	}
	if err := config.SaveSecret(hub); err != nil {
		t.Fatal(err)
	}
	hub.Service.Key = iothub.NewKey()
	if err := config.CheckNew(hub); err != nil {
		t.Errorf("the same login with another key: %v", err)
	}
	hub.Service.KeyName = "bert"
	if err := config.CheckNew(hub); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("another login: %v", err)
	}
}
