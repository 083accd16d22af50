package mqtt

import (
	"errors"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/mqtt/dial"
)

// pace is how soon to try again after a failure. The ceiling doubles with each
// failure in a row, up to longestDelay; of it the least share is always waited,
// and chance adds to that.
type pace struct {
	first time.Duration // ceiling
	least float64
}

var (
	// The connection broke, or there was none: as soon as it may be back, spread
	// so that a fleet does not come back together.
	brisk = pace{time.Second, 0}
	// The hub, or the provisioning service, has no time for this device, or is
	// not there by its name: it is given some.
	gentle = pace{10 * time.Second, 0.5}
	// The login was refused, or taken over by another client of the same identity.
	// It will hardly go better a second later, and a hub counts such attempts.
	slow = pace{20 * time.Second, 0.5}
)

const (
	longestDelay = time.Minute
	stableAfter  = time.Minute
	maxDoublings = 6 // any first delay doubled so often is above longestDelay
	// contestedAfter is how many links in a row the hub closes soon after the login
	// until that is taken for the work of another client.
	contestedAfter = 3
)

func (p pace) delay(failures int, random float64) time.Duration {
	ceiling := float64(min(p.first<<min(failures, maxDoublings), longestDelay))
	return time.Duration(ceiling * (p.least + (1-p.least)*random))
}

// paceOf returns the pace that a failed attempt deserves.
func paceOf(err error) pace {
	var login *refusedError
	var other interface{ Refused() bool } // of Options.Locate
	switch {
	case errors.As(err, &login) && login.code == packets.ErrRefusedServerUnavailable:
		return gentle
	case errors.As(err, &login):
		return slow
	case errors.As(err, &other) && other.Refused():
		return slow
	case errors.As(err, &other), dial.NoSuchHost(err):
		return gentle
	}
	return brisk
}

// history is what Run remembers of the attempts before.
type history struct {
	failures  int // in a row
	refusals  int // logins refused, or hubs that are not there, in a row
	closings  int // links that the hub closed soon after the login, in a row
	lastError string
}

// after returns the history with one more attempt, and how long to wait until
// the next one.
func (h history) after(end ending, random float64) (history, time.Duration) {
	if end.renewed {
		return history{}, 0
	}
	p := paceOf(end.err)
	switch {
	case end.linked:
		h.lastError, h.refusals = end.err.Error(), 0
	case p == slow || dial.NoSuchHost(end.err):
		h.refusals++
	default: // that says nothing of whether the hub would take the device
	}
	if end.lasted >= stableAfter {
		h.failures, h.closings = 0, 0
	}
	if end.linked {
		if errors.Is(end.err, errClosedByHub) && end.lasted < stableAfter {
			h.closings++
		} else {
			h.closings = 0
		}
	}
	if h.contested() {
		p = slow
	}
	delay := p.delay(h.failures, random)
	var asked interface{ RetryAfter() time.Duration } // of Options.Locate
	if errors.As(end.err, &asked) {
		delay = max(delay, min(asked.RetryAfter(), longestAsked))
	}
	h.failures++
	return h, delay
}

// longestAsked bounds what is waited because a server asked for it.
const longestAsked = time.Hour

// contested reports whether another client seems to log in as this device. IoT
// Hub closes the older of two such links, and over MQTT 3.1.1 says nothing.
func (h history) contested() bool { return h.closings >= contestedAfter }
