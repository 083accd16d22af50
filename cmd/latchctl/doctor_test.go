package main

import (
	"testing"
	"time"
)

// TestClockFinding checks what doctor reports about the difference between two clocks,
// and the remedy.
func TestClockFinding(t *testing.T) {
	for ahead, want := range map[time.Duration]finding{
		0:                {"clock", true, "this computer and the hub agree", ""},
		-time.Second:     {"clock", true, "this computer and the hub agree", ""},
		time.Minute:      {"clock", true, "this computer is 1 min ahead of the hub", ""},
		-2 * time.Hour:   {"clock", false, "this computer is 2 h behind the hub", "set this computer's clock; otherwise the hub refuses the login"},
		10 * time.Minute: {"clock", false, "this computer is 10 min ahead of the hub", "set this computer's clock; otherwise the hub refuses the login"},
	} {
		if got := clockFinding(ahead); got != want {
			t.Errorf("%v: %+v, want %+v", ahead, got, want)
		}
	}
}
