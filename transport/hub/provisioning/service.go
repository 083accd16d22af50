package provisioning

import (
	"context"
	"errors"
	"time"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/hub/broker"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

// Service decides who may register, and registers them.
type Service struct {
	store      *store.Store
	now        func() time.Time
	hub        func(webSocket bool) string
	disconnect func(deviceID string)
}

// Options are what a Service needs, all of it.
type Options struct {
	Store *store.Store
	Now   func() time.Time
	// Hub returns the hub's name for devices that come over TLS or by WebSocket.
	Hub func(webSocket bool) string
	// Disconnect ends the link of a device whose credentials have changed.
	Disconnect func(deviceID string)
}

// New makes a Service.
func New(opts Options) *Service {
	return &Service{store: opts.Store, now: opts.Now, hub: opts.Hub, disconnect: opts.Disconnect}
}

// Admit decides whether a device may register: by the enrolment of that device if
// there is one, else by any group whose proof it has. It returns when the proof
// runs out.
func (s *Service) Admit(ctx context.Context, login broker.RegistrationLogin) (broker.Registration, time.Time, error) {
	if login.IDScope != s.store.IDScope() {
		return nil, time.Time{}, unauthorized("the id scope is %q, this hub's is %q", login.IDScope, s.store.IDScope())
	}
	if err := checkID(login.RegistrationID); err != nil {
		return nil, time.Time{}, unauthorized("%v", err)
	}
	candidates, err := s.candidates(ctx, login.RegistrationID)
	if err != nil {
		return nil, time.Time{}, err
	}
	refused := error(unauthorized("no enrolment lets the registration id %q in", login.RegistrationID))
	for _, e := range candidates {
		auth, expires, err := s.attest(e, login)
		if err == nil {
			return &registration{service: s, enrollment: e, login: login, auth: auth}, expires, nil
		}
		if e.GroupID == "" {
			refused = err
		}
	}
	return nil, time.Time{}, refused
}

func (s *Service) candidates(ctx context.Context, registrationID string) ([]Enrollment, error) {
	one, err := s.Get(ctx, false, registrationID)
	if errors.Is(err, &iothub.Error{Code: iothub.CodeNotFound}) {
		return s.List(ctx, true)
	}
	return []Enrollment{one}, err
}

// attest checks a device's proof against an enrolment, and returns the
// credentials by which it is to log in to the hub.
func (s *Service) attest(e Enrollment, login broker.RegistrationLogin) (iothub.Authentication, time.Time, error) {
	var none iothub.Authentication
	if e.Status != iothub.Enabled {
		return none, time.Time{}, unauthorized("the enrolment %s is disabled", e.id())
	}
	if e.Attestation.Type == "x509" {
		return s.attestCertificate(e, login)
	}
	token, err := iothub.ParseSignature(login.Password)
	if err != nil {
		return none, time.Time{}, unauthorized("%v", err)
	}
	keys := e.Attestation.keys(e.GroupID != "", login.RegistrationID)
	switch {
	case !token.SignedBy(keys[0]) && !token.SignedBy(keys[1]):
		return none, time.Time{}, unauthorized("the token is not signed with a key of the enrolment %s", e.id())
	case token.Resource != login.IDScope+"/registrations/"+login.RegistrationID:
		return none, time.Time{}, unauthorized("the token is for %q", token.Resource)
	case token.KeyName != "registration":
		return none, time.Time{}, unauthorized("the token's skn is %q, want registration", token.KeyName)
	case !s.now().Before(token.Expiry):
		return none, time.Time{}, unauthorized("the token expired at %s", token.Expiry.UTC().Format(time.RFC3339))
	}
	return iothub.Authentication{Type: "sas", SymmetricKey: iothub.SymmetricKey{
		PrimaryKey: keys[0].Base64(), SecondaryKey: keys[1].Base64(),
	}}, token.Expiry, nil
}

func (s *Service) attestCertificate(e Enrollment, login broker.RegistrationLogin) (iothub.Authentication, time.Time, error) {
	var none iothub.Authentication
	if login.Shown.Leaf == nil {
		return none, time.Time{}, unauthorized("the enrolment %s asks for a certificate, the device shows none", e.id())
	}
	group := e.GroupID != ""
	enrolled, err := e.Attestation.certificates(group)
	if err != nil {
		return none, time.Time{}, err
	}
	auth := iothub.Authentication{Type: "selfSigned"}
	if group {
		thumbprint := access.Thumbprint(login.Shown.Leaf)
		auth.X509Thumbprint.PrimaryThumbprint = &thumbprint
		expires, err := access.Vouched(login.Shown, enrolled, login.RegistrationID, s.now())
		return auth, expires, err
	}
	known := false
	for i, thumbprint := range []**string{&auth.X509Thumbprint.PrimaryThumbprint, &auth.X509Thumbprint.SecondaryThumbprint} {
		if i < len(enrolled) {
			text := access.Thumbprint(enrolled[i])
			*thumbprint = &text
			known = known || enrolled[i].Equal(login.Shown.Leaf)
		}
	}
	if !known {
		return none, time.Time{}, unauthorized("the certificate is none of the enrolment %s", e.id())
	}
	expires, err := access.CertificateTime(login.Shown.Leaf, s.now())
	return auth, expires, err
}
