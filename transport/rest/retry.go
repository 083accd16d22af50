package rest

import (
	"context"
	"net/http"
	"time"
)

const (
	maxAttempts = 6
	// maxTotalWait limits the sum of all waits of one call. If the hub asks for a
	// longer wait, the caller gets the hub's refusal at once.
	maxTotalWait = 2 * time.Minute
	// firstWait is the first wait before a repetition, if the hub gives no time. Each
	// further wait is twice as long.
	firstWait = time.Second
)

// repeat sends a request that is safe to repeat. After an answer with the status 429 or
// 503, it waits as long as the hub asks and sends the request again.
func (c *Client) repeat(ctx context.Context, r request) (http.Header, error) {
	retries := c.newRetries()
	for {
		header, err := c.once(ctx, r)
		if err == nil {
			return header, nil
		}

		refusal, ok := refused(err)
		if !ok || !busy(refusal.Status) {
			return header, err
		}
		wait, ok := retries.next(refusal.RetryAfter)
		if !ok {
			return header, err
		}

		c.onRetry(err, wait)
		if err := c.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// busy reports whether the HTTP status means that the hub has too many requests.
func busy(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// retries counts the attempts of one call and computes the waits between them.
type retries struct {
	attempts  int
	totalWait time.Duration
	jitter    func() float64
}

func (c *Client) newRetries() *retries { return &retries{attempts: 1, jitter: c.jitter} }

// next returns the wait before the next attempt: the time that the hub asked for, plus
// a random time of up to half of it. The random time prevents many clients from
// returning at once. next returns false if the call has made too many attempts or
// waited too long.
func (r *retries) next(asked time.Duration) (time.Duration, bool) {
	if asked == 0 {
		asked = firstWait << (r.attempts - 1)
	}
	wait := asked + time.Duration(r.jitter()*float64(asked)/2)

	if r.attempts == maxAttempts || r.totalWait+wait > maxTotalWait {
		return 0, false
	}
	r.attempts++
	r.totalWait += wait
	return wait, true
}
