package rollout

import "time"

// jobOverhead is the time that latchctl and the hub need for each job in addition to
// the calls: to create it, to start it, to notice its end and to read its rows.
const jobOverhead = time.Second

// Estimate is the minimum duration of a rollout.
type Estimate struct {
	Calls time.Duration // time to call the devices; 0 if the hub's rate is not known
	Soak  time.Duration // time to wait between the waves
}

// Total returns the sum of both times: calls and soak times.
func (e Estimate) Total() time.Duration { return e.Calls + e.Soak }

// Estimate returns the minimum duration of the rest of a rollout. rate is the number of
// devices that the hub calls per second. If rate is 0, the estimate covers only the
// soak times (the waits between the waves). Devices that do not answer, and other jobs
// on the hub, make the rollout longer.
func (r Rollout) Estimate(rate int) Estimate {
	var e Estimate
	rest := r.clone()

	for i := rest.CurrentWave(); i < len(rest.Waves); i = rest.CurrentWave() {
		for _, j := range rest.Waves[i].Jobs {
			if !j.Ended && rate > 0 {
				e.Calls += time.Duration(len(j.Devices))*time.Second/time.Duration(rate) + jobOverhead
			}
		}
		if rest.soaks() {
			e.Soak += time.Duration(r.Rules.Soak) * time.Second
		}
		rest.Waves[i].Passed = true
	}

	return e
}
