package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// systemd-analyze must accept the unit files and rate their security exposure at 1.6 or
// less.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd-analyze is missing, and CI needs it; install the Debian package systemd")
		}
		t.Skip("the units are not checked: systemd-analyze is missing")
	}

	exposure := regexp.MustCompile(`Overall exposure level for \S+: (\d+\.\d+)`)
	for unit, limit := range map[string]float64{"latchd.service": 1.6, "latchhub.service": 1.6} {
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

	name := "/usr/bin/" + strings.TrimSuffix(unit, ".service")
	changed := strings.ReplaceAll(string(text), name+" ", program+" ")
	if changed == string(text) {
		t.Fatalf("%s does not start %s", unit, name)
	}

	file := filepath.Join(dir, unit)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// In a unit file, each group of directives must have a comment that gives the reason
// for it.
func TestDirectivesHaveReasons(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"latchd.service", "latchhub.service"} {
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
