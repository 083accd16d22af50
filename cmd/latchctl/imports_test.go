package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports checks which packages the shipped latchctl links. These must not include
// the hub, the agent, test libraries and the generator of man pages.
func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}

	for _, pkg := range strings.Fields(string(out)) {
		for _, forbidden := range []string{"latchd/transport/hub", "latchd/transport/mqtt", "latchd/agent", "latchd/actuator", "latchd/systemd",
			"modernc.org/", "mochi-mqtt", "paho", "go.uber.org/zap", "rogpeppe",
			"spf13/cobra/doc", "md2man", "blackfriday"} {
			if strings.Contains(pkg, forbidden) {
				t.Errorf("latchctl links %s", pkg)
			}
		}
	}
}
