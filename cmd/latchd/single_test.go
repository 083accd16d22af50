package main

import (
	"errors"
	"testing"
)

// A state directory is one agent's, and is free as soon as that has ended.
func TestOneAgentForAStateDirectory(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockStateDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockStateDir(dir); !errors.Is(err, errAlreadyRunning) {
		t.Errorf("a second one: %v", err)
	}
	unlock()
	if unlock, err = lockStateDir(dir); err != nil {
		t.Fatal(err)
	}
	unlock()
}
