package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// Door is a latchd process with a mock lock.
type Door struct {
	*Process
	ID     string
	Config string // path of the configuration file
	State  string // path of the state directory
	bin    Binaries
}

// StartDoor registers a device, starts latchd for it and waits until the hub can call
// the device's methods. The text fault is a fault of the mock lock, such as "jam";
// empty means no fault.
func StartDoor(t testing.TB, h *Hub, id, fault string) *Door {
	t.Helper()
	d := NewDoor(t, h, h.CreateDevice(t, id), fault)
	d.Start(t)
	h.Invoke(t, id, "ping", nil)
	return d
}

// NewDoor writes a configuration for latchd, but does not start latchd.
func NewDoor(t testing.TB, h *Hub, device iothub.Device, fault string) *Door {
	t.Helper()
	dir := t.TempDir()
	secret := filepath.Join(dir, "connection-string")
	d := &Door{ID: device.DeviceID, Config: filepath.Join(dir, "latchd.toml"), State: filepath.Join(dir, "state"), bin: h.bin}
	write(t, secret, device.ConnectionString()+"\n")

	config := fmt.Sprintf(`state_dir = %q

[hub]
connection_string_file = %q
endpoint = %q
ca_file = %q

[lock]
driver = "mock"
at_power_on = "unlocked"
confirm_timeout = "1s"
min_interval = "0s"
`, d.State, secret, h.MQTT, h.CA())
	if fault != "" {
		config += fmt.Sprintf("\n[lock.mock]\nfault = %q\n", fault)
	}
	write(t, d.Config, config)
	return d
}

// Configure appends text to the door's configuration, whose last table is [lock].
func (d *Door) Configure(t testing.TB, text string) {
	t.Helper()
	old, err := os.ReadFile(d.Config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Config, string(old)+text)
}

// Mock operates the simulated door with 'latchd mock': open, close, exit or pry.
func (d *Door) Mock(t testing.TB, action string) {
	t.Helper()
	if err := d.TryMock(t, action); err != nil {
		t.Fatal(err)
	}
}

// TryMock is like Mock, but returns an error instead of failing the test. Use it if
// latchd may not be ready yet.
func (d *Door) TryMock(t testing.TB, action string) error {
	t.Helper()
	r := Run(t, exec.Command(d.bin.Path("latchd"), "mock", "--config", d.Config, action))
	if r.Code != 0 {
		return fmt.Errorf("%s: exit code %d: %s", r.Command, r.Code, r.Stderr)
	}
	return nil
}

// Command returns the command that runs latchd with the door's configuration.
func (d *Door) Command() *exec.Cmd {
	return exec.Command(d.bin.Path("latchd"), "run", "--config", d.Config)
}

// Start starts latchd with the door's configuration. A test can call Start again after
// Kill or Stop.
func (d *Door) Start(t testing.TB) {
	t.Helper()
	d.Process = Start(t, "latchd of "+d.ID, d.Command())
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
