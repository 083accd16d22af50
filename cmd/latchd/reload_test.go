package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
)

// A reload applies changes that affect neither the lock nor the connection, logs which
// others need a restart, and applies nothing from a file with an error.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "latchd.toml")
	text := strings.Replace(testConfig, "ENDPOINT", "localhost", 1)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	write(text)
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}

	store, err := agent.OpenStore("", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}

	level := zap.NewAtomicLevel()
	core, logged := observer.New(zap.InfoLevel)
	r := &reloader{
		file: file, running: c, applied: c, log: zap.New(core), hub: new(hubLink), problems: newProblems(zap.NewNop()),
		agent: agent.New(agent.Config{
			Now: time.Now, Log: zap.NewNop(),
			SetLogLevel: func(name string) { level.SetLevel(logLevel(name)) },
		}, nil, store),
	}

	r.hub.settled.Store(true)
	for _, tc := range []struct {
		name, text, applied, restart, refused string
		level                                 string
	}{
		{"no changes", text, "no changes", "", "", "info"},
		{"settings are applied", "log_level = \"debug\"\n" + text + "auto_relock = \"30s\"\n[place]\nfloor = 3\n",
			"log_level, lock.auto_relock, place.floor", "", "", "debug"},
		{"the lock needs a restart", "log_level = \"debug\"\nallow_reboot = true\n" + text + "min_interval = \"2s\"\n",
			"lock.auto_relock, place.floor", "allow_reboot, lock.min_interval", "", "debug"},
		{"a bad file changes nothing", "log_level = \"loud\"\n" + text, "", "", "latchd.toml:1: log_level:", "debug"},
	} {
		write(tc.text)
		r.reload()
		var applied, restart, refused string
		for _, entry := range logged.TakeAll() {
			fields := entry.ContextMap()
			switch {
			case fields["applied"] != nil:
				applied = fields["applied"].(string)
			case fields["keys"] != nil:
				restart = fields["keys"].(string)
			case fields["error"] != nil:
				refused = fields["error"].(string)
			}
		}
		if applied != tc.applied || restart != tc.restart || (tc.refused == "") != (refused == "") || !strings.Contains(refused, tc.refused) {
			t.Errorf("%s: applied %q, needs a restart for %q, refused with %q", tc.name, applied, restart, refused)
		}
		if level.String() != tc.level {
			t.Errorf("%s: the log level is %s", tc.name, level)
		}
	}
}
