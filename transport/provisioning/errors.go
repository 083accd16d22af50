package provisioning

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Reason tells why the service does not assign a hub.
type Reason string

// The reasons.
const (
	Unauthorized Reason = "unauthorized" // it does not believe that the device is who it says
	NotEnrolled  Reason = "not-enrolled" // it knows no such device, or no such ID scope
	Disabled     Reason = "disabled"     // the device's enrolment is switched off
	Failed       Reason = "failed"       // it could not assign: no hub, or a custom allocation said no
	BadRequest   Reason = "bad-request"  // it does not take what was asked
	Throttled    Reason = "throttled"    // too many ask
	Unavailable  Reason = "unavailable"  // it is not well
)

// Error is the answer of a service that assigns no hub.
type Error struct {
	Reason  Reason
	Message string
	// After is how long the service wants to be left alone; 0 if it does not say.
	After time.Duration
}

func (e *Error) Error() string { return e.Message }

// Refused reports whether asking again soon will hardly help.
func (e *Error) Refused() bool { return e.Reason != Throttled && e.Reason != Unavailable }

// RetryAfter returns how long the service wants to be left alone.
func (e *Error) RetryAfter() time.Duration { return e.After }

// later reports whether to ask again on the same connection, if ctx gives the
// time that the service wants.
func (e *Error) later(ctx context.Context) bool {
	if e.Refused() {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > e.After
}

// loginError says what a CONNACK other than welcome means.
func (o Options) loginError(address string, code byte) error {
	e := &Error{Reason: Unauthorized}
	switch code {
	case packets.ErrRefusedServerUnavailable:
		e.Reason, e.Message = Unavailable, "it is not available at the moment"
	case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
		e.Message = o.unauthorized()
	default:
		e.Reason = BadRequest
		e.Message = fmt.Sprintf("it refused the connection with the code %d; check that the address is a provisioning service's", code)
	}
	e.Message = fmt.Sprintf("provisioning service at %s: %s", address, e.Message)
	return e
}

func (o Options) unauthorized() string {
	proof := "key"
	if o.Certificate != nil {
		proof = "certificate"
	}
	return fmt.Sprintf("it refused the login of %q as not authorized; check the registration id, its %s and the ID scope %s, "+
		"that it is enrolled and enabled, and this computer's clock (%s)", o.RegistrationID, proof, o.IDScope, o.now().UTC().Format(time.RFC3339))
}

// refusal returns what an answer has against an assignment, now or ever; nil if
// it is made or in the making.
func (o Options) refusal(address string, r response) *Error {
	e := &Error{After: r.retryAfter}
	said := strings.TrimSuffix(r.body.Message, ".")
	state := strings.ToLower(r.body.Status)
	switch {
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		e.Reason, e.Message = Unauthorized, o.unauthorized()
	case r.status == http.StatusNotFound:
		e.Reason = NotEnrolled
		e.Message = fmt.Sprintf("it knows no %q in the ID scope %s; enrol the device, or check both", o.RegistrationID, o.IDScope)
	case r.status == http.StatusTooManyRequests:
		e.Reason, e.Message = Throttled, "too many devices ask it at the moment"
	case r.status >= 500:
		e.Reason, e.Message = Unavailable, fmt.Sprintf("it answers %d", r.status)
	case r.status >= 300:
		e.Reason, e.Message = BadRequest, fmt.Sprintf("it does not take the registration of %q (%d)", o.RegistrationID, r.status)
	case state == "disabled":
		e.Reason, e.Message = Disabled, fmt.Sprintf("the enrolment of %q is disabled; enable it", o.RegistrationID)
	case state == "failed":
		e.Reason, e.Message = Failed, fmt.Sprintf("it could not assign a hub to %q", o.RegistrationID)
		said = strings.TrimSuffix(r.body.State.ErrorMessage, ".")
		r.body.ErrorCode = r.body.State.ErrorCode
	default:
		return nil
	}
	if said != "" {
		e.Message += fmt.Sprintf(": it says %q", said)
	}
	if r.body.ErrorCode != 0 {
		e.Message += fmt.Sprintf(" (code %d)", r.body.ErrorCode)
	}
	e.Message = fmt.Sprintf("provisioning service at %s: %s", address, e.Message)
	return e
}
