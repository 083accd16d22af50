package actuator

import (
	"fmt"
	"time"
)

// The part of the state machine that ends what it has energised.

// energised is the line of Pulse or Dual that is energised.
type energised struct {
	on           bool
	since, until time.Duration
	ended        time.Duration // when the pulse before was ended
	hasEnded     bool          // ended is valid
}

// idleRetry is how long after a line that could not be let go it is tried again.
const idleRetry = 200 * time.Millisecond

// energise sets when what is or is about to be energised ends. A pulse of Pulse
// that is made longer still ends within the longest time since its begin.
func (s state) energise(set settings, duration time.Duration, at moment) state {
	if !s.energised.on {
		s.energised = energised{on: true, since: at.uptime}
	}
	s.energised.until = at.uptime + duration
	if set.mode == Pulse {
		s.energised.until = min(s.energised.until, s.energised.since+set.maxEnergised)
	}
	return s
}

// endEnergised ends what is energised. If that fails it has been energised since it
// was, or perhaps since now.
func (s state) endEnergised(at moment) state {
	e := energised{since: at.uptime, ended: at.uptime, hasEnded: s.energised.on}
	if s.energised.on {
		e.since = s.energised.since
	}
	s.energised = e
	return s
}

// endPulse lets go what is energised. In Dual the bolt stays where it is, or goes
// on its way; in Pulse the strike locks by itself.
func (s state) endPulse(set settings, at moment) (state, []action) {
	if set.mode == Dual {
		s.energised = energised{}
		return s, []action{idle{}}
	}
	var jammed, ended []action
	if s.motion != nil && s.motion.target == Unlocked {
		s, jammed = s.jam(fmt.Sprintf("the bolt sensor did not say unlocked in the %s of the pulse",
			(at.uptime-s.energised.since).Round(time.Millisecond)), at)
	}
	fault := s.fault
	s, ended = s.drive(set, Locked, nil, at)
	s.motion.unasked, s.fault = true, fault // what went wrong before is still to be seen
	return s, append(ended, jammed...)
}

func (s state) onIdled(set settings, err error, at moment) (state, []action) {
	switch {
	case err == nil:
		s.keeping = relock{}
	case isLost(err):
		return s.unavailable(err).lost(set, at)
	default:
		s = s.unavailable(err)
		s.energised = energised{on: true, since: at.uptime, until: at.uptime + idleRetry}
	}
	return s, nil
}
