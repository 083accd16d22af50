package gpio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// Two device paths to one chip count as one chip. The test uses other character devices,
// which every machine has.
func TestChipPathsCountALinkedChipOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, target := range map[string]string{
		"gpiochip0": "/dev/null", "gpiochip1": "/dev/zero",
		"gpiochip4": "gpiochip0", // as on Raspberry Pi OS
		"gpiochip5": "gone",
		"other":     "/dev/full",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"gpiochip6", "gpiochip7"} { // no chips, but opening them must tell that
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	got, err := chipPaths(dir)
	for i := range got {
		got[i] = filepath.Base(got[i])
	}
	if want := []string{"gpiochip0", "gpiochip1", "gpiochip6", "gpiochip7"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("chips %v, %v; want %v", got, err, want)
	}
}

// An input is polled only if the edges are the reason why the kernel refused it.
func TestDeniesEdges(t *testing.T) {
	t.Parallel()

	free, used := uapi.LineInfoV2{}, uapi.LineInfoV2{Flags: uapi.LineFlagV2Used}
	for _, tc := range []struct {
		err  error
		info uapi.LineInfoV2
		want bool
	}{
		{unix.ENXIO, free, true},
		{fmt.Errorf("request: %w", unix.ENXIO), free, true},
		{unix.EINVAL, free, true},
		{unix.EOPNOTSUPP, free, true},
		{errNotSupported, free, true},
		{unix.EBUSY, free, true},
		{unix.EBUSY, used, false},
		{unix.EPERM, free, false},
		{unix.ENODEV, free, false},
	} {
		if got := deniesEdges(tc.err, tc.info); got != tc.want {
			t.Errorf("%v, used %t: %t, want %t", tc.err, tc.info.Flags.IsUsed(), got, tc.want)
		}
	}
}

// A polled level counts once it has been stable for the debounce time. Each digit of
// the readings is one level, read every 50 ms.
func TestDebouncer(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		period         time.Duration
		readings, want string // want has a digit for each change that counts, and dots
	}{
		{0, "0110", ".1.0"},
		{20 * time.Millisecond, "01111", "..1.."},
		{100 * time.Millisecond, "01111000", "...1...0"},
		{100 * time.Millisecond, "0110110111", ".........1"}, // a bounce restarts the time
	} {
		d, got := debouncer{period: tc.period}, ""
		for i, level := range tc.readings {
			if d.read(level == '1', time.Duration(i)*PollInterval) {
				got += string(level)
			} else {
				got += "."
			}
		}
		if got != tc.want {
			t.Errorf("debounce %s, readings %s: changes %s, want %s", tc.period, tc.readings, got, tc.want)
		}
	}
}

// A polled sensor delivers its level and each change. It survives single failures, and
// ends when the failures go on.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sensor[sample]{
			debounce: 100 * time.Millisecond, convert: func(s sample) sample { return s },
			readings: make(chan sample, 8), closed: make(chan struct{}),
		}
		var active, failing atomic.Bool
		ended := make(chan error, 1)
		go func() {
			ended <- s.poll(func() (bool, error) {
				if failing.Load() {
					return false, unix.EREMOTEIO
				}
				return active.Load(), nil
			})
		}()

		want := func(when string, levels ...bool) {
			t.Helper()
			synctest.Wait()
			var got []bool
			for len(s.readings) > 0 {
				got = append(got, (<-s.readings).active)
			}
			if !slices.Equal(got, levels) {
				t.Errorf("%s: levels %v, want %v", when, got, levels)
			}
		}
		want("at first", false)

		active.Store(true)
		time.Sleep(140 * time.Millisecond)
		want("before the debounce time has passed")
		time.Sleep(PollInterval)
		want("after the debounce time", true)

		failing.Store(true)
		time.Sleep(maxFailedReads * PollInterval)
		failing.Store(false)
		time.Sleep(PollInterval)
		want("after failures that ended")

		failing.Store(true)
		time.Sleep((maxFailedReads + 2) * PollInterval)
		want("while reading fails")
		if err := <-ended; !errors.Is(err, unix.EREMOTEIO) {
			t.Errorf("after failures that go on: %v", err)
		}
	})
}
