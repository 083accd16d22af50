package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tier is an edition of IoT Hub with what it allows to jobs, as the public table
// of quotas and throttling has it. What grows with the units is given for one.
type Tier struct {
	Name string
	// A second, jobs call methods of so many devices, or change so many twins: the
	// higher of what the hub has and of what its units have together.
	RateOfHub, RateOfUnit int
	// ActiveJobs run at the same time.
	ActiveJobs int
}

// Tiers are the editions that have jobs.
func Tiers() []Tier {
	return []Tier{
		{"F1", 10, 0, 1},
		{"S1", 10, 0, 1},
		{"S2", 10, 1, 5},
		{"S3", 0, 50, 10},
	}
}

// ParseTier finds a tier by its name.
func ParseTier(name string) (Tier, error) {
	tiers := Tiers()
	i := slices.IndexFunc(tiers, func(t Tier) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return Tier{}, fmt.Errorf("tier %q: want F1, S1, S2 or S3; the basic tiers have no jobs", name)
	}
	return tiers[i], nil
}

// Rate is how many devices a second the jobs of a hub with so many units reach.
func (t Tier) Rate(units int) int { return max(t.RateOfHub, t.RateOfUnit*units) }

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
