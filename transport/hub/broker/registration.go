package broker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/iothub"
)

// Provisioner decides which devices may register. Its methods are called from
// many links at once and may block, as those of Backend.
type Provisioner interface {
	// Admit decides on a device's credentials, as Backend.Login does.
	Admit(ctx context.Context, login RegistrationLogin) (Registration, time.Time, error)
}

// Registration is a device that was admitted to register.
type Registration interface {
	Register(ctx context.Context, payload []byte) RegistrationAnswer
	Operation(ctx context.Context, operationID string) RegistrationAnswer
}

// RegistrationLogin is what a device presents when it comes to register.
type RegistrationLogin struct {
	IDScope        string
	RegistrationID string
	Password       string
	Shown          access.Shown // as in Login
	WebSocket      bool         // it came by WebSocket
}

// RegistrationAnswer is what a device is told. Err, for the log, is why it was refused.
type RegistrationAnswer struct {
	Status     int
	RetryAfter time.Duration
	Body       []byte
	Err        error
}

const (
	registrationFilter    = "$dps/registrations/res/#"
	registrationRegister  = "$dps/registrations/PUT/iotdps-register/?"
	registrationOperation = "$dps/registrations/GET/iotdps-get-operationstatus/?"

	// registrationPrefix makes a link's name out of a registration id. No device
	// has it: an id has no slash.
	registrationPrefix = "registrations/"
)

// parseRegistrationUser reads the user name of a device that comes to register:
// IDSCOPE/registrations/ID/api-version=...
func parseRegistrationUser(user string) (scope, registrationID string, ok bool) {
	parts := strings.SplitN(user, "/", 4)
	if len(parts) != 4 || parts[0] == "" || parts[1] != "registrations" || !strings.HasPrefix(parts[3], "api-version=") {
		return "", "", false
	}
	return parts[0], parts[2], true
}

// parseRegistrationRequest reads the topic of a packet that such a device published.
func parseRegistrationRequest(topic string) (request, error) {
	kind := registerRequest
	query, ok := strings.CutPrefix(topic, registrationRegister)
	if !ok {
		kind = operationRequest
		query, ok = strings.CutPrefix(topic, registrationOperation)
	}
	if !ok {
		return request{}, errors.New("topic: it is none of those that a device that registers can publish to")
	}
	bag, err := iothub.ParseBag(query)
	if err != nil {
		return request{}, err
	}
	r := request{kind: kind, rid: writtenRequestID(topic)}
	if r.rid == "" {
		return request{}, errors.New("topic: $rid is missing")
	}
	r.operation, _ = bag.Get("operationId")
	return r, nil
}

// isRegistration reports whether the link is of a device that registers.
func (l *link) isRegistration() bool { return strings.HasPrefix(l.deviceID, registrationPrefix) }

// admit asks the provisioner to let the link in.
func (b *Broker) admit(l *link) (expires time.Time, err error) {
	if b.opts.Provisioner == nil {
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "nothing is provisioned here")
	}
	l.registration, expires, err = b.opts.Provisioner.Admit(b.ctx, l.registrationLogin)
	l.registrationLogin = RegistrationLogin{}
	return expires, err
}

// handleRegistration answers a request of a device that registers.
func (b *Broker) handleRegistration(l *link, r request, payload []byte) {
	var a RegistrationAnswer
	if r.kind == registerRequest {
		a = l.registration.Register(b.ctx, payload)
	} else {
		a = l.registration.Operation(b.ctx, r.operation)
	}
	if a.Err != nil {
		b.log.Info("registration refused", zap.String("device", l.deviceID), zap.Int("status", a.Status), zap.Error(a.Err))
	}
	topic := "$dps/registrations/res/" + strconv.Itoa(a.Status) + "/?$rid=" + r.rid
	if a.RetryAfter > 0 {
		topic += "&retry-after=" + strconv.Itoa(int((a.RetryAfter+time.Second-1)/time.Second))
	}
	if l.subs.has(registrationAnswers) {
		b.send(l, topic, a.Body)
	}
}
