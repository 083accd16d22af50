package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports: latchctl speaks to hubs, and holds neither one nor a device.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		for _, forbidden := range []string{"latchd/transport/hub", "latchd/transport/mqtt", "latchd/agent", "latchd/actuator", "latchd/systemd",
			"modernc.org/", "mochi-mqtt", "paho", "go.uber.org/zap", "rogpeppe"} {
			if strings.Contains(pkg, forbidden) {
				t.Errorf("latchctl links %s", pkg)
			}
		}
	}
}
