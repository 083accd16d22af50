package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// WatchdogInterval returns how often systemd's watchdog expects a [Watchdog] message
// from this process. It reads the environment variables WATCHDOG_USEC and WATCHDOG_PID.
// It returns 0 if systemd does not watch the process.
func WatchdogInterval() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) }

// Feed calls notify immediately, and then three times per interval, until ctx ends. An
// interval of 0 means that there is no watchdog; Feed then calls notify once per
// second.
//
// Before each call, Feed receives a value from alive. alive must be an unbuffered
// channel to which the main loop sends in its select statement. Each value then proves
// that the main loop is running. If the main loop is stuck, Feed stops calling notify.
func Feed(ctx context.Context, interval time.Duration, alive <-chan struct{}, notify func()) {
	period := interval / 3
	if period <= 0 {
		period = time.Second
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()

	for {
		select {
		case <-alive:
			notify()
		case <-ctx.Done():
			return
		}

		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
