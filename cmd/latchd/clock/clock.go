// Package clock tells the time on a computer whose system clock may be wrong. Many
// gateways have no battery-backed clock: they boot with a time in the past, at which
// the hub's certificate is not valid yet and new tokens are already expired.
//
// Use [Open] to make a [Clock], then [Clock.Wait] before the first connection,
// [Clock.Now] for each token, and [Clock.Confirm] after each login.
//
// Guarantees:
//   - Wait returns at the latest one minute after boot.
//   - Now never falls more than a day behind the last confirmed time, unless the
//     system clock has been set since boot.
//   - Now follows every other step of the system clock, forwards and back.
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

	"github.com/latchd/latchd/transport/durable"
)

const (
	// waitUntil is the uptime after which Wait no longer waits for the network to
	// set the clock.
	waitUntil = time.Minute
	// pollInterval is how often Wait checks whether the clock has been set.
	pollInterval = 500 * time.Millisecond
	// maxBackstep is how far behind the last confirmed time the system clock may be
	// and still be believed: somebody may have corrected it by hand.
	maxBackstep = 24 * time.Hour
)

// Source reads the clocks of the computer.
type Source struct {
	Now    func() time.Time
	Uptime func() time.Duration // time since boot
	// Set reports whether the system clock is known to have been set since boot.
	Set func() bool
	// Hardware returns the time of the battery-backed clock; ok is false if the
	// computer has none.
	Hardware func() (t time.Time, ok bool)
}

// Clock tells the time. It is safe for concurrent use.
type Clock struct {
	source Source
	path   string // file whose modification time is the confirmed time; empty disables saving
	log    *zap.Logger

	mu        sync.Mutex
	confirmed time.Time     // last time known to be right; zero if none is known
	reference time.Duration // uptime at which confirmed was taken, or uptime at the process's start
}

// Open makes a clock that saves its last confirmed time in dir. If dir is empty,
// the clock keeps that time in memory only.
func Open(dir string, source Source, log *zap.Logger) *Clock {
	c := &Clock{source: source, log: log, reference: source.Uptime()}
	if dir == "" {
		return c
	}

	c.path = filepath.Join(dir, "clock")

	info, err := os.Stat(c.path)
	switch {
	case err == nil:
		c.confirmed = info.ModTime()
	case !errors.Is(err, fs.ErrNotExist):
		log.Warn("cannot read the last confirmed time; starting with the system clock", zap.Error(err))
	}
	return c
}

// Now returns the system's time. If that is more than maxBackstep behind the last
// confirmed time and nobody has set the system clock since boot, Now returns the
// earliest time that it can really be: the confirmed time plus the time elapsed.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	confirmed, reference := c.confirmed, c.reference
	c.mu.Unlock()

	now := c.source.Now()
	earliest := confirmed.Add(c.source.Uptime() - reference)
	if confirmed.IsZero() || now.After(earliest.Add(-maxBackstep)) || c.source.Set() {
		return now
	}

	return now.Add(earliest.Sub(now)) // keeps now's monotonic reading, for measuring durations
}

// Wait blocks until the system clock has been set or ctx ends. It returns at once
// if the computer has a working hardware clock, or was booted so long ago that the
// network would have set the clock by now.
func (c *Clock) Wait(ctx context.Context) {
	if c.source.Set() || c.source.Uptime() >= waitUntil || c.hardwareIsPlausible() {
		return
	}

	c.log.Info("waiting for this computer's clock to be set", zap.Time("clock", c.source.Now()))
	for !c.source.Set() {
		if c.source.Uptime() >= waitUntil {
			c.log.Warn("this computer's clock was not set within a minute of boot; continuing with the time it shows",
				zap.Time("clock", c.source.Now()), zap.Time("used", c.Now()))
			return
		}

		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return
		}
	}
}

// hardwareIsPlausible reports whether the computer has a hardware clock that has
// not lost power: its time is after 2025 and not far behind the confirmed time.
func (c *Clock) hardwareIsPlausible() bool {
	t, ok := c.source.Hardware()
	if !ok {
		return false
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	return t.Year() > 2025 && t.After(c.confirmed.Add(-maxBackstep))
}

// Confirm records that the current time is right and saves it for the next start.
// Call it when a hub has accepted a login, because a login fails with a wrong time.
func (c *Clock) Confirm() error {
	now := c.Now()

	c.mu.Lock()
	defer c.mu.Unlock()
	c.confirmed, c.reference = now.Round(0), c.source.Uptime()
	if c.path == "" {
		return nil
	}

	err := os.Chtimes(c.path, time.Time{}, now)
	if errors.Is(err, fs.ErrNotExist) {
		if err = durable.Replace(c.path, nil, 0o600); err == nil {
			err = os.Chtimes(c.path, time.Time{}, now)
		}
	}
	if err != nil {
		return fmt.Errorf("save the confirmed time: %w", err)
	}
	return nil
}
