package main

import (
	"errors"
	"testing"
)

// A state directory is one agent's, and is free as soon as that has ended.
func TestOneAgentForAStateDirectory(t *testing.T) {
	dir := t.TempDir()
	only, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockState(dir); !errors.Is(err, errRuns) {
		t.Errorf("a second one: %v", err)
	}
	only.Close()
	if only, err = lockState(dir); err != nil {
		t.Fatal(err)
	}
	only.Close()
}
