package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const testConfig = `
state_dir = "state"
[hub]
connection_string_file = "credentials/connection-string"
endpoint = "ENDPOINT"
[lock]
driver = "mock"
at_power_on = "locked"
`

// Under systemd, the agent reads its secret from systemd's copy, reports that it is ready
// although the hub does not answer, feeds the watchdog, and reports its status and the
// start of its shutdown.
func TestRunUnderSystemd(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	systemd.SetReadDeadline(time.Now().Add(time.Minute))
	// A hub that accepts connections and never answers.
	hub, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()

	for file, text := range map[string]string{
		"latchd.toml":                         strings.Replace(testConfig, "ENDPOINT", hub.Addr().String(), 1),
		"given/credentials_connection-string": "HostName=localhost;DeviceId=door-1;SharedAccessKey=c2VjcmV0",
	} {
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(dir, "given"))
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", "30000")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, filepath.Join(dir, "latchd.toml"), io.Discard) }()

	next := func() string {
		t.Helper()
		message, rights := make([]byte, 4096), make([]byte, 64)
		n, oob, _, _, err := systemd.ReadMsgUnix(message, rights)
		if err != nil {
			t.Fatal(err)
		}

		if messages, err := unix.ParseSocketControlMessage(rights[:oob]); err == nil {
			for _, m := range messages {
				files, _ := unix.ParseUnixRights(&m)
				for _, fd := range files {
					unix.Close(fd)
				}
			}
		}

		return string(message[:n])
	}

	if got := next(); got != "BARRIER=1" {
		t.Errorf("the first message is %q, want a barrier, so that the stored line survives a crash", got)
	}

	message := next()
	if !strings.HasPrefix(message, "READY=1\nWATCHDOG=1\nSTATUS=") {
		t.Errorf("the message after the barrier is %q", message)
	}

	for !strings.HasSuffix(message, "STATUS=locked (sensor, driver mock), not connected to localhost") {
		message = next()
	}

	for range 3 {
		if message = next(); message != "WATCHDOG=1" {
			t.Errorf("without news the message is %q, want WATCHDOG=1", message)
		}
	}

	checkCommands(t, filepath.Join(dir, "latchd.toml"))
	stop()
	for message != "STOPPING=1" {
		message = next()
	}

	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// checkCommands checks the output of 'latchd status' and 'latchd check' for a running
// agent that is not connected.
func checkCommands(t *testing.T, file string) {
	t.Helper()
	var status, check strings.Builder
	if err := statusCommand(file, "text", &status); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"Bolt:     locked (sensor) since 20", "Lock:     driver mock, mode hold", "Hub:      not connected", "Methods:  0, 0 refused"} {
		if !strings.Contains(status.String(), want) {
			t.Errorf("status does not print %q:\n%s", want, &status)
		}
	}

	if err := checkCommand(t.Context(), file, "text", &check); !errors.Is(err, errProblems) {
		t.Errorf("check: %v", err)
	}

	for _, want := range []string{
		"ok       configuration: " + file, "ok       credentials: device door-1 at localhost", "ok       agent: running",
		"ok       lock: locked", "PROBLEM  hub: not connected; either the first attempt is still running",
	} {
		if !strings.Contains(check.String(), want) {
			t.Errorf("check does not print %q:\n%s", want, &check)
		}
	}
}
