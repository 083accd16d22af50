package rest

import (
	"context"
	"net/http"
	"time"
)

const (
	maxAttempts = 6
	// maxWait bounds all waits of one call together: a hub that asks for more is
	// better reported than waited for in silence.
	maxWait = 2 * time.Minute
	// firstWait is what is waited where the hub does not say; it doubles.
	firstWait = time.Second
)

// repeat sends a request that may safely be sent again: once more for each
// answer of 429 or 503, after the time that the hub asked for.
func (c *Client) repeat(ctx context.Context, r request) (http.Header, error) {
	waits := c.waits()
	for {
		header, err := c.once(ctx, r)
		if err == nil {
			return header, nil
		}
		e, ok := refused(err)
		if !ok || !busy(e.Status) {
			return header, err
		}
		wait, more := waits.next(e.RetryAfter)
		if !more {
			return header, err
		}
		c.onRetry(err, wait)
		if err := c.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func busy(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// waits counts the attempts of one call and says how long to wait between them.
type waits struct {
	attempts int
	total    time.Duration
	jitter   func() float64
}

func (c *Client) waits() *waits { return &waits{attempts: 1, jitter: c.jitter} }

// next returns the wait before the next attempt: at least what was asked, plus
// up to a half more so that many clients do not come back together. It reports
// false once the bounds are reached.
func (w *waits) next(asked time.Duration) (time.Duration, bool) {
	if asked == 0 {
		asked = firstWait << (w.attempts - 1)
	}
	wait := asked + time.Duration(w.jitter()*float64(asked)/2)
	if w.attempts == maxAttempts || w.total+wait > maxWait {
		return 0, false
	}
	w.attempts++
	w.total += wait
	return wait, true
}
