package systemd

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The loop of a Feed test answers, is stuck, and answers again.
func TestFeedFollowsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		alive, stuck := make(chan struct{}), make(chan time.Duration)
		var told atomic.Int32
		go func() { // the main loop
			for {
				select {
				case alive <- struct{}{}:
				case d := <-stuck:
					<-time.After(d)
				case <-ctx.Done():
					return
				}
			}
		}()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Feed(ctx, 3*time.Second, alive, func() { told.Add(1) })
		}()

		expect := func(when string, want int32) {
			t.Helper()
			synctest.Wait()
			if got := told.Load(); got != want {
				t.Errorf("%s: told %d times, want %d", when, got, want)
			}
		}
		expect("at once", 1)
		<-time.After(2500 * time.Millisecond)
		expect("a third of the interval each", 3)
		stuck <- 10 * time.Second
		<-time.After(9900 * time.Millisecond)
		expect("while the loop is stuck", 3)
		<-time.After(200 * time.Millisecond)
		expect("when the loop answers again", 5) // the overdue one, then the present one
		cancel()
		<-ended
	})
}

func TestFeedEndsWhileTheLoopIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		Feed(ctx, time.Second, make(chan struct{}), func() { t.Error("told of a loop that never answered") })
	})
}

func TestFeedWithoutAWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		alive, told := make(chan struct{}), 0
		go func() {
			for ctx.Err() == nil {
				select {
				case alive <- struct{}{}:
				case <-ctx.Done():
				}
			}
		}()
		Feed(ctx, 0, alive, func() { told++ })
		if told != 3 {
			t.Errorf("told %d times in 2.5 s, want 3", told)
		}
	})
}
