package userdir

import (
	"path/filepath"
	"testing"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	in := func(names ...string) string { return filepath.Join(append([]string{root}, names...)...) }
	home := map[string]string{"HOME": in("h")}
	windows := map[string]string{
		"HOME": in("git-bash"), "USERPROFILE": in("u"), "APPDATA": in("u", "Roaming"), "LOCALAPPDATA": in("u", "Local"),
	}
	xdg := map[string]string{
		"HOME": in("h"), "USERPROFILE": in("u"), "APPDATA": in("u", "Roaming"), "XDG_CONFIG_HOME": in("c"), "XDG_STATE_HOME": in("s"),
	}
	relative := map[string]string{"HOME": in("h"), "XDG_CONFIG_HOME": "c", "XDG_STATE_HOME": "s"}

	for _, tt := range []struct {
		name, goos          string
		env                 map[string]string
		config, state, home string
	}{
		{"Linux", "linux", home, in("h", ".config"), in("h", ".local", "state"), in("h")},
		{"macOS", "darwin", home, in("h", "Library", "Application Support"), in("h", "Library", "Application Support"), in("h")},
		{"Windows", "windows", windows, in("u", "Roaming"), in("u", "Local"), in("u")},
		{"XDG on Linux", "linux", xdg, in("c"), in("s"), in("h")},
		{"XDG on macOS", "darwin", xdg, in("c"), in("s"), in("h")},
		{"XDG on Windows", "windows", xdg, in("c"), in("s"), in("u")},
		{"a relative XDG path", "linux", relative, in("h", ".config"), in("h", ".local", "state"), in("h")},
		{"no home on Linux", "linux", nil, "", "", ""},
		{"no home on macOS", "darwin", nil, "", "", ""},
		{"no home on Windows", "windows", home, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			getenv := func(name string) string { return tt.env[name] }
			if got := Config(tt.goos, getenv); got != tt.config {
				t.Errorf("config: %q, want %q", got, tt.config)
			}
			if got := State(tt.goos, getenv); got != tt.state {
				t.Errorf("state: %q, want %q", got, tt.state)
			}
			if got := Home(tt.goos, getenv); got != tt.home {
				t.Errorf("home: %q, want %q", got, tt.home)
			}
		})
	}
}
