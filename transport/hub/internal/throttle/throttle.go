package throttle

import (
	"math"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// maxDelay is the longest wait of a device-to-cloud message. A message that would have
// to wait longer is refused.
const maxDelay = 10 * time.Second

// Throttle applies the limits of a tier to the hub's operations. A nil Throttle has no
// limits. Its methods may be called concurrently.
type Throttle struct {
	tier  iothub.Tier
	rates [numberOfKinds]iothub.Rate
	units int
	now   func() time.Time

	mu      sync.Mutex
	buckets [numberOfKinds]bucket
}

// New returns a Throttle for a hub with the given tier and number of units. Its buckets
// start full.
func New(tier iothub.Tier, units int, now func() time.Time) *Throttle {
	t := &Throttle{tier: tier, rates: rates(tier), units: units, now: now}

	for kind := range t.buckets {
		perSecond := t.rates[kind].PerSecond(units)
		size := 60 * perSecond
		if Kind(kind) == JobDevices {
			size = perSecond
		}
		t.buckets[kind] = bucket{rate: perSecond, size: size, tokens: size, updated: now()}
	}
	return t
}

// Take allows n operations, or refuses all of them with ThrottlingException.
func (t *Throttle) Take(kind Kind, n int) error {
	if t == nil {
		return nil
	}
	if wait := t.reserve(kind, n, 0); wait > 0 {
		return t.refusal(kind, wait)
	}
	return nil
}

// Delay allows one operation and returns how long the caller must wait before it starts
// the operation. If the wait would be longer than 10 s, Delay refuses the operation.
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

// TakeSome allows as many of n operations as the limit permits now. It returns the
// number of allowed operations.
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

// Until returns the time until TakeSome can allow another operation.
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

// ActiveJobs returns the maximum number of jobs that may be active at the same time. 0
// means no limit.
func (t *Throttle) ActiveJobs() int {
	if t == nil {
		return 0
	}
	return t.tier.ActiveJobs
}

// reserve returns the time until n tokens are available. It takes the tokens if that
// time is at most maxWait.
func (t *Throttle) reserve(kind Kind, n int, maxWait time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()

	b := &t.buckets[kind]
	b.fill(t.now())
	wait := b.wait(float64(n))
	if wait <= maxWait {
		b.tokens -= float64(n)
	}
	return wait
}

// refusal returns the error that refuses an operation and asks the client to try again
// after the duration wait.
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

	err := iothub.Errorf(iothub.CodeThrottling, "a hub of tier %s with %d %s allows %g %s a %s: try again in %d s",
		t.tier.Name, t.units, units, rate.Limit(t.units), kindNames[kind], period, int(math.Ceil(wait.Seconds())))
	err.RetryAfter = wait
	return err
}
