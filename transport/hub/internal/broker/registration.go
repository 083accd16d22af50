package broker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// Provisioner decides which devices may register themselves with the protocol of the
// Device Provisioning Service. The broker calls its methods concurrently. A slow method
// delays only the device for which it was called.
type Provisioner interface {
	// Admit checks a device's credentials. It returns a Registration for the device, and
	// the time at which the login expires. Its errors have the same meaning as those of
	// Backend.Login.
	Admit(ctx context.Context, login RegistrationLogin) (Registration, time.Time, error)
}

// Registration answers the requests of one device that may register itself.
type Registration interface {
	Register(ctx context.Context, payload []byte) RegistrationAnswer
	Operation(ctx context.Context, operationID string) RegistrationAnswer
}

// RegistrationLogin holds the credentials of a device that wants to register.
type RegistrationLogin struct {
	IDScope        string
	RegistrationID string
	Password       string
	Chain          access.Chain // client certificates of the TLS session, which the broker has not verified
	WebSocket      bool         // the device connected over WebSocket
}

// RegistrationAnswer is the answer to a request of a device that registers.
type RegistrationAnswer struct {
	Status     int
	RetryAfter time.Duration
	Body       []byte
	Err        error // why the request was refused; logged, but not sent to the device
}

const (
	registrationFilter    = "$dps/registrations/res/#"
	registrationRegister  = "$dps/registrations/PUT/iotdps-register/?"
	registrationOperation = "$dps/registrations/GET/iotdps-get-operationstatus/?"

	// On a connection whose device is registering, the deviceID is registrationPrefix
	// followed by the registration id. Such an id differs from every device id, because
	// a device id contains no slash.
	registrationPrefix = "registrations/"
)

// parseRegistrationUser parses the MQTT user name of a device that registers:
// IDSCOPE/registrations/ID/api-version=...
func parseRegistrationUser(user string) (scope, registrationID string, ok bool) {
	parts := strings.SplitN(user, "/", 4)
	if len(parts) != 4 || parts[0] == "" || parts[1] != "registrations" || !strings.HasPrefix(parts[3], "api-version=") {
		return "", "", false
	}
	return parts[0], parts[2], true
}

// parseRegistrationRequest parses the topic of a message from a device that registers.
func parseRegistrationRequest(topic string) (request, error) {
	kind := registerRequest
	query, ok := strings.CutPrefix(topic, registrationRegister)
	if !ok {
		kind = operationRequest
		query, ok = strings.CutPrefix(topic, registrationOperation)
	}
	if !ok {
		return request{}, errors.New("a device that registers may not publish to this topic")
	}

	bag, err := iothub.ParseBag(query)
	if err != nil {
		return request{}, err
	}
	r := request{kind: kind, requestID: written(topic, "$rid")}
	switch {
	case r.requestID == "":
		return request{}, errors.New("the topic has no $rid")
	case len(r.requestID) > maxRequestID:
		return request{}, errRequestID
	}
	r.operationID, _ = bag.Get("operationId")
	return r, nil
}

// isRegistration reports whether the device on this connection is registering.
func (l *link) isRegistration() bool { return strings.HasPrefix(l.deviceID, registrationPrefix) }

// admitRegistration asks the Provisioner whether the device may register.
func (b *Broker) admitRegistration(l *link) (expires time.Time, err error) {
	if b.opts.Provisioner == nil {
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "this hub does not provision devices")
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
		a = l.registration.Operation(b.ctx, r.operationID)
	}
	if a.Err != nil {
		b.remoteLog.Info("refused a registration", zap.String("device_id", l.deviceID),
			zap.Stringer(logtext.Address, l.RemoteAddr()), zap.Int("status", a.Status), zap.Error(a.Err))
	}

	topic := "$dps/registrations/res/" + strconv.Itoa(a.Status) + "/?$rid=" + r.requestID
	if a.RetryAfter > 0 {
		topic += "&retry-after=" + strconv.Itoa(int((a.RetryAfter+time.Second-1)/time.Second))
	}
	if l.subs.has(registrationTopics) {
		b.send(l, topic, a.Body)
	}
}
