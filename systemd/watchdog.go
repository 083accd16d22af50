package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// WatchdogInterval returns the interval within which systemd expects a [Watchdog]
// message from this process, from WATCHDOG_USEC and WATCHDOG_PID. It is 0 if systemd
// does not watch the process.
func WatchdogInterval() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) }

// Feed calls notify at once, and then three times per interval, until ctx ends. An
// interval of 0 means that there is no watchdog; Feed then calls notify once per second.
//
// Before each call Feed receives from alive. Pass an unbuffered channel to which the
// main loop sends in its select statement: each receive then proves that the loop is
// running, and a stuck loop stops the calls.
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
