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

// tracing is the directory at which the kernel's tracefs is mounted.
const tracing = "/sys/kernel/tracing"

// watcher records the events of one GPIO line.
type watcher struct {
	chip *gpiocdev.Chip
	pipe *os.File // text of the kernel's trace
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	events []trace.Event
	lost   bool // whether the kernel has dropped events
}

// Line identifies a GPIO line by its chip's name and its offset on the chip.
type Line struct {
	Chip   string
	Offset int
}

// watch starts to record the events of a GPIO line: tracepoints, line info events and
// changes of the level.
func (g *guest) watch(l Line) (struct{}, error) {
	if g.watcher != nil {
		return struct{}{}, errors.New("a line is already being watched")
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
	if g.name == l.Chip { // only the simulated chip shows the levels of its lines in sysfs
		level, err := g.readLevel(l.Offset)
		if err != nil {
			return struct{}{}, err
		}
		w.done.Go(func() { w.poll(g, l.Offset, level) })
	}

	g.watcher = w
	return struct{}{}, nil
}

// Watched is the record of a GPIO line's events.
type Watched struct {
	Events []trace.Event
	End    time.Duration // end of the recording on the monotonic clock
}

// watched stops the recording and returns the events.
func (g *guest) watched(struct{}) (Watched, error) {
	w := g.watcher
	if w == nil {
		return Watched{}, errors.New("no line is watched")
	}
	g.watcher = nil

	// The pipe already contains all earlier events, so a short deadline is enough.
	if err := w.pipe.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return Watched{}, err
	}
	close(w.stop)
	w.done.Wait()
	w.pipe.Close()
	w.chip.Close()
	os.WriteFile(tracing+"/events/gpio/enable", []byte("0"), 0o600)

	if w.lost {
		return Watched{}, errors.New("the kernel dropped trace events, so the record is incomplete")
	}
	slices.SortStableFunc(w.events, func(a, b trace.Event) int { return int(a.At - b.At) })
	return Watched{w.events, monotonic()}, nil
}

func (w *watcher) add(e trace.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// onInfo records a line info event, which the kernel sends when a line is requested,
// released or reconfigured.
func (w *watcher) onInfo(e gpiocdev.LineInfoChangeEvent) {
	kind := map[gpiocdev.LineInfoChangeType]trace.Kind{
		gpiocdev.LineRequested: trace.Requested, gpiocdev.LineReleased: trace.Released, gpiocdev.LineReconfigured: trace.Changed,
	}[e.Type]
	w.add(trace.Event{At: e.Timestamp, Kind: kind})
}

// readTrace records the events of one GPIO line from the kernel's trace until the
// pipe's deadline. global is the line's number in the trace.
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
		log.Printf("reading the trace failed: %v", err)
		w.lost = true
	}
}

// poll records changes of the line's level that no process has made. For example, a
// released line falls to its pull.
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

// globalNumber returns the line's number in the kernel's tracepoints.
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
	return 0, fmt.Errorf("chip %s not found in /sys/kernel/debug/gpio", l.Chip)
}

// monotonic returns the time of the monotonic clock. Tracepoints use the same clock.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}
