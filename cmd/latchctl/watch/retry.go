package watch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// MaxOutage is the time for which latchctl waits for a hub that it cannot reach.
const MaxOutage = 5 * time.Minute

// Forever is a Patience without a limit.
const Forever time.Duration = math.MaxInt64

// Patience says how long Retry repeats a request that the hub cannot accept now.
type Patience struct {
	Full   time.Duration // while the hub is at its limit on active jobs
	Outage time.Duration // while the hub cannot be reached; a busy hub is waited for without limit
}

// Patient waits for a full or busy hub without limit, and for an unreachable hub for
// MaxOutage. It is for work that runs for hours.
var Patient = Patience{Full: Forever, Outage: MaxOutage}

// The pause before Retry repeats a request starts at firstPause and doubles up to
// lastPause.
const (
	firstPause = time.Second
	lastPause  = 15 * time.Second
)

// Retry repeats requests that are safe to repeat. All of latchctl uses it.
type Retry struct {
	Patience
	Now       func() time.Time
	Sleep     func(context.Context, time.Duration) error
	Note      func(string) // receives each reason to wait once, and a message when an outage ends
	Meanwhile string       // what continues during an outage, for a note; may be empty
}

// Do calls do until it succeeds. It returns the error of do if the error does not allow
// for a repetition, and an error that wraps ErrTimeout if the patience has ended.
func (r Retry) Do(ctx context.Context, do func() error) error {
	begin := r.Now()
	var lostSince time.Time // time at which the hub became unreachable; zero while it can be reached
	lastNote := ""

	for pause := firstPause; ; pause = min(pause*2, lastPause) {
		err := do()
		now := r.Now()
		full := IsFull(err)
		if !lostSince.IsZero() && (err == nil || full || isBusy(err)) {
			r.Note("note: the hub answers again, after " + words.Duration(now.Sub(lostSince).Round(time.Second)))
			lostSince, lastNote = time.Time{}, ""
		}
		if err == nil || ctx.Err() != nil || !r.mayRepeat(err) {
			return err
		}

		left, note := Forever, err.Error()
		switch {
		case full:
			left, note = r.waitForJobs(now.Sub(begin))
		case isBusy(err):
		case lostSince.IsZero():
			lostSince, note = now, r.outageNote(err)
		case now.Sub(lostSince) >= r.Outage:
			return fmt.Errorf("%w: the hub was unavailable for %s: %w", ErrTimeout, words.Duration(r.Outage), err)
		default:
			note = lastNote // the user knows of the outage
		}
		if left <= 0 {
			return fmt.Errorf("%w: nothing was scheduled: the hub was at its limit on active jobs for %s: %w", ErrTimeout, words.Duration(r.Full), err)
		}

		if note != lastNote {
			r.Note("note: " + note)
			lastNote = note
		}
		if err := r.Sleep(ctx, min(pause, left)); err != nil {
			return err
		}
	}
}

// mayRepeat reports whether the policy allows to repeat a request after an error.
func (r Retry) mayRepeat(err error) bool {
	if IsFull(err) {
		return r.Full > 0
	}

	return r.Outage > 0 && Retryable(err)
}

// waitForJobs returns the time that is left to wait for a hub at its limit on active jobs,
// and a note about it.
func (r Retry) waitForJobs(passed time.Duration) (left time.Duration, note string) {
	if r.Full == Forever {
		return Forever, "the hub has reached its limit on active jobs; waiting until a job has ended"
	}

	return r.Full - passed, fmt.Sprintf("the hub has reached its limit on active jobs; waiting up to %s until a job has ended", words.Duration(r.Full))
}

func (r Retry) outageNote(err error) string {
	note := err.Error()
	if r.Meanwhile != "" {
		note += "; " + r.Meanwhile
	}

	return note + "; retrying for " + words.Duration(r.Outage)
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

// isBusy reports whether the hub throttled a request.
func isBusy(err error) bool {
	refusal, ok := errors.AsType[*iothub.Error](err)
	return ok && refusal.Status == http.StatusTooManyRequests
}

// Retryable reports whether a failed request may succeed later, because the hub was
// unreachable, throttled the request, or had an internal error.
func Retryable(err error) bool {
	if e, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err); ok {
		return e.Temporary()
	}

	refusal, ok := errors.AsType[*iothub.Error](err)
	return ok && (refusal.Status == http.StatusTooManyRequests || refusal.Status >= http.StatusInternalServerError)
}
