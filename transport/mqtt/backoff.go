package mqtt

import (
	"errors"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/mqtt/dial"
)

// backoff says how long to wait before the next attempt to connect. The longest wait
// doubles after each consecutive failure, up to longestDelay. The actual wait is
// random, from fixed times the longest wait up to the longest wait.
type backoff struct {
	first time.Duration // longest wait after the first failure
	fixed float64       // smallest share of the longest wait, 0 to 1
}

var (
	// afterLoss is the back-off after a connection broke or could not be opened. The
	// network may be back soon, so the first wait is short. The random wait prevents a
	// fleet from connecting all at once.
	afterLoss = backoff{time.Second, 0}
	// afterBusy is the back-off after the hub or the provisioning service had no
	// capacity for the device. It also applies if no server has the hub's name.
	afterBusy = backoff{10 * time.Second, 0.5}
	// afterRefusal is the back-off after the hub refused the login. It also applies if
	// another client uses the same identity. A quick retry would not help, and IoT Hub
	// counts each attempt towards its limit on new connections.
	afterRefusal = backoff{20 * time.Second, 0.5}
)

const (
	longestDelay = time.Minute // longest wait that this program chooses
	longestAsked = time.Hour   // longest wait that a server can ask for
	stableAfter  = time.Minute // a link that lasted this long resets the back-off
	// usefulAfter is how long a link must last so that its end at a request does not
	// count as a failure. The device can use the next link until it repeats the request,
	// and it repeats the request later each time.
	usefulAfter  = 2 * time.Second
	maxDoublings = 6 // enough doublings for every first wait to exceed longestDelay

	// contestedAfter is how many consecutive links the hub must close soon after the
	// login before Run assumes that another client uses the same identity.
	contestedAfter = 3
)

// delay returns the wait before the next attempt. failures is the number of consecutive
// failures before the last one. random is a random number from 0 to 1.
func (b backoff) delay(failures int, random float64) time.Duration {
	longest := float64(min(b.first<<min(failures, maxDoublings), longestDelay))
	return time.Duration(longest * (b.fixed + (1-b.fixed)*random))
}

// backoffFor returns the back-off that suits the error of a failed attempt to connect.
func backoffFor(err error) backoff {
	if refusal, ok := errors.AsType[*refusedError](err); ok {
		if refusal.code == packets.ErrRefusedServerUnavailable {
			return afterBusy
		}
		return afterRefusal
	}

	if locate, ok := errors.AsType[locateError](err); ok {
		if locate.Refused() {
			return afterRefusal
		}
		return afterBusy
	}

	if dial.NoSuchHost(err) {
		return afterBusy
	}
	return afterLoss
}

// locateError is implemented by errors of Options.Locate that say whether the
// provisioning service refused the device.
type locateError interface {
	error
	Refused() bool
}

// retryAfterError is implemented by errors of Options.Locate that carry the time for
// which the provisioning service asked the device to wait.
type retryAfterError interface {
	error
	RetryAfter() time.Duration
}

// history is what Run remembers about its earlier attempts to connect.
type history struct {
	failures  int    // consecutive failed attempts
	refusals  int    // consecutive attempts where the hub refused the login or its name did not exist
	closings  int    // consecutive links that the hub closed soon after the login
	lastError string // why the previous link ended
}

// after adds one attempt to the history. It returns the new history and the wait before
// the next attempt.
func (h history) after(r attemptResult, random float64) (history, time.Duration) {
	if r.renewed {
		return history{}, 0
	}

	b := backoffFor(r.err)
	switch {
	case r.linked:
		h.lastError, h.refusals = r.err.Error(), 0
	case b == afterRefusal || dial.NoSuchHost(r.err):
		h.refusals++
	default: // other failures do not show whether the hub would accept the device
	}

	atRequest := errors.Is(r.err, errRequestClosed)
	switch {
	case r.duration >= stableAfter:
		h.failures, h.closings = 0, 0
	case atRequest && r.duration >= usefulAfter:
		h.failures = 0
	}
	switch {
	case r.linked && errors.Is(r.err, errClosedByHub) && r.duration < stableAfter:
		h.closings++
	case r.linked && !atRequest: // the end at a request says nothing about another client
		h.closings = 0
	}
	if h.contested() {
		b = afterRefusal
	}

	delay := b.delay(h.failures, random)
	if e, ok := errors.AsType[retryAfterError](r.err); ok {
		delay = max(delay, min(e.RetryAfter(), longestAsked))
	}
	h.failures++
	return h, delay
}

// contested reports whether another client seems to log in with the same identity. IoT
// Hub closes the older of two connections with one identity. MQTT 3.1.1 has no message
// that tells the client why, so contested counts quick closings.
func (h history) contested() bool { return h.closings >= contestedAfter }
