package agent

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// A pace must double its wait up to its limit. A success must end the wait, and must make
// the next wait short if there was no failure for a minute.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := 0.0
		p := newPace(time.Minute, func() float64 { return random })
		if p.pause() != nil {
			t.Error("the first attempt must wait")
		}

		for n, want := range []time.Duration{2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 30 * time.Second} {
			failures, wait := p.failed(0)
			if failures != n+1 || wait != want {
				t.Errorf("failure %d: %s after %d failures, want %s", n+1, wait, failures, want)
			}

			began := time.Now()
			time.Sleep(time.Second)
			if again, _ := p.failed(0); again != n+1 {
				t.Errorf("a failure within the wait is counted")
			}
			<-p.pause()
			if waited := time.Since(began); waited != want || p.pause() != nil {
				t.Errorf("the pause lasted %s, want %s", waited, want)
			}
		}

		random = 0.999
		if _, wait := p.failed(0); wait <= 59*time.Second || wait > time.Minute {
			t.Errorf("the longest wait is %s, want almost a minute", wait)
		}
		if failures := p.succeeded(); failures != 7 || p.pause() != nil {
			t.Errorf("%d failures before the success, want 7 and no wait", failures)
		}

		random = 0
		if failures, wait := p.failed(0); failures != 1 || wait != 30*time.Second {
			t.Errorf("failure soon after a success: %s after %d failures, want the long wait after 1", wait, failures)
		}
		time.Sleep(time.Minute)
		p.succeeded()
		if _, wait := p.failed(0); wait != 2500*time.Millisecond {
			t.Errorf("failure after a minute without one: %s, want the short wait", wait)
		}
		p.succeeded()
		if _, wait := p.failed(time.Hour); wait != time.Hour {
			t.Errorf("waited %s although the hub asked for an hour", wait)
		}
	})
}

// Each kind of request may end the link. The agent must repeat only this request later
// and later, across links, and must make the other requests on each link at once.
func TestRequestsThatEndTheLink(t *testing.T) {
	errLinkEnded := errors.New("the link has ended")

	for _, test := range []struct {
		name  string
		event bool // the event of the agent's start is queued; otherwise the agent sends a status every second
		setup func(h *hub, fail func() error)
		// attempts holds the times of the requests that end the link, in seconds
		attempts []float64
	}{
		{"event", true, func(h *hub, fail func() error) { h.send = func(iothub.Message) error { return fail() } },
			[]float64{0, 2.5, 7.5, 17.5, 37.5, 77.5, 157.5, 307.5, 457.5}},
		{"status message", false, func(h *hub, fail func() error) { h.send = func(iothub.Message) error { return fail() } },
			[]float64{1, 4, 9, 19, 39, 79}},
		{"read of the twin", true, func(h *hub, fail func() error) { h.read = fail },
			[]float64{0, 2.5, 7.5, 17.5, 37.5, 67.5, 97.5, 127.5, 157.5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := Config{Now: time.Now, Log: zap.NewNop(), Rand: func() float64 { return 0 }}
				if test.event {
					config.Events = openEvents(t)
				} else {
					config.Defaults.TelemetrySeconds = 1
				}
				h := newHub(newTwin)
				lock := &settableLock{}
				lock.changed = make(chan struct{}, 1)
				a := New(config, lock, memoryStore(t))

				began := time.Now()
				var attempts []float64
				var endLink context.CancelFunc
				test.setup(h, func() error {
					attempts = append(attempts, time.Since(began).Seconds())
					endLink()
					return errLinkEnded
				})
				for len(attempts) < len(test.attempts) {
					ctx, end := context.WithCancel(t.Context())
					endLink = end
					a.Serve(ctx, h)
				}
				if !slices.Equal(attempts, test.attempts) {
					t.Errorf("attempts at %v s, want %v", attempts, test.attempts)
				}
			})
		})
	}
}
