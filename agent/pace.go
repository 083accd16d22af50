package agent

import (
	"sync"
	"time"
)

// pace says how long the agent must wait before it repeats a request of one kind that
// the hub may refuse, ignore, or answer by closing the connection. The wait grows with
// each consecutive failure and continues across links. So a request that ends the link
// costs little: until the agent repeats it, methods and all other requests use the next
// link.
//
// A pace uses the monotonic clock, because the computer's clock can be set at any time.
type pace struct {
	longest time.Duration // maximum wait
	random  func() float64

	mu       sync.Mutex
	failures int       // number of failures since the last success
	doubled  int       // how often the next wait is doubled
	last     time.Time // time of the last failure
	next     time.Time // when the next attempt is due
}

func newPace(longest time.Duration, random func() float64) *pace {
	return &pace{longest: longest, random: random}
}

const (
	// shortestPause is the maximum wait after the first failure. Each further failure
	// doubles the maximum.
	shortestPause = 5 * time.Second
	// recoveredAfter is how long after the last failure a success makes the wait short
	// again. A hub that throttles the device accepts a few requests between two
	// failures.
	recoveredAfter = time.Minute
)

// failed records a failed attempt. It returns the number of failures since the last
// success and the time until the next attempt, which is at least atLeast. Half of the
// wait is random, so that many devices do not repeat their requests at the same moment.
//
// An attempt that fails while the pace already waits was started before the last
// failure and has the same cause. failed does not count it.
func (p *pace) failed(atLeast time.Duration) (failures int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()

	now := time.Now()
	if wait := p.next.Sub(now); wait > 0 {
		return p.failures, wait
	}

	longest := min(shortestPause<<min(p.doubled, 10), p.longest)
	wait = max(atLeast, longest/2+time.Duration(p.random()*float64(longest/2)))
	p.failures++
	p.doubled++
	p.last, p.next = now, now.Add(wait)
	return p.failures, wait
}

// succeeded ends the wait. It returns the number of failures since the previous
// success.
func (p *pace) succeeded() (failures int) {
	p.mu.Lock()
	defer p.mu.Unlock()

	failures = p.failures
	p.failures, p.next = 0, time.Time{}
	if time.Since(p.last) >= recoveredAfter {
		p.doubled = 0
	}
	return failures
}

// pause returns a channel that receives a value when the next attempt is due. It
// returns nil if the attempt is due now.
func (p *pace) pause() <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()

	wait := time.Until(p.next)
	if wait <= 0 {
		return nil
	}
	return time.After(wait)
}
