package main

import (
	"bufio"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

const tracing = "/sys/kernel/tracing"

// watcher observes one line.
type watcher struct {
	chip *gpiocdev.Chip
	pipe *os.File
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	events []trace.Event
	lost   bool // the kernel says that it has lost events
}

// Line names the line to watch: of a chip by its name, at an offset.
type Line struct {
	Chip   string
	Offset int
}

// watch begins to observe a line, by tracepoints, line info and level.
func (g *guest) watch(l Line) (struct{}, error) {
	if g.watcher != nil {
		return struct{}{}, errors.New("there is a line that is watched")
	}
	w := &watcher{stop: make(chan struct{})}
	global, err := globalNumber(l)
	if err != nil {
		return struct{}{}, err
	}
	for file, text := range map[string]string{"trace_clock": "mono", "trace": "", "events/gpio/enable": "1", "tracing_on": "1"} {
		if err := os.WriteFile(filepath.Join(tracing, file), []byte(text), 0o600); err != nil {
			return struct{}{}, err
		}
	}
	if w.pipe, err = os.OpenFile(tracing+"/trace_pipe", os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
		return struct{}{}, err
	}
	if w.chip, err = gpiocdev.NewChip(l.Chip); err != nil {
		return struct{}{}, err
	}
	if _, err = w.chip.WatchLineInfo(l.Offset, w.onInfo); err != nil {
		return struct{}{}, err
	}
	w.done.Go(func() { w.readTrace(global) })
	if g.name == l.Chip {
		level, err := g.readLevel(l.Offset)
		if err != nil {
			return struct{}{}, err
		}
		w.done.Go(func() { w.poll(g, l.Offset, level) })
	}
	g.watcher = w
	return struct{}{}, nil
}

// Watched is what was observed, and when that ended.
type Watched struct {
	Events []trace.Event
	End    time.Duration
}

// watched ends the observation and returns what it saw.
func (g *guest) watched(struct{}) (Watched, error) {
	w := g.watcher
	if w == nil {
		return Watched{}, errors.New("no line is watched")
	}
	g.watcher = nil
	// What happened before is in the pipe by now; it is read to its end.
	if err := w.pipe.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return Watched{}, err
	}
	close(w.stop)
	w.done.Wait()
	w.pipe.Close()
	w.chip.Close()
	os.WriteFile(tracing+"/events/gpio/enable", []byte("0"), 0o600)
	if w.lost {
		return Watched{}, errors.New("the kernel has lost trace events: the observation proves nothing")
	}
	slices.SortStableFunc(w.events, func(a, b trace.Event) int { return int(a.At - b.At) })
	return Watched{w.events, monotonic()}, nil
}

func (w *watcher) add(e trace.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *watcher) onInfo(e gpiocdev.LineInfoChangeEvent) {
	kind := map[gpiocdev.LineInfoChangeType]trace.Kind{
		gpiocdev.LineRequested: trace.Requested, gpiocdev.LineReleased: trace.Released, gpiocdev.LineReconfigured: trace.Changed,
	}[e.Type]
	w.add(trace.Event{At: e.Timestamp, Kind: kind})
}

// readTrace reads the kernel's trace until the pipe's deadline.
func (w *watcher) readTrace(global int) {
	lines := bufio.NewScanner(w.pipe)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "LOST") {
			w.lost = true
		}
		if gpio, e, ok := trace.Parse(lines.Text()); ok && gpio == global {
			w.add(e)
		}
	}
	if err := lines.Err(); !errors.Is(err, os.ErrDeadlineExceeded) {
		log.Printf("the trace ended too early: %v", err)
		w.lost = true
	}
}

// poll sees levels that nobody has set, such as the pull of a line that fell.
func (w *watcher) poll(g *guest, offset, level int) {
	for {
		if now, err := g.readLevel(offset); err == nil && now != level {
			level = now
			w.add(trace.Event{At: monotonic(), Kind: trace.Level, Level: level})
		}
		select {
		case <-w.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// globalNumber returns the number by which tracepoints call the line.
func globalNumber(l Line) (int, error) {
	text, err := os.ReadFile("/sys/kernel/debug/gpio")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, l.Chip+": GPIOs ")
		if !ok {
			continue
		}
		first, _, _ := strings.Cut(rest, "-")
		base, err := strconv.Atoi(first)
		return base + l.Offset, err
	}
	return 0, fmt.Errorf("the kernel's debug file has no chip %s", l.Chip)
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}
