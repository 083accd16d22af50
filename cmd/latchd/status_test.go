package main

import (
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// 'latchd status' prints no control characters from the hub, which could control the
// technician's terminal.
func TestStatusPrintsNoControlCharacters(t *testing.T) {
	var out strings.Builder
	err := showStatus(&out, iothub.Object{
		"lock":     map[string]any{"lastCommand": map[string]any{"name": "lockDoor", "status": 200, "reason": "night\x1b]0;x\x07\nHub: \u009bm"}},
		"building": map[string]any{"value": "43\x1b[2J"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07\u009b") || strings.Contains(out.String(), "\nHub: m") {
		t.Errorf("%q", out.String())
	}
}
