package system

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

// A daemon keeps running when nobody reads its output any more. This happens when
// somebody stops the journal together with its sockets.
func TestDaemonsOutliveTheJournal(t *testing.T) {
	h := harness.StartHub(t, bin)

	t.Run("latchd", func(t *testing.T) {
		d := harness.NewDoor(t, h, h.CreateDevice(t, "door"), "")
		daemon := startUnread(t, d.Command(), true)
		h.Invoke(t, "door", "ping", nil)
		stopUnread(t, daemon)
	})

	t.Run("latchsim", func(t *testing.T) {
		h.CreateDevice(t, "sim-00001")
		daemon := startUnread(t, exec.Command(bin.Path("latchsim"), "--devices", "1",
			"--hub-file", h.ServiceFile(), "--ca-file", h.CA(), "--mqtt", h.MQTT, "--endpoint", h.Endpoint()), true)
		h.Invoke(t, "sim-00001", "ping", nil)
		stopUnread(t, daemon)
	})

	t.Run("latchhub", func(t *testing.T) {
		h.Stop(t)
		// With another name, the hub makes a new certificate and logs that.
		cmd := exec.Command(bin.Path("latchhub"), "serve", "--name", "hub.example", "--data", h.Data, "--mqtt", h.MQTT, "--https", h.HTTPS)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		daemon := startUnread(t, cmd, false)
		if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || !strings.HasPrefix(line, "latchhub ready ") {
			t.Fatalf("latchhub printed %q, %v", line, err)
		}
		stopUnread(t, daemon)
	})
}

// startUnread starts a command whose standard error, and standard output if both is
// true, is a pipe that nobody reads.
func startUnread(t *testing.T, cmd *exec.Cmd, both bool) *exec.Cmd {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()

	cmd.Stderr = w
	if both {
		cmd.Stdout = w
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// stopUnread sends SIGTERM and checks that the process ends with status 0.
func stopUnread(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}
