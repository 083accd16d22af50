package throttle

import (
	"math"
	"time"
)

// rounding is the largest rounding error in a bucket's number of tokens.
const rounding = 1e-9

// bucket is a token bucket: it gains rate tokens a second, up to size. A negative
// number of tokens means that operations were allowed in advance and must still wait.
type bucket struct {
	rate    float64
	size    float64
	tokens  float64
	updated time.Time // when the number of tokens was computed
}

// fill adds the tokens that the bucket has gained since the last call. If the clock was
// set back, fill adds no tokens and counts from the new time on.
func (b *bucket) fill(now time.Time) {
	if passed := now.Sub(b.updated).Seconds(); passed > 0 {
		b.tokens = min(b.size, b.tokens+passed*b.rate)
	}
	b.updated = now
}

// wait returns the time until the bucket has n tokens. If n exceeds the bucket's size,
// wait returns the time until the bucket is full.
func (b *bucket) wait(n float64) time.Duration {
	missing := min(n, b.size) - b.tokens
	if missing <= rounding {
		return 0
	}
	return time.Duration(math.Ceil(missing / b.rate * float64(time.Second)))
}
