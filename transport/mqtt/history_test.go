package mqtt

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// notAssigned is an error that Options.Locate may return.
type notAssigned struct {
	refused bool
	after   time.Duration
}

func (e notAssigned) Error() string             { return "not assigned" }
func (e notAssigned) Refused() bool             { return e.refused }
func (e notAssigned) RetryAfter() time.Duration { return e.after }

// TestHistory checks the wait after each of several attempts to connect. The random
// number is always 0.5.
func TestHistory(t *testing.T) {
	t.Parallel()

	var (
		none     = attemptResult{err: io.EOF}
		lost     = attemptResult{linked: true, err: ErrLinkEnded, duration: time.Second}
		closed   = attemptResult{linked: true, err: fmt.Errorf("hub at x: %w", errClosedByHub), duration: time.Second}
		request  = attemptResult{linked: true, err: errRequestClosed, duration: 3 * time.Second}
		rash     = attemptResult{linked: true, err: errRequestClosed, duration: time.Second}
		old      = attemptResult{linked: true, err: errClosedByHub, duration: time.Minute}
		renewed  = attemptResult{linked: true, renewed: true, duration: time.Second}
		refused  = attemptResult{err: &refusedError{packets.ErrRefusedNotAuthorised, "no"}}
		busy     = attemptResult{err: &refusedError{packets.ErrRefusedServerUnavailable, "not now"}}
		gone     = attemptResult{err: &net.DNSError{IsNotFound: true}}
		noLookUp = attemptResult{err: &net.DNSError{IsTemporary: true}}
	)

	seconds := func(s ...float64) []time.Duration {
		var all []time.Duration
		for _, s := range s {
			all = append(all, time.Duration(s*float64(time.Second)))
		}
		return all
	}

	for _, test := range []struct {
		name     string
		ends     []attemptResult
		want     []time.Duration
		refusals int
	}{
		{"no connection", []attemptResult{none, none, none, none, none, none, none, none}, seconds(0.5, 1, 2, 4, 8, 16, 30, 30), 0},
		{"links that break", []attemptResult{lost, lost, lost, lost, lost, lost}, seconds(0.5, 1, 2, 4, 8, 16), 0},
		{"a stable link between", []attemptResult{none, none, none, old, none}, seconds(0.5, 1, 2, 0.5, 1), 0},
		{"a renewal between", []attemptResult{none, none, none, renewed, none}, seconds(0.5, 1, 2, 0, 0.5), 0},
		{"refused", []attemptResult{refused, refused, refused, refused}, seconds(15, 30, 45, 45), 4},
		{"refused, and no network between", []attemptResult{refused, none, refused}, seconds(15, 1, 45), 2},
		{"refused until a link", []attemptResult{refused, refused, lost}, seconds(15, 30, 2), 0},
		{"hub is busy", []attemptResult{busy, busy, busy, busy}, seconds(7.5, 15, 30, 45), 0},
		{"no such host", []attemptResult{gone, gone, gone, gone}, seconds(7.5, 15, 30, 45), 4},
		{"no look-up", []attemptResult{noLookUp, noLookUp}, seconds(0.5, 1), 0},
		{"taken over again and again", []attemptResult{closed, closed, closed, closed}, seconds(0.5, 1, 45, 45), 0},
		{"taken over after a stable link", []attemptResult{closed, closed, closed, old, closed}, seconds(0.5, 1, 45, 0.5, 1), 0},
		{"closed, but not in a row", []attemptResult{closed, closed, lost, closed, none, closed}, seconds(0.5, 1, 2, 4, 8, 16), 0},
		{"ended by a request that the device repeats later and later", []attemptResult{request, request, request, request, request}, seconds(0.5, 0.5, 0.5, 0.5, 0.5), 0},
		{"ended by a request that the device repeats at once", []attemptResult{rash, rash, rash, rash, rash}, seconds(0.5, 1, 2, 4, 8), 0},
		{"taken over, and ended by a request between", []attemptResult{closed, closed, request, closed}, seconds(0.5, 1, 0.5, 30), 0},
		{"not assigned", []attemptResult{{err: notAssigned{true, 0}}, {err: fmt.Errorf("assign: %w", notAssigned{false, 0})}}, seconds(15, 15), 1},
		{"not assigned for a while", []attemptResult{{err: notAssigned{false, 5 * time.Minute}}, {err: notAssigned{false, 24 * time.Hour}}}, seconds(300, 3600), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var h history
			for i, end := range test.ends {
				var delay time.Duration
				if h, delay = h.after(end, 0.5); delay != test.want[i] {
					t.Errorf("after attempt %d: %s, want %s", i, delay, test.want[i])
				}
			}
			if h.refusals != test.refusals {
				t.Errorf("%d refusals, want %d", h.refusals, test.refusals)
			}
		})
	}
}

// The wait must stay within its limits for any number of failures and any random
// number.
func TestDelayBounds(t *testing.T) {
	t.Parallel()

	for _, p := range []backoff{afterLoss, afterBusy, afterRefusal} {
		for failures := range 1000 {
			for _, random := range []float64{0, 0.999999} {
				d := p.delay(failures, random)
				if least := time.Duration(p.fixed * float64(p.first)); d < least || d > longestDelay {
					t.Fatalf("%v after %d failures, random number %v: %s", p, failures, random, d)
				}
			}
		}
	}

	if !errors.Is(errClosedByHub, ErrLinkEnded) {
		t.Error("errClosedByHub does not match ErrLinkEnded")
	}
}
