//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// security checks the exposure level that systemd-analyze computes for latchd's unit.
func security(t *testing.T, g *gateway) {
	const limit = 1.6
	out := g.run(`systemd-analyze security --no-pager latchd.service | tail -n 1`)
	found := regexp.MustCompile(`\d+\.\d`).FindString(out)
	level, err := strconv.ParseFloat(found, 64)
	record(t, err == nil && level <= limit, "systemd-analyze security latchd.service", 1, found, "1.6")
}

// armv6 runs the armhf program on an emulated ARMv6 processor, the processor of a Pi
// Zero.
func armv6(t *testing.T) {
	debs, err := filepath.Glob(filepath.Join(os.Getenv("E2E_WORK"), "armv6", "latchd_*_armhf.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("packages for armhf: %q, %v", debs, err)
	}

	dir := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "-x", debs[0], dir).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	out, err := exec.Command("qemu-arm-static", "-cpu", "arm1176", dir+"/usr/bin/latchd", "version").CombinedOutput()
	record(t, err == nil && strings.Contains(string(out), "linux/arm"), "armhf program on ARMv6", 1, firstLine(string(out)), "it runs")
}
