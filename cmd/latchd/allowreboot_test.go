package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The polkit rule permits the reboot while the directory has a file. Each door of a
// gateway has its own file there.
func TestPermitReboot(t *testing.T) {
	t.Parallel()
	run := t.TempDir()
	for _, step := range []struct {
		door    string
		allowed bool
		want    string // files in the directory after this step
	}{
		{"latchd", false, ""},
		{"latchd", true, "latchd.toml"},
		{"latchd", true, "latchd.toml"},
		{"latchd@side", true, "latchd.toml side.toml"},
		{"latchd", false, "side.toml"},
		{"latchd", false, "side.toml"},
		{"latchd@side", false, ""},
	} {
		_, instance, template := strings.Cut(step.door, "@")
		if !template {
			instance = step.door
		}
		if err := permitReboot(filepath.Join(run, step.door), "/etc/latchd/"+instance+".toml", step.allowed); err != nil {
			t.Fatal(err)
		}

		files, err := filepath.Glob(filepath.Join(run, rebootDir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		if got := strings.Join(files, " "); got != step.want {
			t.Errorf("after %s with %t: %q, want %q", step.door, step.allowed, got, step.want)
		}
	}

	// polkit's user lists the directory, and only root writes to it.
	if info, err := os.Stat(filepath.Join(run, rebootDir)); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the directory: %v, %v; want the mode 0755", info, err)
	}
}

// The rule reads the directory that 'latchd grant' writes.
func TestPolkitRuleReadsTheDirectory(t *testing.T) {
	t.Parallel()
	rule, err := os.ReadFile("../../systemd/polkit/latchd.rules")
	if err != nil {
		t.Fatal(err)
	}
	if want := `polkit.spawn(["/bin/ls", "/run/` + rebootDir + `"])`; !strings.Contains(string(rule), want) {
		t.Errorf("the rule does not call %s:\n%s", want, rule)
	}
}
