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
)

// The simulated chip: three lines, and a door behind them.
const (
	lineLock   = 0 // the driven line
	lineBolt   = 1 // the bolt sensor; high is locked
	lineDoor   = 2 // the door sensor; high is open
	lineUnlock = 3 // the line of a lock with two

	configFS = "/sys/kernel/config/gpio-sim/door"
)

var lineNames = map[int]string{lineLock: "LOCK", lineBolt: "BOLT", lineDoor: "DOOR", lineUnlock: "UNLOCK"}

// guest is the machine's hardware.
type guest struct {
	mu   sync.Mutex
	sys  string // the chip's folder in sysfs; empty while it is unplugged
	name string // gpiochipN

	bolt    chan struct{}  // closed to stop the bolt that follows the line
	held    *gpiocdev.Line // by somebody else than the agent
	watcher *watcher
}

// Plug says whether the chip is there.
type Plug struct{ In bool }

// plug plugs the chip in or out, and returns its name.
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

func makeChip() error {
	if err := os.MkdirAll(configFS+"/bank0", 0o700); err != nil {
		return fmt.Errorf("is gpio-sim loaded? %w", err)
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

// Pull moves a line from outside.
type Pull struct {
	Line string
	Up   bool
}

func (g *guest) pull(p Pull) (struct{}, error) {
	for offset, name := range lineNames {
		if name == p.Line {
			return struct{}{}, g.setPull(offset, p.Up)
		}
	}
	return struct{}{}, fmt.Errorf("there is no line %s", p.Line)
}

func (g *guest) setPull(offset int, up bool) error {
	to := "pull-down"
	if up {
		to = "pull-up"
	}
	return os.WriteFile(g.attribute(offset, "pull"), []byte(to), 0)
}

func (g *guest) attribute(offset int, name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprintf("%s/sim_gpio%d/%s", g.sys, offset, name)
}

// level returns the physical level of a line, by its name.
func (g *guest) level(line string) (int, error) {
	for offset, name := range lineNames {
		if name == line {
			return g.readLevel(offset)
		}
	}
	return 0, fmt.Errorf("there is no line %s", line)
}

func (g *guest) readLevel(offset int) (int, error) {
	text, err := readLine(g.attribute(offset, "value"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// Bolt says how the bolt follows the line: it is locked while the line is at
// LockedLevel, after Travel. It stays where it is if it is Jammed.
type Bolt struct {
	LockedLevel int
	Travel      time.Duration
	Jammed      bool
}

// door begins to let the bolt follow the line.
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

// hold takes the lock's line, as another program does, or gives it back.
func (g *guest) hold(take bool) (struct{}, error) {
	if !take {
		return struct{}{}, g.held.Close()
	}
	line, err := gpiocdev.RequestLine(g.name, lineLock, gpiocdev.WithConsumer("somebody"), gpiocdev.AsInput)
	g.held = line
	return struct{}{}, err
}
