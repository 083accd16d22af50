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

// The tests of this file need root and the kernel's gpio-sim, as a virtual
// machine has it: go test -c -tags gpiosim.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sim is a simulated chip of 8 lines.
type sim struct {
	t      *testing.T
	config string // its folder in configfs
	sys    string // its folder in sysfs
	name   string
	label  string
}

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
	// The device's node appears soon after.
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

// pull moves a sensor from outside: up or down.
func (s *sim) pull(offset int, to string) {
	s.t.Helper()
	s.must(os.WriteFile(fmt.Sprintf("%s/sim_gpio%d/pull", s.sys, offset), []byte("pull-"+to), 0o600))
}

// level returns the physical level of a line: 0 or 1.
func (s *sim) level(offset int) string {
	s.t.Helper()
	return s.read(fmt.Sprintf("%s/sim_gpio%d/value", s.sys, offset))
}

func (s *sim) want(levels string, what string) {
	s.t.Helper()
	got := ""
	for i := range levels {
		got += s.level(i)
	}
	if got != levels {
		s.t.Errorf("%s: the levels are %s, want %s", what, got, levels)
	}
}

// store is a keeper that keeps in memory, as systemd does beyond the process.
type store struct {
	kept    map[string]*os.File
	dropped []string
}

// keeper returns a keeper that lets go before the chip is unplugged.
func (s *sim) keeper() *store {
	k := &store{kept: map[string]*os.File{}}
	s.t.Cleanup(func() {
		for _, file := range k.kept {
			file.Close()
		}
	})
	return k
}

func (s *store) Kept() map[string]*os.File { return s.kept }

func (s *store) Keep(name string, fd int) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	s.kept[name] = os.NewFile(uintptr(own), name)
	return err
}

func (s *store) Drop(name string) error {
	s.dropped = append(s.dropped, name)
	err := s.kept[name].Close()
	delete(s.kept, name)
	return err
}

func open(t *testing.T, c Config, keeper Keeper, level actuator.Position) (l *Lock, found actuator.Position, kept bool) {
	t.Helper()
	l = New(c, keeper, zap.NewNop())
	t.Cleanup(func() { l.Close() })
	found, kept, err := l.Open(level)
	if err != nil {
		t.Fatal(err)
	}
	return l, found, kept
}
