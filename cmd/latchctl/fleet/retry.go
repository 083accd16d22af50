package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// Patience says how long Retry repeats a request that the hub cannot accept now.
type Patience struct {
	Full   time.Duration // while the hub is at its limit on active jobs
	Outage time.Duration // while the hub cannot be reached; a busy hub is waited for without limit
}

// Forever is the Patience without a limit.
const Forever time.Duration = math.MaxInt64

// Patient waits for a full or busy hub without limit, and for an unreachable hub for
// watch.MaxOutage. It is for work that runs for hours.
var Patient = Patience{Full: Forever, Outage: watch.MaxOutage}

// The pause before Retry repeats a request starts at firstPause and doubles up to
// lastPause.
const (
	firstPause = time.Second
	lastPause  = 15 * time.Second
)

// Retry repeats a request while the hub cannot accept it, and notes each new reason
// once. It returns the error of the request if the error does not allow for a
// repetition, and an error that wraps watch.ErrTimeout if its patience has ended.
func (f *Fleet) Retry(ctx context.Context, p Patience, do func() error) error {
	begin := f.Now()
	var lostSince time.Time // time at which the hub became unreachable; zero while it can be reached
	lastNote := ""

	for pause := firstPause; ; pause = min(pause*2, lastPause) {
		err := do()
		full := IsFull(err)
		if err == nil || ctx.Err() != nil || full && p.Full == 0 || !full && (p.Outage == 0 || !watch.Retryable(err)) {
			return err
		}

		now := f.Now()
		left := Forever
		note := err.Error()
		switch {
		case full:
			lostSince = time.Time{}
			note = "the hub has reached its limit on active jobs; waiting until a job has ended"
			if p.Full != Forever {
				left = p.Full - now.Sub(begin)
				note = fmt.Sprintf("the hub has reached its limit on active jobs; waiting up to %s until a job has ended", words.Duration(p.Full))
			}
		case HasStatus(err, 429):
			lostSince = time.Time{}
		case lostSince.IsZero():
			lostSince = now
		case now.Sub(lostSince) >= p.Outage:
			return fmt.Errorf("%w: the hub was unavailable for %s: %w", watch.ErrTimeout, words.Duration(p.Outage), err)
		}

		if left <= 0 {
			return fmt.Errorf("%w: nothing was scheduled: the hub was at its limit on active jobs for %s: %w", watch.ErrTimeout, words.Duration(p.Full), err)
		}
		if note != lastNote {
			f.Note("note: %s", note)
			lastNote = note
		}
		if err := f.Sleep(ctx, min(pause, left)); err != nil {
			return err
		}
	}
}

// IsFull reports whether the hub refused a job because too many other jobs are active.
// It returns false if the answer to an earlier attempt was lost, because one of the
// active jobs may then be the job itself.
func IsFull(err error) bool {
	refusal, ok := errors.AsType[*iothub.Error](err)
	if !ok {
		return false
	}
	if _, lost := errors.AsType[*rest.NetworkError](err); lost {
		return false
	}

	return refusal.Code == iothub.CodeTooManyJobs || refusal.Code == iothub.CodeJobQuotaExceeded
}
