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

// What a process held is let go, whatever the configuration says by then. There
// is no chip here, and its name in the error tells which lines were meant.
func TestReleaseGoesByWhatTheProcessHeld(t *testing.T) {
	strike := func(chip string) string { return strings.Replace(strikeConfig, "CHIP", chip, 1) }
	hold := strings.NewReplacer(`"pulse"`, "\"hold\"\nat_power_on = \"locked\"", "line = 3", "line = 3\nactive = \"locked\"").Replace(strike("held"))
	for name, tc := range map[string]struct {
		ran, now string // configurations; none ran if the first is empty
		want     string // in the error; empty is no error
	}{
		"the same":                      {strike("first"), strike("first"), "chip first"},
		"another one by now":            {strike("first"), strike("second"), "chip first"},
		"one that cannot be read":       {strike("first"), "lock = 7", "chip first"},
		"one that holds":                {strike("first"), hold, "chip first"},
		"a line that was held stays":    {hold, strike("second"), ""},
		"nothing is known of a process": {"", strike("second"), "chip second"},
		"nothing is known at all":       {"", "lock = 7", "which lines to let go is not known"},
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
				if err := noteLines(c.Lock, store); err != nil {
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

// What lies in the working directory of who runs it says nothing of the agent's lines.
func TestReleaseReadsNoStateOfAnywhere(t *testing.T) {
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
	if err := release("latchd.toml"); err == nil || !strings.Contains(err.Error(), "which lines to let go is not known") {
		t.Errorf("err = %v", err)
	}
}

// What is on disk already need not be written: a full disk does not keep a strike from
// its agent, as long as its lines are known.
func TestLinesThatAreNotedAlready(t *testing.T) {
	dir := t.TempDir()
	note := func(chip string) error {
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
		return noteLines(c.Lock, store)
	}
	if err := note("first"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "state.json.new"), 0o700); err != nil { // nothing can be written
		t.Fatal(err)
	}
	if err := note("first"); err != nil {
		t.Errorf("the same lines: %v", err)
	}
	if err := note("second"); err == nil || !strings.Contains(err.Error(), "note the lock's lines") {
		t.Errorf("other lines: %v", err)
	}
}

// Root's rights are given up for good, and with them the groups; who is not root has
// none to give up.
func TestReleaseGivesUpRoot(t *testing.T) {
	dir := os.Getenv("LATCHD_TEST_OWNED")
	if dir == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestReleaseGivesUpRoot$")
		owned := t.TempDir()
		if os.Getuid() == 0 {
			if err := os.Chown(owned, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Env = append(os.Environ(), "LATCHD_TEST_OWNED="+owned)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "given up") {
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
		t.Error("root's rights can be had back")
	}
	if !t.Failed() {
		fmt.Println("given up")
		os.Exit(0) // testscript's folder is root's, so that it could not be removed
	}
}
