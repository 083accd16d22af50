package provisioning

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/logtext"
)

// Reason says why the provisioning service did not assign a hub to the device.
type Reason string

// The reasons why the provisioning service did not assign a hub.
const (
	Unauthorized Reason = "unauthorized" // the service does not accept the device's key or certificate
	NotEnrolled  Reason = "not-enrolled" // the service does not know the device or the ID scope
	Disabled     Reason = "disabled"     // the device's enrollment is disabled
	Failed       Reason = "failed"       // the service has no hub to assign, or its custom allocation failed
	BadRequest   Reason = "bad-request"  // the request is invalid
	Throttled    Reason = "throttled"    // the service receives too many requests
	Unavailable  Reason = "unavailable"  // the service has an internal problem
	Conflict     Reason = "conflict"     // another request or another device is in the way; that may change
	// InvalidAnswer means that the service did not follow the protocol, or that it
	// assigned a hub or a device id that cannot exist. The next answer will probably be
	// the same, so the device asks as rarely as after a refusal.
	InvalidAnswer Reason = "invalid-answer"
)

// Error is a provisioning service's answer that does not assign a hub to the device.
type Error struct {
	Reason  Reason
	Message string
	After   time.Duration // how long the service asks the device to wait; 0 if it asks for no wait
}

func (e *Error) Error() string { return e.Message }

// Refused reports whether the service refused the device. The same request will then
// probably fail again.
func (e *Error) Refused() bool {
	return e.Reason != Throttled && e.Reason != Unavailable && e.Reason != Conflict
}

// RetryAfter returns how long the service asks the device to wait, or 0 if it asks for
// no wait.
func (e *Error) RetryAfter() time.Duration { return e.After }

// retryable reports whether the device can repeat the request on the same connection.
// That requires a temporary error, and a wait that ends before the deadline of ctx.
func (e *Error) retryable(ctx context.Context) bool {
	if e.Refused() || e.Reason == Conflict { // a conflict may need a person, who must see the reason soon
		return false
	}

	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > e.After
}

// loginError returns the error for a login that the service refused. code is the return
// code of the MQTT CONNACK.
func (o Options) loginError(address string, code byte) error {
	e := &Error{Reason: Unauthorized}

	switch code {
	case packets.ErrRefusedServerUnavailable:
		e.Reason, e.Message = Unavailable, "it is temporarily unavailable"
	case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
		e.Message = o.unauthorized()
	default:
		e.Reason = BadRequest
		e.Message = fmt.Sprintf("it refused the connection with code %d; check that the address belongs to a provisioning service", code)
	}

	e.Message = fmt.Sprintf("provisioning service at %s: %s", address, e.Message)
	return e
}

// unexpectedError says how an answer of the service differs from the protocol.
type unexpectedError string

func (e unexpectedError) Error() string { return string(e) }

// invalidAnswer returns the error for an answer that does not follow the protocol, or
// that names an impossible hub or device.
func invalidAnswer(address, problem string) *Error {
	return &Error{Reason: InvalidAnswer, Message: fmt.Sprintf("provisioning service at %s: %s; check that the address belongs to a provisioning service, "+
		"and what the service assigns to the device", address, problem)}
}

// unauthorized returns the error text for a key or certificate that the service
// refused.
func (o Options) unauthorized() string {
	proof := "key"
	if o.Certificate != nil {
		proof = "certificate"
	}

	return fmt.Sprintf("it refused the login of %q as not authorized; check the registration id, its %s and the ID scope %s, "+
		"that the device is enrolled and enabled, and this computer's clock (%s)",
		o.RegistrationID, proof, o.IDScope, o.now().UTC().Format(time.RFC3339))
}

// refusal returns an error if the service's answer assigns no hub. It returns nil if
// the answer assigns a hub or the assignment is in progress.
func (o Options) refusal(address string, r response) *Error {
	e := &Error{After: r.retryAfter}
	detail, code := r.body.Message, r.body.ErrorCode
	state := strings.ToLower(r.body.Status)

	switch {
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		e.Reason, e.Message = Unauthorized, o.unauthorized()
	case r.status == http.StatusNotFound:
		e.Reason = NotEnrolled
		e.Message = fmt.Sprintf("it has no enrollment for %q in the ID scope %s; enroll the device, or check the registration id and the ID scope", o.RegistrationID, o.IDScope)
	case r.status == http.StatusTooManyRequests:
		e.Reason, e.Message = Throttled, "it receives too many requests"
	case r.status == http.StatusConflict:
		e.Reason, e.Message = Conflict, fmt.Sprintf("the registration of %q conflicts with another one", o.RegistrationID)
	case r.status == http.StatusRequestTimeout, r.status >= 500:
		e.Reason, e.Message = Unavailable, fmt.Sprintf("it answered with status %d", r.status)
	case r.status >= 300:
		e.Reason, e.Message = BadRequest, fmt.Sprintf("it refused the registration of %q with status %d", o.RegistrationID, r.status)
	case state == "disabled":
		e.Reason, e.Message = Disabled, fmt.Sprintf("the enrollment of %q is disabled; enable it", o.RegistrationID)
	case state == "failed":
		e.Reason, e.Message = Failed, fmt.Sprintf("it could not assign a hub to %q", o.RegistrationID)
		detail, code = r.body.State.ErrorMessage, r.body.State.ErrorCode
	default:
		return nil
	}

	if detail = strings.TrimSuffix(detail, "."); detail != "" {
		e.Message += fmt.Sprintf(": it says %q", logtext.Cut(detail))
	}
	if code != 0 {
		e.Message += fmt.Sprintf(" (code %d)", code)
	}
	e.Message = fmt.Sprintf("provisioning service at %s: %s", address, e.Message)
	return e
}
