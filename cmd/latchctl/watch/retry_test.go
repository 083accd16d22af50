package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// TestRetry checks how long latchctl retries: without limit for a busy
// or full hub, for a limited time for a hub that cannot be reached, and not at all
// after any other error.
func TestRetry(t *testing.T) {
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
		name     string
		patience Patience
		errs     []error // the error of each attempt, in order
		want     error
		tries    int
		told     int // the number of notes
	}{
		{"success", Patient, []error{nil}, nil, 1, 0},
		{"any other error", Patient, []error{wrong}, wrong, 1, 0},
		{"too many active jobs", Patient, append(repeat(full, 500), nil), nil, 501, 1},
		{"too many requests", Patient, append(repeat(busy, 500), nil), nil, 501, 1},
		{"unreachable, then back", Patient, append(repeat(away, 20), nil), nil, 21, 2},
		{"unreachable for good", Patient, repeat(away, 1000), ErrTimeout, 24, 1}, // pauses of 1+2+4+8 s, then of 15 s until five minutes are over
		{"unreachable, busy, unreachable", Patient, append(append(repeat(away, 20), busy), append(repeat(away, 20), nil)...), nil, 42, 5},
		{"no patience for a full hub", Patience{}, repeat(full, 2), full, 1, 0},
		{"ten seconds for a full hub", Patience{Full: 10 * time.Second}, repeat(full, 9), ErrTimeout, 5, 1}, // pauses of 1+2+4+3 s
		{"no patience for an outage", Patience{Full: Forever}, repeat(away, 2), away, 1, 0},
		{"unreachable, then any other error", Patient, []error{away, wrong}, wrong, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var notes bytes.Buffer
			now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			f := Retry{
				Patience: tt.patience,
				Note:     func(text string) { fmt.Fprintln(&notes, text) },
				Now:      func() time.Time { return now },
				Sleep:    func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil },
			}
			tries := 0
			err := f.Do(t.Context(), func() error {
				tries++
				return tt.errs[tries-1]
			})
			if !errors.Is(err, tt.want) || tries != tt.tries || strings.Count(notes.String(), "\n") != tt.told {
				t.Errorf("%v after %d tries, told:\n%s", err, tries, notes.String())
			}
		})
	}
}

// TestRetryIsInterrupted checks that Ctrl-C ends the retries at once.
func TestRetryIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := Retry{Patience: Patient, Now: time.Now}
	err := f.Do(ctx, func() error {
		cancel()
		return iothub.Errorf(iothub.CodeTooManyJobs, "full")
	})
	if err == nil {
		t.Error("no error")
	}
}
