// Package clock is what time it is on a computer that may not know. Many gateways
// have no clock that goes on while they are off: they start at a time of the past,
// with which a hub's certificate is not valid yet and a token is expired.
//
// A [Clock] waits for the time to be set, within a bound, before the first
// connection; it does not believe in a time long before one that a hub has taken,
// which is kept on disk; and it follows every step of the system's clock that is
// not of that kind, forwards and back.
package clock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// waitUntil is how long after boot the time may still be on its way: a network
	// comes up and is asked for it.
	waitUntil = time.Minute
	// lookEvery is how often it is looked whether the time has been set.
	lookEvery = 500 * time.Millisecond
	// backwards is how far a clock of which nobody knows whether it was set may be
	// behind the last time that was known to be right: somebody may have set it.
	backwards = 24 * time.Hour
)

// Source is where the time comes from.
type Source struct {
	Now    func() time.Time
	Uptime func() time.Duration // since boot
	// Set reports whether the time is known to have been set since boot.
	Set func() bool
	// Hardware returns the time of the clock that goes on while the computer is
	// off; ok is false where there is none.
	Hardware func() (t time.Time, ok bool)
}

// Clock tells the time. It is safe for concurrent use.
type Clock struct {
	source Source
	path   string // empty: nothing is kept on disk
	log    *zap.Logger

	mu    sync.Mutex
	known time.Time     // a time that was right
	since time.Duration // the uptime at that time, or at the start of the process
}

// Open makes a clock whose last known time is kept in dir. With an empty dir it
// is kept in memory only.
func Open(dir string, source Source, log *zap.Logger) *Clock {
	c := &Clock{source: source, log: log, since: source.Uptime()}
	if dir == "" {
		return c
	}
	c.path = filepath.Join(dir, "clock")
	info, err := os.Stat(c.path)
	switch {
	case err == nil:
		c.known = info.ModTime()
	case !errors.Is(err, fs.ErrNotExist):
		log.Warn("the last known time cannot be read", zap.Error(err))
	}
	return c
}

// Now returns the time: the system's, unless that is long before the last time
// that is known to have been right and nobody has set it since boot. Then it is
// the least that the time can be.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	known, since := c.known, c.since
	c.mu.Unlock()
	now := c.source.Now()
	least := known.Add(c.source.Uptime() - since)
	if known.IsZero() || now.After(least.Add(-backwards)) || c.source.Set() {
		return now
	}
	return now.Add(least.Sub(now)) // so that it still measures durations
}

// Wait returns when the time has been set, or ctx has ended, or there is nothing
// to wait for: the computer has a clock of its own, or was booted so long ago that
// the time would have been set by now.
func (c *Clock) Wait(ctx context.Context) {
	if c.source.Set() || c.source.Uptime() >= waitUntil || c.hardwareKnows() {
		return
	}
	c.log.Info("waiting for this computer's clock to be set", zap.Time("clock", c.source.Now()))
	for !c.source.Set() {
		if c.source.Uptime() >= waitUntil {
			c.log.Warn("this computer's clock was not set in the first minute; going on with what it says",
				zap.Time("clock", c.source.Now()), zap.Time("used", c.Now()))
			return
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return
		}
	}
}

// hardwareKnows reports whether there is a hardware clock, and it has not been
// without power.
func (c *Clock) hardwareKnows() bool {
	t, ok := c.source.Hardware()
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.Year() > 2025 && t.After(c.known.Add(-backwards))
}

// Keep says that the time is right, as far as a hub can tell that has taken a
// login by it, and keeps it for the next start.
func (c *Clock) Keep() error {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.since = now.Round(0), c.source.Uptime()
	if c.path == "" {
		return nil
	}
	err := os.Chtimes(c.path, time.Time{}, now)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.WriteFile(c.path, nil, 0o600); err == nil {
			err = os.Chtimes(c.path, time.Time{}, now)
		}
	}
	if err != nil {
		return fmt.Errorf("keep the time: %w", err)
	}
	return nil
}
