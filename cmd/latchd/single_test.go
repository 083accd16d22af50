package main

import (
	"errors"
	"testing"
)

// Only one agent can use a state directory. Another can use it once the first has ended.
func TestOneAgentForAStateDirectory(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockStateDir(dir)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := lockStateDir(dir); !errors.Is(err, errAlreadyRunning) {
		t.Errorf("second agent: %v, want errAlreadyRunning", err)
	}

	unlock()
	if unlock, err = lockStateDir(dir); err != nil {
		t.Fatal(err)
	}
	unlock()
}
