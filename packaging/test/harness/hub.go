package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Hub is a latchhub of its own for one test, on free ports of the loopback
// address. Its ports and its data stay the same over a restart.
type Hub struct {
	*Process
	Data        string   // its data folder
	MQTT, HTTPS string   // its addresses, host:port
	Flags       []string // besides those that say where it is
	bin         Binaries
}

var readyLine = regexp.MustCompile(`^mqtt=(\S+) https=(\S+) data=`)

// StartHub starts a hub with an empty data folder, and flags beside those that
// say where it is, and waits until it is ready.
func StartHub(t testing.TB, bin Binaries, flags ...string) *Hub {
	t.Helper()
	h := &Hub{Data: filepath.Join(t.TempDir(), "hub"), MQTT: "127.0.0.1:0", HTTPS: "127.0.0.1:0", bin: bin, Flags: flags}
	h.Start(t)
	return h
}

// Start starts the hub again, after Kill or Stop, where it was, with its Flags as
// they are now.
func (h *Hub) Start(t testing.TB) {
	t.Helper()
	args := append([]string{"serve", "--data", h.Data, "--mqtt", h.MQTT, "--https", h.HTTPS}, h.Flags...)
	h.Process = Start(t, "latchhub", exec.Command(h.bin.Path("latchhub"), args...))
	line := h.Expect(t, "latchhub ready ")
	addresses := readyLine.FindStringSubmatch(line)
	if addresses == nil {
		t.Fatalf("latchhub's ready line has another form: %q", line)
	}
	h.MQTT, h.HTTPS = addresses[1], addresses[2]
}

// CA is the file of the certificate that clients must trust.
func (h *Hub) CA() string { return filepath.Join(h.Data, "ca.pem") }

// ServiceFile is the file of the owner's connection string.
func (h *Hub) ServiceFile() string { return filepath.Join(h.Data, "service.connection-string") }

// Service is the owner's connection string.
func (h *Hub) Service(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(h.ServiceFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// Endpoint is the address of the service API.
func (h *Hub) Endpoint() string { return "https://" + h.HTTPS }

// Ctl runs latchctl to its end, pointed at the hub.
func (h *Hub) Ctl(t testing.TB, args ...string) Result {
	t.Helper()
	return Run(t, h.Command(args...))
}

// Enrollment runs one of latchhub's commands for enrolments to its end.
func (h *Hub) Enrollment(t testing.TB, args ...string) Result {
	t.Helper()
	return h.Run(t, append([]string{"enrollment"}, args...)...)
}

// Run runs one of latchhub's commands that speak to the running hub to its end.
func (h *Hub) Run(t testing.TB, args ...string) Result {
	t.Helper()
	args = append(slices.Clip(args), "--data", h.Data, "--https", h.HTTPS)
	return Run(t, exec.Command(h.bin.Path("latchhub"), args...))
}

// Command is latchctl with the arguments, pointed at the hub.
func (h *Hub) Command(args ...string) *exec.Cmd {
	return h.bin.Ctl(append([]string{"--hub-file", h.ServiceFile(), "--endpoint", h.Endpoint(), "--ca-file", h.CA()}, args...)...)
}

// Ctl is latchctl with the arguments and nothing else: no hub comes from the
// environment or from the user's configuration.
func (b Binaries) Ctl(args ...string) *exec.Cmd {
	cmd := exec.Command(b.Path("latchctl"), args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LATCHCTL_") && !strings.HasPrefix(v, "XDG_CONFIG_HOME=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME=/nonexistent")
	return cmd
}
