package throttle

import (
	"math"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// maxDelay is how long a device's message may wait before it is refused.
const maxDelay = 10 * time.Second

// Throttle keeps account of what was done. A nil Throttle bounds nothing. Its
// methods can be called from any goroutine.
type Throttle struct {
	tier  iothub.Tier
	rates [numberOfKinds]iothub.Rate
	units int
	now   func() time.Time

	mu      sync.Mutex
	buckets [numberOfKinds]bucket
}

// New makes a Throttle for a tier with a number of units; its buckets are full.
func New(tier iothub.Tier, units int, now func() time.Time) *Throttle {
	t := &Throttle{tier: tier, rates: rates(tier), units: units, now: now}
	for kind := range t.buckets {
		perSecond := t.rates[kind].PerSecond(units)
		size := 60 * perSecond
		if Kind(kind) == JobDevices {
			size = perSecond // a job is paced from its beginning
		}
		t.buckets[kind] = bucket{rate: perSecond, size: size, tokens: size, at: now()}
	}
	return t
}

// Take lets n operations be done, or refuses them all with ThrottlingException.
func (t *Throttle) Take(kind Kind, n int) error {
	if t == nil {
		return nil
	}
	if wait := t.reserve(kind, n, 0); wait > 0 {
		return t.refusal(kind, wait)
	}
	return nil
}

// Delay lets one operation be done after a delay, which the caller has to wait,
// or refuses it if that would be long.
func (t *Throttle) Delay(kind Kind) (time.Duration, error) {
	if t == nil {
		return 0, nil
	}
	wait := t.reserve(kind, 1, maxDelay)
	if wait > maxDelay {
		return 0, t.refusal(kind, wait)
	}
	return wait, nil
}

// TakeSome lets as many of n operations be done as may be now.
func (t *Throttle) TakeSome(kind Kind, n int) int {
	if t == nil {
		return n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &t.buckets[kind]
	b.fill(t.now())
	n = max(0, min(n, int(b.tokens+rounding)))
	b.tokens -= float64(n)
	return n
}

// Until returns how long it is until TakeSome lets one be done.
func (t *Throttle) Until(kind Kind) time.Duration {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &t.buckets[kind]
	b.fill(t.now())
	return b.wait(1)
}

// ActiveJobs is how many jobs can be active at a time; 0: any number.
func (t *Throttle) ActiveJobs() int {
	if t == nil {
		return 0
	}
	return t.tier.ActiveJobs
}

// reserve takes n tokens, unless they are further away than most. It returns how
// far away they are.
func (t *Throttle) reserve(kind Kind, n int, most time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &t.buckets[kind]
	b.fill(t.now())
	wait := b.wait(float64(n))
	if wait <= most {
		b.tokens -= float64(n)
	}
	return wait
}

func (t *Throttle) refusal(kind Kind, wait time.Duration) error {
	rate := t.rates[kind]
	period := "second"
	if rate.Period == time.Minute {
		period = "minute"
	}
	units := "units"
	if t.units == 1 {
		units = "unit"
	}
	err := iothub.Errorf(iothub.CodeThrottling, "a hub of tier %s with %d %s allows %g %s a %s, try again in %d s",
		t.tier.Name, t.units, units, rate.Limit(t.units), kindNames[kind], period, int(math.Ceil(wait.Seconds())))
	err.RetryAfter = wait
	return err
}

// rounding is what sums of fractions may leave of a token.
const rounding = 1e-9

// bucket holds what may be done now. It may be in debt.
type bucket struct {
	rate   float64 // tokens that come in a second
	size   float64 // tokens at most
	tokens float64
	at     time.Time // when tokens was right
}

func (b *bucket) fill(now time.Time) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(b.size, b.tokens+passed*b.rate)
	}
	b.at = now // also if the clock was set back
}

// wait returns how long it is until there are n tokens. More than the bucket
// holds are there when it is full.
func (b *bucket) wait(n float64) time.Duration {
	missing := min(n, b.size) - b.tokens
	if missing <= rounding {
		return 0
	}
	return time.Duration(math.Ceil(missing / b.rate * float64(time.Second)))
}
