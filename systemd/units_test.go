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

// The units are valid, and how exposed they leave the system is bounded.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd-analyze is missing, and CI needs it; install Debian's package systemd")
		}
		t.Skip("there is no systemd-analyze: the units are not checked")
	}
	exposure := regexp.MustCompile(`Overall exposure level for \S+: (\d+\.\d+)`)
	for unit, most := range map[string]float64{"latchd.service": 1.6, "latchhub.service": 1.6} {
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
			if got, err := strconv.ParseFloat(string(level[1]), 64); err != nil || got > most {
				t.Errorf("exposure %s, want %.1f or less:\n%s", level[1], most, out)
			}
		})
	}
}

// installed returns the unit's file as it is where its program is installed:
// systemd-analyze looks for it.
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
	file, name := filepath.Join(dir, unit), "/usr/bin/"+strings.TrimSuffix(unit, ".service")
	there := strings.ReplaceAll(string(text), name+" ", program+" ")
	if there == string(text) {
		t.Fatalf("%s does not start %s", unit, name)
	}
	if err := os.WriteFile(file, []byte(there), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A comment says why each directive is there, above it or above its group.
func TestEachGroupOfDirectivesHasItsReason(t *testing.T) {
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
				t.Errorf("%s: no reason for\n%s", unit, group)
			}
		}
	}
}
