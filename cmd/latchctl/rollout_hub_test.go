package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// TestRetryWhileUnavailable checks how long latchctl retries: without limit for a busy
// or full hub, for a limited time for a hub that cannot be reached, and not at all
// after any other error.
func TestRetryWhileUnavailable(t *testing.T) {
	full := iothub.Errorf(iothub.CodeTooManyJobs, "full")
	busy := iothub.Errorf(iothub.CodeThrottling, "busy")
	away := fmt.Errorf("away: %w", &rest.NetworkError{Kind: rest.Unreachable})
	wrong := iothub.Errorf(iothub.CodeArgumentInvalid, "wrong")
	repeat := func(err error, n int) (errs []error) {
		for range n {
			errs = append(errs, err)
		}
		return errs
	}
	for _, tt := range []struct {
		name  string
		errs  []error // the error of each attempt, in order
		want  error
		tries int
		told  int // the number of notes that latchctl prints
	}{
		{"success", []error{nil}, nil, 1, 0},
		{"any other error", []error{wrong}, wrong, 1, 0},
		{"too many active jobs", append(repeat(full, 500), nil), nil, 501, 1},
		{"too many requests", append(repeat(busy, 500), nil), nil, 501, 1},
		{"unreachable, then back", append(repeat(away, 20), nil), nil, 21, 1},
		{"unreachable for good", repeat(away, 1000), watch.ErrTimeout, 24, 1}, // pauses of 1+2+4+8 s, then of 15 s until five minutes are over
		{"unreachable, busy, unreachable", append(append(repeat(away, 20), busy), append(repeat(away, 20), nil)...), nil, 42, 3},
		{"unreachable, then any other error", []error{away, wrong}, wrong, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var notes bytes.Buffer
			now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			a := &app{errOut: &notes, now: func() time.Time { return now }, sleep: func(_ context.Context, d time.Duration) error {
				now = now.Add(d)
				return nil
			}}
			tries := 0
			err := a.retryWhileUnavailable(t.Context(), func() error {
				tries++
				return tt.errs[tries-1]
			})
			if !errors.Is(err, tt.want) || tries != tt.tries || strings.Count(notes.String(), "\n") != tt.told {
				t.Errorf("%v after %d tries, told:\n%s", err, tries, notes.String())
			}
		})
	}
}

// TestRetryWhileUnavailableIsInterrupted checks that Ctrl-C ends the retries at once.
func TestRetryWhileUnavailableIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var notes bytes.Buffer
	a := &app{errOut: &notes, now: time.Now, sleep: sleep}
	err := a.retryWhileUnavailable(ctx, func() error {
		cancel()
		return iothub.Errorf(iothub.CodeTooManyJobs, "full")
	})
	if err == nil {
		t.Error("no error")
	}
}
