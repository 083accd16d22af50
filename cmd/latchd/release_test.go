package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
			err := newReleaser(file).recorded() // release itself changes the process's user
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

	if err := newReleaser("latchd.toml").recorded(); err == nil || !strings.Contains(err.Error(), "cannot tell which lines to release") {
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

	if err := os.MkdirAll(filepath.Join(dir, "state.json.new", "full"), 0o700); err != nil { // blocks writes
		t.Fatal(err)
	}

	if err := record("first"); err != nil {
		t.Errorf("the same lines: %v", err)
	}
	if err := record("second"); err == nil || !strings.Contains(err.Error(), "record the lock's lines") {
		t.Errorf("other lines: %v", err)
	}
}

// Whatever the agent's user puts into the place of its state, 'latchd release' neither
// reads it as root nor waits for it, and releases the lines of the configuration.
func TestReleaseDoesNotTrustTheState(t *testing.T) {
	if file := os.Getenv("LATCHD_TEST_RELEASE"); file != "" {
		fmt.Printf("released as user %d: %v\n", os.Getuid(), release(file))
		os.Exit(0) // skips testscript's cleanup, which cannot remove root's directory
	}

	planted := []byte(`{"version":1,"lines":{"Mode":"pulse","Line":{"Chip":"planted"}}}`)
	const noRecord = "chip second"
	for name, tc := range map[string]struct {
		plant func(root, state string) error // root is a folder of root, and state the agent's state folder
		want  []string                       // parts of the output
	}{
		"folder of root": {func(_, state string) error {
			return errors.Join(os.WriteFile(filepath.Join(state, "state.json"), planted, 0o600), os.Chown(state, 0, 0))
		}, []string{"belongs to root", noRecord}},
		"link to a folder of root": {func(root, state string) error {
			return errors.Join(os.WriteFile(filepath.Join(root, "state.json"), planted, 0o644), os.Remove(state), os.Symlink(root, state))
		}, []string{"give up root's rights", noRecord}},
		"link to a file of root": {func(root, state string) error {
			return errors.Join(os.WriteFile(filepath.Join(root, "state.json"), planted, 0o644),
				os.Symlink(filepath.Join(root, "state.json"), filepath.Join(state, "state.json")))
		}, []string{noRecord}},
		"pipe": {func(_, state string) error { return syscall.Mkfifo(filepath.Join(state, "state.json"), 0o666) }, []string{noRecord}},
		"huge file": {func(_, state string) error {
			return errors.Join(os.WriteFile(filepath.Join(state, "state.json"), planted, 0o644), os.Truncate(filepath.Join(state, "state.json"), 1<<40))
		}, []string{noRecord}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := user.Lookup(agentUser); os.Getuid() != 0 || err == nil {
				t.Skip("needs root, on a computer without the user " + agentUser)
			}

			dir := t.TempDir()
			root, state, file := filepath.Join(dir, "root"), filepath.Join(dir, "state"), filepath.Join(dir, "latchd.toml")
			if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Mkdir(root, 0o755), os.Mkdir(state, 0o755), os.Chown(state, 65534, 65534),
				os.WriteFile(file, []byte(strings.Replace(strikeConfig, "CHIP", "second", 1)), 0o600), tc.plant(root, state)); err != nil {
				t.Fatal(err)
			}

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestReleaseDoesNotTrustTheState$")
			cmd.Env = append(os.Environ(), "LATCHD_TEST_RELEASE="+file)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), "planted") {
				t.Errorf("%v\n%s", err, out)
			}
			for _, part := range tc.want {
				if !strings.Contains(string(out), part) {
					t.Errorf("the output lacks %q:\n%s", part, out)
				}
			}
		})
	}
}

// becomeAgent drops root's user, group and supplementary groups for good, and adds the
// given groups. A process that is not root stays as it is.
func TestDropRoot(t *testing.T) {
	dir := os.Getenv("LATCHD_TEST_OWNED")
	if dir == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDropRoot$")
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

	const more = 4321
	before := os.Getuid()
	if err := becomeAgent(dir, more); err != nil {
		t.Fatal(err)
	}

	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}

	if before != 0 && os.Getuid() != before {
		t.Errorf("the user is %d", os.Getuid())
	}
	if before == 0 && (os.Getuid() == 0 || os.Getgid() == 0 || slices.Contains(groups, 0) || !slices.Contains(groups, more)) {
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
