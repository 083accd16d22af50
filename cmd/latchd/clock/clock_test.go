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

// computer simulates a computer whose clocks the test controls.
type computer struct {
	step     time.Duration // offset of the system clock from the true time
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

// A computer without a hardware clock boots with a time in the past. Until the
// network sets the clock, Now returns at least the last confirmed time.
func TestRestartWithoutHardwareClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := &computer{booted: time.Now(), set: true}
		if err := Open(dir, c.source(), zap.NewNop()).Confirm(); err != nil {
			t.Fatal(err)
		}

		confirmed := time.Now()
		time.Sleep(48 * time.Hour) // the computer is off
		*c = computer{booted: time.Now(), step: -30 * 365 * 24 * time.Hour}
		clock := Open(dir, c.source(), zap.NewNop())
		before := clock.Now()
		if before.Sub(confirmed).Abs() > time.Second {
			t.Errorf("with a clock in the past: Now = %s, want the last confirmed time %s", before, confirmed)
		}

		time.Sleep(time.Hour)
		if later := clock.Now(); later.Sub(before) != time.Hour || later.Round(0).Sub(before.Round(0)) != time.Hour {
			t.Errorf("an hour later: Now = %s, want %s plus 1h", later, before)
		}

		c.step = 0
		if now := clock.Now(); !now.Equal(time.Now()) {
			t.Errorf("after the clock was set: Now = %s, want %s", now, time.Now())
		}
	})
}

// Now follows every step of the system clock, except a long one backwards that
// nobody is known to have made.
func TestSteps(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name    string
		confirm bool // a login has confirmed the time before the step
		step    time.Duration
		set     bool // the clock is known to have been set since boot
		follows bool // Now is expected to follow the step
	}{
		{"no step", true, 0, false, true},
		{"forwards", true, 400 * day, false, true},
		{"back a little", true, -2 * time.Hour, false, true},
		{"back a lot", true, -400 * day, false, false},
		{"back a lot, clock was set", true, -400 * day, true, true},
		{"back a lot, nothing confirmed", false, -400 * day, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &computer{booted: time.Now()}
				clock := Open("", c.source(), zap.NewNop())
				if test.confirm {
					if err := clock.Confirm(); err != nil {
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
					t.Errorf("Now = %s, want %s", got, want)
				}
			})
		})
	}
}

// Wait waits only on a computer that has just booted without a hardware clock, and
// at most until one minute after boot.
func TestWait(t *testing.T) {
	for _, test := range []struct {
		name   string
		uptime time.Duration
		set    time.Duration // when the clock is set, from the start of the test; 0 means never
		change func(c *computer)
		want   time.Duration
	}{
		{"clock already set", 0, 0, func(c *computer) { c.set = true }, 0},
		{"clock set while waiting", 5 * time.Second, 7 * time.Second, nil, 7 * time.Second},
		{"clock never set", 5 * time.Second, 0, nil, 55 * time.Second},
		{"booted long ago", time.Hour, 0, nil, 0},
		{"hardware clock", 0, 0, func(c *computer) { c.hardware = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC) }, 0},
		{"hardware clock without battery", 0, 0, func(c *computer) { c.hardware = time.Unix(3, 0) }, time.Minute},
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

func TestConfirm(t *testing.T) {
	dir := t.TempDir()
	c := Open(dir, System(), zap.NewNop())
	for range 2 { // the first Confirm creates the file, the second updates it
		if err := c.Confirm(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "clock"))
		if err != nil || time.Since(info.ModTime()).Abs() > time.Minute || info.Mode() != 0o600 {
			t.Errorf("the clock file: %v, %v", info, err)
		}
		os.Chtimes(filepath.Join(dir, "clock"), time.Time{}, time.Unix(1, 0))
	}

	if err := Open(filepath.Join(dir, "gone"), System(), zap.NewNop()).Confirm(); err == nil {
		t.Error("Confirm succeeds in a directory that does not exist")
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
	t.Logf("clock set since boot: %t", s.Set())
}
