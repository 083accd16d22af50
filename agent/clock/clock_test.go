package clock

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// computer is one whose clock a test sets.
type computer struct {
	step     time.Duration // of its clock against the true time
	booted   time.Time
	set      bool
	hardware time.Time
}

func (c *computer) source() Source {
	return Source{
		Now:      func() time.Time { return time.Now().Add(c.step) },
		Uptime:   func() time.Duration { return time.Since(c.booted) },
		Set:      func() bool { return c.set },
		Hardware: func() (time.Time, bool) { return c.hardware, !c.hardware.IsZero() },
	}
}

// A computer without a clock of its own starts in the past, and the time is set
// later: before that, its clock is no further behind than the last known time.
func TestRestartWithoutHardwareClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := &computer{booted: time.Now(), set: true}
		if err := Open(dir, c.source(), zap.NewNop()).Keep(); err != nil {
			t.Fatal(err)
		}
		kept := time.Now()
		time.Sleep(48 * time.Hour) // off
		*c = computer{booted: time.Now(), step: -30 * 365 * 24 * time.Hour}
		clock := Open(dir, c.source(), zap.NewNop())
		before := clock.Now()
		if before.Sub(kept).Abs() > time.Second {
			t.Errorf("in the past: %s, want the last known time %s", before, kept)
		}
		time.Sleep(time.Hour)
		if later := clock.Now(); later.Sub(before) != time.Hour || later.Round(0).Sub(before.Round(0)) != time.Hour {
			t.Errorf("an hour later: %s", later)
		}
		c.step = 0
		if now := clock.Now(); !now.Equal(time.Now()) {
			t.Errorf("when it is right: %s, want %s", now, time.Now())
		}
	})
}

// Whose step is followed, and whose is not.
func TestSteps(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name    string
		keep    bool
		step    time.Duration
		set     bool
		follows bool
	}{
		{"no step", true, 0, false, true},
		{"forwards", true, 400 * day, false, true},
		{"back a little", true, -2 * time.Hour, false, true},
		{"back a lot", true, -400 * day, false, false},
		{"back a lot, by who knows", true, -400 * day, true, true},
		{"back a lot, with nothing known", false, -400 * day, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &computer{booted: time.Now()}
				clock := Open("", c.source(), zap.NewNop())
				if test.keep {
					if err := clock.Keep(); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				c.step, c.set = test.step, test.set
				want := time.Now()
				if test.follows {
					want = want.Add(test.step)
				}
				if got := clock.Now(); !got.Equal(want) {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		})
	}
}

// Who waits for the time, and how long.
func TestWait(t *testing.T) {
	for _, test := range []struct {
		name   string
		uptime time.Duration
		set    time.Duration // until it is; 0 is never
		change func(c *computer)
		want   time.Duration
	}{
		{"it was set", 0, 0, func(c *computer) { c.set = true }, 0},
		{"it is being set", 5 * time.Second, 7 * time.Second, nil, 7 * time.Second},
		{"it is never set", 5 * time.Second, 0, nil, 55 * time.Second},
		{"booted long ago", time.Hour, 0, nil, 0},
		{"a hardware clock", 0, 0, func(c *computer) { c.hardware = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC) }, 0},
		{"a hardware clock without a battery", 0, 0, func(c *computer) { c.hardware = time.Unix(3, 0) }, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &computer{booted: time.Now().Add(-test.uptime)}
				if test.change != nil {
					test.change(c)
				}
				source := c.source()
				began := time.Now()
				if test.set > 0 {
					source.Set = func() bool { return time.Since(began) >= test.set }
				}
				Open("", source, zap.NewNop()).Wait(t.Context())
				if waited := time.Since(began); waited != test.want {
					t.Errorf("waited %s, want %s", waited, test.want)
				}
			})
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		Open("", (&computer{booted: time.Now()}).source(), zap.NewNop()).Wait(ctx)
	})
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	c := Open(dir, System(), zap.NewNop())
	for range 2 { // made, and changed
		if err := c.Keep(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "clock"))
		if err != nil || time.Since(info.ModTime()).Abs() > time.Minute || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		os.Chtimes(filepath.Join(dir, "clock"), time.Time{}, time.Unix(1, 0))
	}
	if err := Open(filepath.Join(dir, "gone"), System(), zap.NewNop()).Keep(); err == nil {
		t.Error("kept where there is nothing")
	}
}

func TestSystem(t *testing.T) {
	s := System()
	if s.Uptime() <= 0 {
		t.Errorf("uptime %s", s.Uptime())
	}
	if hardware, ok := s.Hardware(); ok && hardware.Before(time.Unix(0, 0)) {
		t.Errorf("hardware clock %s", hardware)
	}
	t.Logf("set: %t", s.Set())
}
