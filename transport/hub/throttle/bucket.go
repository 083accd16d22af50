package throttle

import (
	"math"
	"time"
)

// rounding is the error, in tokens, that sums of fractions may have.
const rounding = 1e-9

// bucket is a token bucket: it gains rate tokens a second, up to size. The number of
// tokens is negative if operations were allowed that must wait.
type bucket struct {
	rate    float64
	size    float64
	tokens  float64
	updated time.Time // when tokens was computed
}

// fill adds the tokens that came in since the last update. If the clock was set back,
// it adds none and continues from the new time.
func (b *bucket) fill(now time.Time) {
	if passed := now.Sub(b.updated).Seconds(); passed > 0 {
		b.tokens = min(b.size, b.tokens+passed*b.rate)
	}
	b.updated = now
}

// wait returns how long it takes until the bucket has n tokens. If n exceeds the
// bucket's size, a full bucket is enough.
func (b *bucket) wait(n float64) time.Duration {
	missing := min(n, b.size) - b.tokens
	if missing <= rounding {
		return 0
	}
	return time.Duration(math.Ceil(missing / b.rate * float64(time.Second)))
}
