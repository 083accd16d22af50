package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev"

	"github.com/latchd/latchd/packaging/e2e/expander"
)

// Offsets of the lines on the simulated chip.
const (
	lineLock   = 0 // output that drives the lock
	lineBolt   = 1 // input of the bolt sensor; high means locked
	lineDoor   = 2 // input of the door sensor; high means open
	lineUnlock = 3 // second output, used by a lock in dual mode
	lineExit   = 4 // input of the exit button; high means pressed
)

// configFS is the chip's directory in configfs.
const configFS = "/sys/kernel/config/gpio-sim/door"

var lineNames = map[int]string{lineLock: "LOCK", lineBolt: "BOLT", lineDoor: "DOOR", lineUnlock: "UNLOCK", lineExit: "EXIT"}

// guest is the simulated hardware of the virtual machine.
type guest struct {
	mu   sync.Mutex
	sys  string // directory of the chip in sysfs; empty while the chip is unplugged
	name string // name of the chip, such as gpiochip1

	bolt     chan struct{}      // closed to end the goroutine that moves the bolt
	occupied *gpiocdev.Line     // the lock's line while it is requested as if by another program
	watcher  *watcher           // nil while nobody watches a line
	expander *expander.Expander // second chip, without interrupts; nil until a test asks for it
}

// Plug is a request to plug the simulated chip in or to unplug it.
type Plug struct{ In bool }

// plug plugs the simulated chip in or unplugs it. It returns the chip's name, or ""
// after unplugging it.
func (g *guest) plug(p Plug) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.In {
		g.sys = ""
		return "", os.WriteFile(configFS+"/live", []byte("0"), 0)
	}

	if _, err := os.Stat(configFS); errors.Is(err, fs.ErrNotExist) {
		if err := makeChip(); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(configFS+"/live", []byte("1"), 0); err != nil {
		return "", err
	}

	device, err := readLine(configFS + "/dev_name")
	if err != nil {
		return "", err
	}
	if g.name, err = readLine(configFS + "/bank0/chip_name"); err != nil {
		return "", err
	}
	g.sys = filepath.Join("/sys/devices/platform", device, g.name)
	return g.name, nil
}

// makeChip configures the chip in configfs.
func makeChip() error {
	if err := os.MkdirAll(configFS+"/bank0", 0o700); err != nil {
		return fmt.Errorf("%w; load the kernel module gpio-sim", err)
	}

	files := map[string]string{"num_lines": "8", "label": "door"}
	for offset, name := range lineNames {
		if err := os.MkdirAll(fmt.Sprintf("%s/bank0/line%d", configFS, offset), 0o700); err != nil {
			return err
		}
		files[fmt.Sprintf("line%d/name", offset)] = name
	}

	for file, text := range files {
		if err := os.WriteFile(filepath.Join(configFS, "bank0", file), []byte(text), 0); err != nil {
			return err
		}
	}
	return nil
}

func readLine(file string) (string, error) {
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

// Pull is a request to set the pull of a line. Setting it simulates a contact that
// opens or closes.
type Pull struct {
	Line string
	Up   bool
}

// pull sets the pull of a line to simulate a contact.
func (g *guest) pull(p Pull) (struct{}, error) {
	for offset, name := range lineNames {
		if name == p.Line {
			return struct{}{}, g.setPull(offset, p.Up)
		}
	}
	return struct{}{}, fmt.Errorf("unknown line %s", p.Line)
}

func (g *guest) setPull(offset int, up bool) error {
	to := "pull-down"
	if up {
		to = "pull-up"
	}
	return os.WriteFile(g.attribute(offset, "pull"), []byte(to), 0)
}

// attribute returns the path of a line's attribute in sysfs.
func (g *guest) attribute(offset int, name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprintf("%s/sim_gpio%d/%s", g.sys, offset, name)
}

// level returns the physical level of the line with the given name.
func (g *guest) level(line string) (int, error) {
	for offset, name := range lineNames {
		if name == line {
			return g.readLevel(offset)
		}
	}
	return 0, fmt.Errorf("unknown line %s", line)
}

func (g *guest) readLevel(offset int) (int, error) {
	text, err := readLine(g.attribute(offset, "value"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// Bolt says how the simulated bolt reacts to the level of the lock's line.
type Bolt struct {
	LockedLevel int           // level of the line at which the bolt locks
	Travel      time.Duration // time that the bolt needs to move
	Jammed      bool          // whether the bolt never moves
}

// door starts a simulated bolt. It replaces a bolt that was started earlier.
func (g *guest) door(b Bolt) (struct{}, error) {
	g.mu.Lock()
	if g.bolt != nil {
		close(g.bolt)
	}
	stop := make(chan struct{})
	g.bolt = stop
	g.mu.Unlock()
	if b.Jammed {
		return struct{}{}, nil
	}

	level, err := g.readLevel(lineLock)
	if err == nil {
		err = g.setPull(lineBolt, level == b.LockedLevel)
	}
	if err == nil {
		go g.follow(b, level, stop)
	}
	return struct{}{}, err
}

// follow moves the simulated bolt after each change of the lock line's level. It ends
// when stop is closed.
func (g *guest) follow(b Bolt, level int, stop <-chan struct{}) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()

	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now, err := g.readLevel(lineLock)
		if err != nil || now == level {
			continue
		}

		level = now
		select {
		case <-stop:
			return
		case <-time.After(b.Travel):
			g.setPull(lineBolt, level == b.LockedLevel)
		}
	}
}

// occupy requests the lock's line as another program would, or releases the line again.
// It does nothing if the line is already released.
func (g *guest) occupy(request bool) (struct{}, error) {
	if !request {
		if g.occupied == nil {
			return struct{}{}, nil
		}
		line := g.occupied
		g.occupied = nil
		return struct{}{}, line.Close()
	}

	line, err := gpiocdev.RequestLine(g.name, lineLock, gpiocdev.WithConsumer("somebody"), gpiocdev.AsInput)
	g.occupied = line
	return struct{}{}, err
}

// makeExpander makes a second chip, which has no interrupts. It returns the chip's label.
func (g *guest) makeExpander(struct{}) (string, error) {
	e, err := expander.New()
	if err != nil {
		return "", err
	}
	g.expander = e
	return e.Label, nil
}

// removeExpander removes the second chip.
func (g *guest) removeExpander(struct{}) (struct{}, error) { return struct{}{}, g.expander.Close() }

// Contact is a contact at an input of the expander.
type Contact struct {
	Line int
	High bool
}

// contact sets the level of an input of the expander.
func (g *guest) contact(c Contact) (struct{}, error) {
	return struct{}{}, g.expander.Set(c.Line, c.High)
}
