package systemd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// systemd-analyze must accept the unit files. The limits are the security exposures that
// systemd 252 computes.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd-analyze is missing, and CI needs it; install the Debian package systemd")
		}
		t.Skip("the units are not checked: systemd-analyze is missing")
	}

	exposure := regexp.MustCompile(`Overall exposure level for \S+: (\d+\.\d+)`)
	for unit, limit := range map[string]float64{"latchd.service": 1.6, "latchd@.service": 1.6, "latchhub.service": 1.2} {
		t.Run(unit, func(t *testing.T) {
			file := installed(t, unit)
			if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("systemd-analyze verify: %v\n%s", err, out)
			}

			out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", file).CombinedOutput()
			level := exposure.FindSubmatch(out)
			if err != nil || level == nil {
				t.Fatalf("systemd-analyze security: %v\n%s", err, out)
			}
			if got, err := strconv.ParseFloat(string(level[1]), 64); err != nil || got > limit {
				t.Errorf("exposure %s, want %.1f or less:\n%s", level[1], limit, out)
			}
		})
	}
}

// installed copies a unit file to a temporary directory and returns the copy's path.
// systemd-analyze checks that a unit's program exists, so the copy names an existing
// program.
func installed(t *testing.T, unit string) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}

	name := "/usr/bin/" + strings.TrimRight(strings.TrimSuffix(unit, ".service"), "@")
	changed := strings.ReplaceAll(string(text), name+" ", program+" ")
	if changed == string(text) {
		t.Fatalf("%s does not start %s", unit, name)
	}

	file := filepath.Join(dir, strings.Replace(unit, "@", "@side", 1)) // an instance of a template
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// allUnits are the files of all units.
var allUnits = []string{
	"latchd.service", "latchd@.service", "latchhub.service",
	"latchd-credentials.service", "latchd-credentials@.service", "latchd-credentials.path", "latchd-credentials@.path",
}

// The units of a gateway with several doors do what the units of a gateway with one door
// do, for each of the doors.
func TestTemplates(t *testing.T) {
	t.Parallel()
	comment := regexp.MustCompile(`(?m)^#.*\n`)
	names := strings.NewReplacer(
		"%i.toml", "latchd.toml", "--door %i", "--config /etc/latchd/latchd.toml", " of %i", "", "/%i", "", "@%i", "")
	for _, unit := range []string{"latchd.service", "latchd-credentials.service", "latchd-credentials.path"} {
		name, kind, _ := strings.Cut(unit, ".")
		one, err1 := os.ReadFile(unit)
		template, err2 := os.ReadFile(name + "@." + kind)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		want := comment.ReplaceAllString(string(one), "")
		if got := names.Replace(strings.ReplaceAll(comment.ReplaceAllString(string(template), ""), "/etc/latchd/%i.toml", "/etc/latchd/latchd.toml")); got != want {
			t.Errorf("%s@.%s differs from %s by more than its names:\n%s", name, kind, unit, got)
		}
	}
}

// Nothing that concerns the hub may fail the agent's unit: systemd would then not start
// the agent, and nobody would control the door.
func TestNoFileOfTheHubFailsTheUnit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("latchd.service")
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(string(text), "\nWants=latchd-credentials.path\n") {
		t.Error("nobody starts latchd-credentials.path, so a corrected secret needs a reload")
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "LoadCredential", "LoadCredentialEncrypted", "EnvironmentFile", "StateDirectory", "ExecStartPre", "Requires", "BindsTo":
			t.Errorf("%s= can fail the unit", key)
		case "ExecStartPost":
			if !strings.HasPrefix(value, "-") {
				t.Errorf("%s=%s can fail the unit; want the prefix -", key, value)
			}
		case "ReadWritePaths":
			if !strings.HasPrefix(value, "-") {
				t.Errorf("%s=%s fails the unit if the directory is missing; want the prefix -", key, value)
			}
		}
	}
}

// In a unit file, each group of directives must have a comment that gives the reason
// for it.
func TestDirectivesHaveReasons(t *testing.T) {
	t.Parallel()
	for _, unit := range allUnits {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}

		for _, group := range strings.Split(string(text), "\n\n") {
			if strings.HasPrefix(group, "[Install]") {
				continue
			}
			if !strings.Contains(group, "#") {
				t.Errorf("%s: no comment on\n%s", unit, group)
			}
		}
	}
}
