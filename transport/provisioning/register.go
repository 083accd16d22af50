package provisioning

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/addresses"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt/dial"
	"github.com/latchd/latchd/transport/trust"
)

// DefaultEndpoint is the host name of Azure's provisioning service, the same for all
// customers.
const DefaultEndpoint = "global.azure-devices-provisioning.net"

const (
	// registerTimeout limits the time of a registration, including all waits.
	registerTimeout = 5 * time.Minute
	tokenLife       = time.Hour // how long a token for the service is valid
)

// Options say which provisioning service to ask, and which device registers.
type Options struct {
	// Endpoint is the HOST or HOST:PORT of the service. Empty means DefaultEndpoint.
	Endpoint string
	// IDScope identifies the instance of the service, such as 0ne00000A0A.
	IDScope string
	// RegistrationID is the name by which the service knows the device.
	RegistrationID string
	// Key is the device's own key. Use DeriveKey to make it from an enrollment group's
	// key.
	Key iothub.Key
	// Certificate returns the device's certificate. It is nil for a device that has a
	// key. The certificate's subject must have the registration id as its common name.
	Certificate func() (tls.Certificate, error)
	// Payload is JSON that the service passes to a custom allocation. Nil means no
	// payload.
	Payload json.RawMessage
	// ProductInfo names the software that runs on the device. Empty means "latchd".
	ProductInfo string

	// The fields below say how to connect to the service. They have the same meaning
	// as in mqtt.Options.
	RootCAs   trust.Roots
	WebSocket bool
	Proxy     *url.URL
	Now       func() time.Time
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)

	addresses *addresses.Memory // set by a Locator, which may connect several times
}

// DeriveKey makes one device's key from the key of the device's enrollment group. Store
// only the derived key on the device. With the group's key, anybody could log in as any
// device of the group.
func DeriveKey(group iothub.Key, registrationID string) iothub.Key {
	h := hmac.New(sha256.New, group)
	h.Write([]byte(registrationID))
	return h.Sum(nil)
}

// Assignment names the hub that the provisioning service assigned to a device. Save it
// as JSON for the next start of the program.
type Assignment struct {
	// Endpoint, IDScope and RegistrationID say which service made the assignment, and
	// for which device. The assignment is invalid for any other service or device.
	Endpoint       string `json:"endpoint"`
	IDScope        string `json:"idScope"`
	RegistrationID string `json:"registrationId"`

	Hub      string          `json:"hub"`               // host name of the hub
	DeviceID string          `json:"deviceId"`          // id under which the hub knows the device
	Payload  json.RawMessage `json:"payload,omitempty"` // data that a custom allocation returned
}

// Check returns an error if the options are invalid, so that Register can never
// succeed.
func (o Options) Check() error {
	switch {
	case o.IDScope == "" || strings.ContainsAny(o.IDScope, " /+#"):
		return fmt.Errorf("provisioning: the ID scope is %q; copy the ID scope of the provisioning service, such as 0ne00000A0A", o.IDScope)
	case o.RegistrationID == "" || strings.ContainsAny(o.RegistrationID, " /+#") || len(o.RegistrationID) > 128:
		return fmt.Errorf("provisioning: the registration id is %q; want 1 to 128 letters, digits or -._: characters", o.RegistrationID)
	case len(o.Key) == 0 && o.Certificate == nil:
		return errors.New("provisioning: the device has no key and no certificate to register with; set one")
	case len(o.Key) > 0 && o.Certificate != nil:
		return errors.New("provisioning: the device has both a key and a certificate; set only one")
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
		Name:        "provisioning service",
		Address:     address,
		RootCAs:     o.RootCAs,
		Certificate: o.Certificate,
		WebSocket:   o.WebSocket,
		Proxy:       o.Proxy,
		Now:         o.Now,
		Addresses:   o.addresses,
		Dial:        o.Dial,
	}, err
}

// Register asks the service which hub the device belongs to, and waits for the answer.
// The service may first create the device in the hub. A device may register again at
// any time.
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

// register registers the device over an open connection to the service.
func (o Options) register(ctx context.Context, s *session, server dial.Server) (Assignment, error) {
	code, err := s.login(o.RegistrationID, userName(o.IDScope, o.RegistrationID, o.product()), o.password())
	if unexpected, ok := errors.AsType[unexpectedError](err); ok {
		return Assignment{}, invalidAnswer(server.Address, unexpected.Error())
	}
	if err != nil {
		return Assignment{}, server.Explain(err)
	}
	if code != packets.Accepted {
		return Assignment{}, o.loginError(server.Address, code)
	}

	failed := func(err error) (Assignment, error) {
		if unexpected, ok := errors.AsType[unexpectedError](err); ok {
			return Assignment{}, invalidAnswer(server.Address, unexpected.Error())
		}
		return Assignment{}, fmt.Errorf("provisioning service at %s: the connection broke, or no answer arrived within %s: %w", server.Address, answerTimeout, err)
	}
	if err := s.subscribe(responseFilter); err != nil {
		return failed(err)
	}
	request, err := registerBody(o.RegistrationID, o.Payload)
	if err != nil {
		return Assignment{}, err
	}

	operation := "" // the service's id of this registration; empty until the registration is in progress
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

		if o.addresses != nil {
			o.addresses.Works()
		}
		switch refusal := o.refusal(server.Address, r); {
		case refusal == nil && strings.EqualFold(r.body.Status, "assigned"):
			return o.assignment(server.Address, r.body)
		case refusal == nil && r.body.OperationID != "":
			operation = r.body.OperationID
		case refusal == nil && operation == "":
			return failed(unexpectedError("it answered the registration with neither a hub nor an operation to wait for"))
		case refusal != nil && !refusal.retryable(ctx):
			return Assignment{}, refusal
		}

		if err := s.wait(ctx, r.wait()); err != nil {
			return failed(err)
		}
	}
}

// assignment returns the hub and the device id that the provisioning service assigned.
func (o Options) assignment(address string, b responseBody) (Assignment, error) {
	a := Assignment{
		Endpoint:       o.endpoint(),
		IDScope:        o.IDScope,
		RegistrationID: o.RegistrationID,
		Hub:            b.State.AssignedHub,
		DeviceID:       b.State.DeviceID,
		Payload:        b.State.Payload,
	}

	if _, err := dial.Address(a.Hub, false); err != nil {
		return Assignment{}, invalidAnswer(address, fmt.Sprintf("it assigned a hub with the invalid name %q", a.Hub))
	}
	if err := iothub.CheckDeviceID(a.DeviceID); err != nil {
		return Assignment{}, invalidAnswer(address, "it assigned an unusable device id: "+err.Error())
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

// password returns a new token as the MQTT password. It returns "" if the device has a
// certificate.
func (o Options) password() string {
	if len(o.Key) == 0 {
		return ""
	}
	return password(o.IDScope, o.RegistrationID, o.Key, o.now().Add(tokenLife))
}
