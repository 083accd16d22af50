package rollout

import "time"

// jobOverhead is what a job takes beside its devices: it is taken, started, found
// to have ended, and its rows are read.
const jobOverhead = time.Second

// Estimate is how long a rollout takes at least.
type Estimate struct {
	Calls time.Duration // by the tier's rate; 0 if no tier is known
	Soak  time.Duration
}

// Total is both together.
func (e Estimate) Total() time.Duration { return e.Calls + e.Soak }

// Estimate works out how long what is left of a rollout takes at a rate of devices
// a second, or, at a rate of 0, how long it soaks. Devices that do not answer,
// and other jobs of the hub, come on top.
func (r Rollout) Estimate(rate int) Estimate {
	var e Estimate
	left := r.clone()
	for at := left.At(); at < len(left.Waves); at = left.At() {
		for _, j := range left.Waves[at].Jobs {
			if !j.Ended && rate > 0 {
				e.Calls += time.Duration(len(j.Devices))*time.Second/time.Duration(rate) + jobOverhead
			}
		}
		if left.soaks() {
			e.Soak += time.Duration(r.Rules.Soak) * time.Second
		}
		left.Waves[at].Passed = true
	}
	return e
}
