package harness

import (
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// nohup starts the tests with SIGHUP ignored. The programs that the tests start must
// receive SIGHUP nevertheless.
func TestRestoreHangup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
	if !childIgnoresHangup(t) {
		t.Fatal("a child process does not inherit the ignored SIGHUP")
	}

	restoreHangup()

	if childIgnoresHangup(t) {
		t.Error("a child process ignores SIGHUP after restoreHangup")
	}
}

// childIgnoresHangup starts a child process and returns whether it ignores SIGHUP, which
// is signal 1 and thus the lowest bit of SigIgn.
func childIgnoresHangup(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("grep", "^SigIgn:", "/proc/self/status").Output()
	if err != nil {
		t.Fatal(err)
	}
	mask := strings.TrimSpace(string(out))
	return strings.ContainsAny(mask[len(mask)-1:], "13579bdf")
}
