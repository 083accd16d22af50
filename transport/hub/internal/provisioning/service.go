package provisioning

import (
	"context"
	"crypto/x509"
	"errors"
	"hash/fnv"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// Service stores enrollments, and registers devices that have an enrollment.
type Service struct {
	store      *store.Store
	now        func() time.Time
	hub        func(webSocket bool) string
	ca         *x509.Certificate
	disconnect func(deviceID string)

	groups      groupCache
	search      chan struct{}             // has an element while a login is compared with the groups
	registering [registerLocks]sync.Mutex // held while a device with this hash registers
}

// registerLocks is the number of devices that can register at the same time. Devices whose
// ids differ only in case have the same lock.
const registerLocks = 64

// Options are the parts of the hub that a Service needs. All are required, except that
// only Invite needs the CA.
type Options struct {
	Store *store.Store
	Now   func() time.Time
	// Hub returns the host name to which a device connects, over TLS or over WebSocket.
	// A port follows the host name if it is not the default port.
	Hub func(webSocket bool) string
	// CA is the certificate that a device must trust to verify the hub.
	CA *x509.Certificate
	// Disconnect closes the connection of a device. The Service calls it when the
	// device's credentials have changed.
	Disconnect func(deviceID string)
}

// New returns a Service.
func New(opts Options) *Service {
	return &Service{store: opts.Store, now: opts.Now, hub: opts.Hub, ca: opts.CA, disconnect: opts.Disconnect, search: make(chan struct{}, 1)}
}

// Admit checks whether a device may register. It returns the time at which the device's
// token or certificate expires. If the device has an individual enrollment, that
// enrollment decides. Otherwise the device needs a group enrollment that accepts its
// token or certificate.
func (s *Service) Admit(ctx context.Context, login broker.RegistrationLogin) (broker.Registration, time.Time, error) {
	if login.IDScope != s.store.IDScope() {
		return nil, time.Time{}, unauthorized("the id scope is %q, but this hub's id scope is %q", login.IDScope, s.store.IDScope())
	}
	if err := checkID(login.RegistrationID); err != nil {
		return nil, time.Time{}, unauthorized("%v", err)
	}

	candidates, err := s.candidates(ctx, login.RegistrationID)
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(candidates) > 1 {
		// The comparison with many groups takes time. Do one at a time, so that strangers
		// cannot keep all processors busy.
		select {
		case s.search <- struct{}{}:
			defer func() { <-s.search }()
		case <-ctx.Done():
			return nil, time.Time{}, ctx.Err()
		}
	}

	token, tokenErr := iothub.ParseSignature(login.Password)
	refusal := error(unauthorized("no enrollment admits the registration id %q", login.RegistrationID))
	for _, e := range candidates {
		auth, expires, err := s.attest(e, login, token, tokenErr)
		if err == nil {
			return &registration{service: s, enrollment: e, login: login, auth: auth}, expires, nil
		}
		if !e.isGroup() {
			refusal = err
		}
	}
	return nil, time.Time{}, refusal
}

// candidates returns the enrollments that may admit the device: its individual
// enrollment or, if it has none, all group enrollments.
func (s *Service) candidates(ctx context.Context, registrationID string) ([]Enrollment, error) {
	individual, err := s.Get(ctx, false, registrationID)
	if errors.Is(err, &iothub.Error{Code: iothub.CodeNotFound}) {
		return s.groups.get(func() ([]Enrollment, error) { return s.List(ctx, true) })
	}
	return []Enrollment{individual}, err
}

// lockRegistration waits until no other registration with this id, in any case, is in
// progress. The next one starts after unlock.
func (s *Service) lockRegistration(registrationID string) (unlock func()) {
	hash := fnv.New32a()
	io.WriteString(hash, strings.ToLower(registrationID))
	lock := &s.registering[hash.Sum32()%registerLocks]
	lock.Lock()
	return lock.Unlock
}

// attest checks a device's token or certificate against an enrollment. tokenErr is not nil
// if the login has no valid token. attest returns the credentials with which the device
// will log in to the hub, and the time at which the token or certificate expires.
func (s *Service) attest(e Enrollment, login broker.RegistrationLogin, token iothub.Signature, tokenErr error) (iothub.Authentication, time.Time, error) {
	switch {
	case e.Status != iothub.Enabled:
		return iothub.Authentication{}, time.Time{}, unauthorized("the enrollment %s is disabled", e.id())
	case e.Invitation != nil && !s.now().Before(e.Invitation.Expires):
		return iothub.Authentication{}, time.Time{}, unauthorized("the invitation of %s expired at %s", e.id(), e.Invitation.Expires.Format(time.RFC3339))
	case e.Attestation.Type == iothub.AttestX509:
		return s.attestCertificate(e, login)
	case tokenErr != nil:
		return iothub.Authentication{}, time.Time{}, unauthorized("%v", tokenErr)
	default:
		return s.attestToken(e, login, token)
	}
}

func (s *Service) attestToken(e Enrollment, login broker.RegistrationLogin, token iothub.Signature) (iothub.Authentication, time.Time, error) {
	refuse := func(format string, args ...any) (iothub.Authentication, time.Time, error) {
		return iothub.Authentication{}, time.Time{}, unauthorized(format, args...)
	}

	keys := e.Attestation.keys(e.isGroup(), login.RegistrationID)
	resource := login.IDScope + "/registrations/" + login.RegistrationID
	switch {
	case !token.SignedBy(keys.primary) && !token.SignedBy(keys.secondary):
		return refuse("the token is not signed with a key of the enrollment %s", e.id())
	case !strings.EqualFold(token.Resource, resource):
		return refuse("the token is for %q, want %q", token.Resource, resource)
	case token.KeyName != "" && token.KeyName != "registration": // SDKs for Python and C send no skn
		return refuse("the token's skn is %q, want registration", token.KeyName)
	case !s.now().Before(token.Expiry):
		return refuse("the token expired at %s", token.Expiry.UTC().Format(time.RFC3339))
	}

	return iothub.Authentication{Type: "sas", SymmetricKey: iothub.SymmetricKey{
		PrimaryKey: keys.primary.Base64(), SecondaryKey: keys.secondary.Base64(),
	}}, token.Expiry, nil
}

func (s *Service) attestCertificate(e Enrollment, login broker.RegistrationLogin) (iothub.Authentication, time.Time, error) {
	leaf := login.Chain.Leaf
	if leaf == nil {
		return iothub.Authentication{}, time.Time{}, unauthorized("the enrollment %s needs a certificate, but the device sent none", e.id())
	}
	enrolled, err := e.Attestation.certificates(e.isGroup())
	if err != nil {
		return iothub.Authentication{}, time.Time{}, err
	}

	auth := iothub.Authentication{Type: "selfSigned"}
	if e.isGroup() {
		thumbprint := access.Thumbprint(leaf)
		auth.X509Thumbprint.PrimaryThumbprint = &thumbprint
		name := login.RegistrationID
		if strings.EqualFold(leaf.Subject.CommonName, name) {
			name = leaf.Subject.CommonName
		}
		expires, err := access.VerifyChain(login.Chain, enrolled, name, s.now())
		return auth, expires, err
	}

	matches := false
	for i, thumbprint := range []**string{&auth.X509Thumbprint.PrimaryThumbprint, &auth.X509Thumbprint.SecondaryThumbprint} {
		if i < len(enrolled) {
			text := access.Thumbprint(enrolled[i])
			*thumbprint = &text
			matches = matches || enrolled[i].Equal(leaf)
		}
	}
	if !matches {
		return iothub.Authentication{}, time.Time{}, unauthorized("the certificate does not match the enrollment %s", e.id())
	}

	expires, err := access.CheckValidity(leaf, s.now())
	return auth, expires, err
}
