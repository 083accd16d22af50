package systemd

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Feed must stop calling notify while the main loop is stuck. It must continue when the
// loop answers again.
func TestFeedFollowsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		alive := make(chan struct{})
		block := make(chan time.Duration)
		var calls atomic.Int32
		go func() { // simulate the main loop
			for {
				select {
				case alive <- struct{}{}:
				case d := <-block:
					<-time.After(d)
				case <-ctx.Done():
					return
				}
			}
		}()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Feed(ctx, 3*time.Second, alive, func() { calls.Add(1) })
		}()

		expect := func(when string, want int32) {
			t.Helper()
			synctest.Wait()
			if got := calls.Load(); got != want {
				t.Errorf("%s: %d calls, want %d", when, got, want)
			}
		}
		expect("at once", 1)
		<-time.After(2500 * time.Millisecond)
		expect("three times per interval", 3)
		block <- 10 * time.Second
		<-time.After(9900 * time.Millisecond)
		expect("while the loop is stuck", 3)
		<-time.After(200 * time.Millisecond)
		expect("when the loop answers again", 5) // one overdue call, and one on time
		cancel()
		<-ended
	})
}

func TestFeedEndsWhileTheLoopIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		Feed(ctx, time.Second, make(chan struct{}), func() { t.Error("notify was called although the loop never answered") })
	})
}

func TestFeedWithoutAWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()

		alive, calls := make(chan struct{}), 0
		go func() {
			for ctx.Err() == nil {
				select {
				case alive <- struct{}{}:
				case <-ctx.Done():
				}
			}
		}()

		Feed(ctx, 0, alive, func() { calls++ })
		if calls != 3 {
			t.Errorf("%d calls in 2.5 s, want 3", calls)
		}
	})
}
