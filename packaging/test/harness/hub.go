package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchd/latchd/transport/rest"
)

// Hub is a latchhub process for one test. It listens on free ports of the loopback
// address. After a restart, it has the same ports and the same data.
type Hub struct {
	*Process
	Data        string   // path of the hub's data directory
	MQTT, HTTPS string   // addresses of the hub's servers as host:port
	Flags       []string // additional flags for latchhub
	bin         Binaries

	mu   sync.Mutex
	own  *rest.Client // for the methods of Hub; nil before its first use
	made clientOf     // what own was made for; guarded, like own, by mu
}

var readyLine = regexp.MustCompile(`^mqtt=(\S+) https=(\S+) data=`)

// StartHub starts a hub with an empty data directory and the given additional flags. It
// waits until the hub is ready.
func StartHub(t testing.TB, bin Binaries, flags ...string) *Hub {
	t.Helper()
	h := &Hub{Data: filepath.Join(t.TempDir(), "hub"), MQTT: "127.0.0.1:0", HTTPS: "127.0.0.1:0", bin: bin, Flags: flags}
	h.Start(t)
	return h
}

// Start starts the hub and waits until it is ready. After Kill or Stop, the hub has the
// same addresses and data as before. The restarted hub gets the current Flags.
func (h *Hub) Start(t testing.TB) {
	t.Helper()
	args := append([]string{"serve", "--data", h.Data, "--mqtt", h.MQTT, "--https", h.HTTPS}, h.Flags...)
	h.Process = Start(t, "latchhub", exec.Command(h.bin.Path("latchhub"), args...))

	line := h.Expect(t, "latchhub ready ")
	addresses := readyLine.FindStringSubmatch(line)
	if addresses == nil {
		t.Fatalf("cannot parse the ready line of latchhub: %q", line)
	}
	h.MQTT, h.HTTPS = addresses[1], addresses[2]
}

// CA returns the path of the hub's CA certificate, which clients must trust.
func (h *Hub) CA() string { return filepath.Join(h.Data, "ca.pem") }

// ServiceFile returns the path of the file with the hub's service connection string.
func (h *Hub) ServiceFile() string { return filepath.Join(h.Data, "service.connection-string") }

// Service returns the hub's service connection string, with the key of the policy
// iothubowner.
func (h *Hub) Service(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(h.ServiceFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// Endpoint returns the URL of the hub's service API.
func (h *Hub) Endpoint() string { return "https://" + h.HTTPS }

// Ctl runs a latchctl command that uses this hub, and waits until the command ends.
func (h *Hub) Ctl(t testing.TB, args ...string) Result {
	t.Helper()
	return Run(t, h.Command(args...))
}

// Enrollment runs a "latchhub enrollment" command that uses this hub, and waits until
// the command ends.
func (h *Hub) Enrollment(t testing.TB, args ...string) Result {
	t.Helper()
	return h.Run(t, append([]string{"enrollment"}, args...)...)
}

// Run runs a latchhub command that sends requests to this hub. It waits until the
// command ends.
func (h *Hub) Run(t testing.TB, args ...string) Result {
	t.Helper()
	args = append(slices.Clip(args), "--data", h.Data, "--https", h.HTTPS)
	return Run(t, exec.Command(h.bin.Path("latchhub"), args...))
}

// Command returns a latchctl command that uses this hub.
func (h *Hub) Command(args ...string) *exec.Cmd {
	return h.bin.Ctl(append([]string{"--hub-file", h.ServiceFile(), "--endpoint", h.Endpoint(), "--ca-file", h.CA()}, args...)...)
}

// Ctl returns a latchctl command that ignores the user's own settings: it does not see
// their environment variables and configuration for latchctl.
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
