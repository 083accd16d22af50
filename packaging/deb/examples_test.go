package deb

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchd/latchd/agent/config"
)

// examples is a folder with the example configurations of earlier versions. It has the
// output of "latchd config --example" for each released version.
const examples = "testdata/examples"

// An upgrade must not stop an agent because of its configuration. The example
// configuration of each earlier version must still start the agent. The agent must
// still know each key that is commented out in the example.
func TestExamplesOfEarlierVersions(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examples, "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("examples: %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}

			if _, err := config.Load(file); err != nil {
				t.Errorf("the example does not start the agent: %v", err)
			}

			tried := 0
			for table, key := range commentedOut(string(text)) {
				tried++
				alone := filepath.Join(t.TempDir(), "latchd.toml")
				if err := os.WriteFile(alone, []byte(table+"\n"+key+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				// A configuration with only this key may be incomplete, but the agent
				// must know the key.
				if _, err := config.Load(alone); err != nil && strings.Contains(err.Error(), "unknown key") {
					t.Errorf("%s %s: %v", table, key, err)
				}
			}
			if tried < 10 {
				t.Errorf("only %d keys are commented out, want 10 or more", tried)
			}
		})
	}
}

// commentedOut yields each key that is commented out in an example configuration, with
// the key's table.
func commentedOut(text string) func(yield func(table, key string) bool) {
	heading, key := regexp.MustCompile(`^#?(\[[a-z_.]+\])$`), regexp.MustCompile(`^#([a-z_]+ = .*)$`)
	return func(yield func(table, key string) bool) {
		table := ""
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if m := heading.FindStringSubmatch(line); m != nil {
				table = m[1]
			} else if m := key.FindStringSubmatch(line); m != nil && !yield(table, m[1]) {
				return
			}
		}
	}
}

// Each release in CHANGELOG.md must have an example configuration in testdata/examples.
func TestEachReleaseHasItsExample(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)`).FindAllStringSubmatch(string(text), -1) {
		file := filepath.Join(examples, m[1]+".toml")
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%v; make it with: latchd config --example > packaging/deb/%s", err, file)
		}
	}
}
