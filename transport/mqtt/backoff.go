package mqtt

import "time"

const (
	firstDelay   = time.Second
	firstRefused = 20 * time.Second
	longestDelay = time.Minute
	stableAfter  = time.Minute
	maxDoublings = 6 // firstDelay doubled so often is above longestDelay
)

// backoff returns how long to wait after the given number of failures in a row
// before the last one. Full jitter: from 0 up to a ceiling that doubles from 1 s
// to 60 s. A refused login will hardly be accepted a second later, and a hub
// counts such attempts: its ceiling goes from 20 s to 60 s, and at least half
// of it is waited.
func backoff(failures int, refused bool, random float64) time.Duration {
	doublings := min(failures, maxDoublings)
	if refused {
		ceiling := min(firstRefused<<doublings, longestDelay)
		return ceiling/2 + time.Duration(random*float64(ceiling/2))
	}
	return time.Duration(random * float64(min(firstDelay<<doublings, longestDelay)))
}
