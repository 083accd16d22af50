package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// WatchdogInterval returns within what time systemd wants to hear from this
// process, by WATCHDOG_USEC and WATCHDOG_PID; 0 if it does not watch it.
func WatchdogInterval() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) }

// Feed calls tell at once and then three times an interval, each time only after
// it has received from alive, until ctx ends. Alive is to be an unbuffered
// channel that the main loop sends to from its select statement, so that each
// call stands for one answer of the loop: a loop that is stuck is told of no
// more. With an interval of 0, where there is no watchdog, it is every second.
func Feed(ctx context.Context, interval time.Duration, alive <-chan struct{}, tell func()) {
	every := interval / 3
	if every <= 0 {
		every = time.Second
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-alive:
			tell()
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
