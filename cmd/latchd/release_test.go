package main

import (
	"os"
	"path/filepath"
	"strings"
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
