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

// TestRetryWhileUnavailable: a hub that is busy is waited for without end, one that is away for a
// while, and what will not pass is an error at once.
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
		errs  []error // the last is nil, or what is tried for ever
		want  error
		tries int
		told  int
	}{
		{"it works", []error{nil}, nil, 1, 0},
		{"what will not pass", []error{wrong}, wrong, 1, 0},
		{"as many jobs as it takes", append(repeat(full, 500), nil), nil, 501, 1},
		{"too many requests", append(repeat(busy, 500), nil), nil, 501, 1},
		{"away, and back", append(repeat(away, 20), nil), nil, 21, 1},
		{"away for good", repeat(away, 1000), watch.ErrTimeout, 24, 1}, // 1+2+4+8 s, and then 15 s each until five minutes are over
		{"away, busy, away", append(append(repeat(away, 20), busy), append(repeat(away, 20), nil)...), nil, 42, 3},
		{"back, with an error", []error{away, wrong}, wrong, 2, 1},
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

// A person who interrupts is not kept waiting.
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
