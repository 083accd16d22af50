package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
)

const strikeConfig = `
state_dir = "state"
[hub]
connection_string_file = "secret"
[lock]
driver = "gpio"
mode = "pulse"
[lock.gpio]
chip = "CHIP"
line = 3
`

// 'latchd release' releases the lines that the agent recorded, even if the
// configuration has changed since. The test machine has no such chips: the chip's name
// in the error tells which lines release tried.
func TestReleaseUsesTheRecord(t *testing.T) {
	strike := func(chip string) string { return strings.Replace(strikeConfig, "CHIP", chip, 1) }
	hold := strings.NewReplacer(`"pulse"`, "\"hold\"\nat_power_on = \"locked\"", "line = 3", "line = 3\nactive = \"locked\"").Replace(strike("held"))
	for name, tc := range map[string]struct {
		ran, now string // configuration of the agent, and at the time of release; ran is empty if no agent ran
		want     string // part of the error; empty if release succeeds
	}{
		"unchanged":             {strike("first"), strike("first"), "chip first"},
		"changed":               {strike("first"), strike("second"), "chip first"},
		"unreadable now":        {strike("first"), "lock = 7", "chip first"},
		"mode hold now":         {strike("first"), hold, "chip first"},
		"mode hold recorded":    {hold, strike("second"), ""},
		"no record":             {"", strike("second"), "chip second"},
		"no record, unreadable": {"", "lock = 7", "cannot tell which lines to release"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, state := filepath.Join(dir, "latchd.toml"), filepath.Join(dir, "state")
			t.Setenv("STATE_DIRECTORY", state)
			write := func(text string) {
				t.Helper()
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			if tc.ran != "" {
				write(tc.ran)
				c, err := config.Load(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(state, 0o700); err != nil {
					t.Fatal(err)
				}
				store, err := agent.OpenStore(state, zap.NewNop())
				if err != nil {
					t.Fatal(err)
				}
				if err := recordLines(c.Lock, store); err != nil {
					t.Fatal(err)
				}
				store.Close()
			}

			write(tc.now)
			err := release(file)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q", err, tc.want)
			}
		})
	}
}

// Without STATE_DIRECTORY, release does not read a state file in the working directory:
// anybody may have put it there.
func TestReleaseIgnoresWorkingDirectory(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	t.Chdir(t.TempDir())
	for file, text := range map[string]string{
		"latchd.toml": "lock = 7",
		"state.json":  `{"version":1,"lines":{"Mode":"pulse","Line":{"Chip":"planted"}}}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if err := release("latchd.toml"); err == nil || !strings.Contains(err.Error(), "cannot tell which lines to release") {
		t.Errorf("err = %v", err)
	}
}

// Lines that are already on disk are not written again, so an agent in mode pulse
// starts even if the disk is full.
func TestRecordedLinesAreNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	record := func(chip string) error {
		t.Helper()
		file := filepath.Join(dir, "latchd.toml")
		if err := os.WriteFile(file, []byte(strings.Replace(strikeConfig, "CHIP", chip, 1)), 0o600); err != nil {
			t.Fatal(err)
		}

		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}

		store, err := agent.OpenStore(dir, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		return recordLines(c.Lock, store)
	}

	if err := record("first"); err != nil {
		t.Fatal(err)
	}

	if err := os.Mkdir(filepath.Join(dir, "state.json.new"), 0o700); err != nil { // blocks writes
		t.Fatal(err)
	}

	if err := record("first"); err != nil {
		t.Errorf("the same lines: %v", err)
	}
	if err := record("second"); err == nil || !strings.Contains(err.Error(), "record the lock's lines") {
		t.Errorf("other lines: %v", err)
	}
}

// becomeOwner drops root's user, group and supplementary groups for good. A process that
// is not root stays as it is.
func TestReleaseDropsRoot(t *testing.T) {
	dir := os.Getenv("LATCHD_TEST_OWNED")
	if dir == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestReleaseDropsRoot$")
		owned := t.TempDir()
		if os.Getuid() == 0 {
			if err := os.Chown(owned, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Env = append(os.Environ(), "LATCHD_TEST_OWNED="+owned)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "dropped") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}

	before := os.Getuid()
	if err := becomeOwner(dir); err != nil {
		t.Fatal(err)
	}

	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}

	if before != 0 && os.Getuid() != before {
		t.Errorf("the user is %d", os.Getuid())
	}
	if before == 0 && (os.Getuid() != 65534 || os.Getgid() != 65534 || slices.Contains(groups, 0)) {
		t.Errorf("user %d, group %d, groups %v", os.Getuid(), os.Getgid(), groups)
	}
	if err := syscall.Setuid(0); err == nil {
		t.Error("the process can become root again")
	}

	if !t.Failed() {
		fmt.Println("dropped")
		os.Exit(0) // skips testscript's cleanup, which cannot remove root's directory
	}
}
