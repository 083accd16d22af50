//go:build gpiosim

package gpio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/actuator"
)

// The tests with the build tag gpiosim need root and the kernel module gpio-sim, so
// they run in a virtual machine. Build them with: go test -c -tags gpiosim.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sim is a simulated chip with 8 lines.
type sim struct {
	t      *testing.T
	config string // the chip's directory in configfs
	sys    string // the chip's directory in sysfs
	name   string
	label  string
}

// newSim plugs in a chip whose first lines have the given names.
func newSim(t *testing.T, names ...string) *sim {
	t.Helper()
	s := &sim{t: t, label: "sim-" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))}
	if len(s.label) > 31 {
		s.label = s.label[len(s.label)-31:]
	}

	s.config = filepath.Join("/sys/kernel/config/gpio-sim", s.label)
	s.must(os.MkdirAll(s.config+"/bank0", 0o700))
	s.write("bank0/num_lines", "8")
	s.write("bank0/label", s.label)
	for i, name := range names {
		s.must(os.Mkdir(fmt.Sprintf("%s/bank0/line%d", s.config, i), 0o700))
		s.write(fmt.Sprintf("bank0/line%d/name", i), name)
	}

	s.write("live", "1")
	s.name = s.read(s.config + "/bank0/chip_name")
	s.sys = filepath.Join("/sys/devices/platform", s.read(s.config+"/dev_name"), s.name)

	t.Cleanup(func() {
		s.unplug()
		lines, _ := filepath.Glob(s.config + "/bank0/line*")
		for _, dir := range append(lines, s.config+"/bank0", s.config) {
			os.Remove(dir)
		}
	})

	// udev creates the device node soon after.
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := os.Stat("/dev/" + s.name); err == nil || time.Now().After(deadline) {
			s.must(err)
			return s
		}
	}
}

func (s *sim) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sim) write(file, text string) {
	s.t.Helper()
	s.must(os.WriteFile(filepath.Join(s.config, file), []byte(text), 0o600))
}

func (s *sim) read(file string) string {
	s.t.Helper()
	text, err := os.ReadFile(file)
	s.must(err)
	return strings.TrimSpace(string(text))
}

func (s *sim) unplug() { os.WriteFile(filepath.Join(s.config, "live"), []byte("0"), 0o600) }
func (s *sim) plug()   { s.write("live", "1") }

// pull sets the pull of a line to "up" or "down", as a sensor's contact does.
func (s *sim) pull(offset int, to string) {
	s.t.Helper()
	s.must(os.WriteFile(fmt.Sprintf("%s/sim_gpio%d/pull", s.sys, offset), []byte("pull-"+to), 0o600))
}

// level returns the physical level of a line: 0 or 1.
func (s *sim) level(offset int) string {
	s.t.Helper()
	return s.read(fmt.Sprintf("%s/sim_gpio%d/value", s.sys, offset))
}

// want checks the levels of the first lines, such as "10" for line 0 high, line 1 low.
func (s *sim) want(levels, when string) {
	s.t.Helper()
	got := ""
	for i := range levels {
		got += s.level(i)
	}
	if got != levels {
		s.t.Errorf("%s: the levels are %s, want %s", when, got, levels)
	}
}

// memoryStore is an FDStore in memory. It stands in for systemd's store, because its
// duplicates stay open when a driver closes its lines.
type memoryStore struct {
	files   map[string]*os.File
	removed []string
}

// newStore returns a store whose files are closed before the chip is unplugged.
func (s *sim) newStore() *memoryStore {
	m := &memoryStore{files: map[string]*os.File{}}
	s.t.Cleanup(func() {
		for _, file := range m.files {
			file.Close()
		}
	})
	return m
}

func (m *memoryStore) Files() map[string]*os.File { return m.files }

func (m *memoryStore) Add(name string, fd int) error {
	duplicate, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	m.files[name] = os.NewFile(uintptr(duplicate), name)
	return err
}

func (m *memoryStore) Remove(name string) error {
	m.removed = append(m.removed, name)
	err := m.files[name].Close()
	delete(m.files, name)
	return err
}

// open makes a driver and opens its lines.
func open(t *testing.T, c Config, store FDStore, level actuator.Position) (d *Driver, found actuator.Position, adopted bool) {
	t.Helper()
	d = New(c, store, zap.NewNop())
	t.Cleanup(func() { d.Close() })
	found, adopted, err := d.Open(level)
	if err != nil {
		t.Fatal(err)
	}
	return d, found, adopted
}
