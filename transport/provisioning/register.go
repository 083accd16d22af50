package provisioning

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt/dial"
)

// DefaultEndpoint is the address of Azure's service, whatever the ID scope.
const DefaultEndpoint = "global.azure-devices-provisioning.net"

const (
	// registerTimeout bounds a registration, with all its waiting.
	registerTimeout = 5 * time.Minute
	tokenLife       = time.Hour
)

// Options say whom to ask, and who asks.
type Options struct {
	// Endpoint is host or host:port of the service; DefaultEndpoint if it is empty.
	Endpoint string
	// IDScope names the service's instance, such as 0ne00000A0A.
	IDScope string
	// RegistrationID is the device's name at the service.
	RegistrationID string
	// Key is the device's own key; see DeriveKey where it has its group's.
	Key iothub.Key
	// Certificate gives the device's certificate, where it has that and no key. Its
	// subject's common name must be the registration id.
	Certificate func() (tls.Certificate, error)
	// Payload is given to the service's custom allocation, if there is one: JSON.
	Payload json.RawMessage
	// ProductInfo says what runs on the device; "latchd" if it is empty.
	ProductInfo string

	// How the service is reached, as in mqtt.Options.
	RootCAs   *x509.CertPool
	WebSocket bool
	Proxy     *url.URL
	Now       func() time.Time
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

// DeriveKey returns the key of one device of a group whose members share a key.
// Give a device this one: with the group's it could be any of them.
func DeriveKey(group iothub.Key, registrationID string) iothub.Key {
	h := hmac.New(sha256.New, group)
	h.Write([]byte(registrationID))
	return h.Sum(nil)
}

// Assignment is what the service says: which hub a device belongs to, and its
// name there. Its JSON form is for who keeps it.
type Assignment struct {
	// To whom it was made. One that was made to another, or by another service, is
	// of no use.
	Endpoint       string `json:"endpoint"`
	IDScope        string `json:"idScope"`
	RegistrationID string `json:"registrationId"`

	Hub      string `json:"hub"` // host name
	DeviceID string `json:"deviceId"`
	// Payload is what a custom allocation gives the device.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Check reports what can never work.
func (o Options) Check() error {
	switch {
	case o.IDScope == "" || strings.ContainsAny(o.IDScope, " /+#"):
		return fmt.Errorf("provisioning: the ID scope is %q; want that of the service's instance, such as 0ne00000A0A", o.IDScope)
	case o.RegistrationID == "" || strings.ContainsAny(o.RegistrationID, " /+#") || len(o.RegistrationID) > 128:
		return fmt.Errorf("provisioning: the registration id is %q; want up to 128 of letters, digits and the characters -._: in it", o.RegistrationID)
	case len(o.Key) == 0 && o.Certificate == nil:
		return errors.New("provisioning: there is neither a key nor a certificate to register with")
	case len(o.Key) > 0 && o.Certificate != nil:
		return errors.New("provisioning: there are a key and a certificate; want one of them")
	}
	server, err := o.server()
	if err == nil {
		err = server.Check()
	}
	if err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	return nil
}

func (o Options) endpoint() string {
	if o.Endpoint == "" {
		return DefaultEndpoint
	}
	return o.Endpoint
}

func (o Options) server() (dial.Server, error) {
	address, err := dial.Address(o.endpoint(), o.WebSocket)
	return dial.Server{
		Name: "provisioning service", Address: address, RootCAs: o.RootCAs, Certificate: o.Certificate,
		WebSocket: o.WebSocket, Proxy: o.Proxy, Now: o.Now, Dial: o.Dial,
	}, err
}

// Register asks the service which hub the device belongs to, which may have it
// made there, and waits until that is known. It is safe to repeat.
func Register(ctx context.Context, o Options) (Assignment, error) {
	if err := o.Check(); err != nil {
		return Assignment{}, err
	}
	server, err := o.server()
	if err != nil {
		return Assignment{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	conn, err := server.Connect(ctx)
	if err != nil {
		return Assignment{}, err
	}
	s := &session{conn: conn}
	defer s.close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	a, err := o.register(ctx, s, server)
	if cause := ctx.Err(); err != nil && cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			cause = fmt.Errorf("provisioning service at %s: no assignment within %s: %w", server.Address, registerTimeout, cause)
		}
		return Assignment{}, cause
	}
	return a, err
}

func (o Options) register(ctx context.Context, s *session, server dial.Server) (Assignment, error) {
	code, err := s.login(o.RegistrationID, userName(o.IDScope, o.RegistrationID, o.product()), o.password())
	if err != nil {
		return Assignment{}, server.Explain(err)
	}
	if code != packets.Accepted {
		return Assignment{}, o.loginError(server.Address, code)
	}
	failed := func(err error) (Assignment, error) {
		return Assignment{}, fmt.Errorf("provisioning service at %s: the connection broke, or no answer came within %s: %w", server.Address, stepTimeout, err)
	}
	if err := s.subscribe(responseFilter); err != nil {
		return failed(err)
	}
	request, err := registerBody(o.RegistrationID, o.Payload)
	if err != nil {
		return Assignment{}, err
	}
	operation := ""
	for n := 1; ; n++ {
		id := strconv.Itoa(n)
		topic, body := registerTopic(id), request
		if operation != "" {
			topic, body = pollTopic(id, operation), []byte(" ")
		}
		r, err := s.ask(topic, body, id)
		if err != nil {
			return failed(err)
		}
		switch refusal := o.refusal(server.Address, r); {
		case refusal == nil && strings.EqualFold(r.body.Status, "assigned"):
			return o.assignment(r.body)
		case refusal == nil && r.body.OperationID != "":
			operation = r.body.OperationID
		case refusal != nil && !refusal.later(ctx):
			return Assignment{}, refusal
		}
		if err := s.wait(ctx, r.wait()); err != nil {
			return failed(err)
		}
	}
}

func (o Options) assignment(b body) (Assignment, error) {
	a := Assignment{
		Endpoint: o.endpoint(), IDScope: o.IDScope, RegistrationID: o.RegistrationID,
		Hub: b.State.AssignedHub, DeviceID: b.State.DeviceID, Payload: b.State.Payload,
	}
	if _, err := dial.Address(a.Hub, false); err != nil {
		return Assignment{}, fmt.Errorf("provisioning service: it assigned a hub of the name %q, which cannot be", a.Hub)
	}
	if err := iothub.CheckDeviceID(a.DeviceID); err != nil {
		return Assignment{}, fmt.Errorf("provisioning service: in the assignment %w", err)
	}
	return a, nil
}

func (o Options) product() string {
	if o.ProductInfo == "" {
		return "latchd"
	}
	return o.ProductInfo
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// password returns a new token; a device with a certificate has none.
func (o Options) password() string {
	if len(o.Key) == 0 {
		return ""
	}
	return password(o.IDScope, o.RegistrationID, o.Key, o.now().Add(tokenLife))
}
