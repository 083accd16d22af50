package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt/dial"
)

// Defaults of Options.
const (
	// DefaultKeepAlive finds a dead link within a minute and a half at the cost
	// of two small packets a minute. IoT Hub ends a link after one and a half
	// times the interval without a packet.
	DefaultKeepAlive = time.Minute
	// DefaultTokenLife is that of the official SDKs.
	DefaultTokenLife = time.Hour
)

const (
	// maxKeepAlive is the longest that IoT Hub honours.
	maxKeepAlive = 1767 * time.Second
)

// Options say to which hub to connect and as which device.
type Options struct {
	// Device is who logs in, and the host name that user name and token carry.
	Device iothub.Device
	// Locate, if it is not nil, is asked for the device before each attempt, in
	// place of Device: for one whose hub is assigned by a provisioning service.
	// refusals is how many logins in a row were refused, or found no host of the
	// hub's name: the assignment may be an old one. If its error has a method
	// Refused() bool, or RetryAfter() time.Duration, the next attempt is as late as
	// these say; with neither it is taken for one of the network.
	Locate func(ctx context.Context, refusals int) (iothub.Device, error)
	// Endpoint is host or host:port to dial instead of the device's gateway or
	// host name. The server's certificate is then checked for the endpoint's host.
	Endpoint string
	// RootCAs are the authorities to trust; nil means those of the system.
	RootCAs *x509.CertPool
	// Certificate gives the certificate that a device with X509 logs in with. It
	// is asked at each attempt, so that one which was renewed on disk is taken.
	Certificate func() (tls.Certificate, error)
	// WebSocket connects to port 443 instead of 8883, by WebSocket.
	WebSocket bool
	// Proxy is what to connect through, as dial.ParseProxy reads it: SOCKS for
	// both transports, HTTP for WebSocket. Nil is none.
	Proxy *url.URL
	// ModelID announces an IoT Plug and Play model.
	ModelID string
	// ProductInfo says what runs on the device; "latchd" if it is empty.
	ProductInfo string
	// KeepAlive is how long a link may be silent before it is tried with a ping,
	// in whole seconds.
	KeepAlive time.Duration
	// TokenLife is how long a token is valid. The link is renewed at 75 to 85 %
	// of it. A ready-made signature or a certificate is not renewed.
	TokenLife time.Duration
	// Logger gets what happens to the link; nil means nobody.
	Logger *zap.Logger

	// Now, After and Rand (from 0 up to 1) are time and chance; nil means the
	// real ones.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	Rand  func() float64
	// Dial opens TCP connections; nil means the ordinary way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// settings are options that have been checked and filled up.
type settings struct {
	Options
	server dial.Server
}

// check looks at all but the device.
func (o Options) check() (settings, error) {
	s := settings{Options: o}
	if s.KeepAlive == 0 {
		s.KeepAlive = DefaultKeepAlive
	}
	if s.KeepAlive < time.Second || s.KeepAlive > maxKeepAlive || s.KeepAlive%time.Second != 0 {
		return s, fmt.Errorf("mqtt: keep-alive is %s; want whole seconds, 1 to %d", s.KeepAlive, maxKeepAlive/time.Second)
	}
	if s.TokenLife == 0 {
		s.TokenLife = DefaultTokenLife
	}
	if s.TokenLife < 10*time.Second {
		return s, fmt.Errorf("mqtt: token life is %s; want 10 s or more", s.TokenLife)
	}
	s.fill()

	s.server = dial.Server{
		Name: "hub", RootCAs: o.RootCAs, Certificate: o.Certificate,
		WebSocket: o.WebSocket, Proxy: o.Proxy, Now: s.Now, Dial: o.Dial,
	}
	return s, nil
}

// as returns the settings for a device.
func (s settings) as(d iothub.Device) (*settings, error) {
	s.Device = d
	switch {
	case d.HostName == "" || d.DeviceID == "":
		return nil, errors.New("mqtt: the device's host name or id is missing; read them from its connection string")
	case d.X509 && s.Certificate == nil:
		return nil, errors.New("mqtt: the connection string says x509=true, and there is no certificate to log in with")
	case !d.X509 && s.Certificate != nil:
		return nil, errors.New("mqtt: there is a certificate, but the connection string does not say x509=true")
	case !d.X509 && len(d.Key) == 0 && d.Signature == "":
		return nil, errors.New("mqtt: the device has neither a key nor a signature to log in with")
	}
	address, err := dial.Address(cmp.Or(s.Endpoint, d.Gateway, d.HostName), s.WebSocket)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	s.server.Address = address
	if err := s.server.Check(); err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	return &s, nil
}

func (s *settings) fill() {
	if s.ProductInfo == "" {
		s.ProductInfo = "latchd"
	}
	if s.Logger == nil {
		s.Logger = zap.NewNop()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.After == nil {
		s.After = time.After
	}
	if s.Rand == nil {
		s.Rand = rand.Float64
	}
}

// credentials returns what goes into CONNECT. The password is made anew each
// time; a device with a certificate has none.
func (s *settings) credentials() (clientID, userName, password string) {
	d := s.Device
	u := iothub.UserName{
		HostName: d.HostName, DeviceID: d.DeviceID, ModuleID: d.ModuleID,
		ModelID: s.ModelID, ClientType: s.ProductInfo,
	}
	password = d.Signature
	if len(d.Key) > 0 {
		resource := iothub.DeviceResource(d.HostName, d.DeviceID, d.ModuleID)
		password = iothub.Sign(resource, d.Key, d.KeyName, s.Now().Add(s.TokenLife))
	}
	return u.ClientID(), u.String(), password
}

// renewal returns a channel that says when to renew the token, or nil.
func (s *settings) renewal() <-chan time.Time {
	if len(s.Device.Key) == 0 {
		return nil
	}
	return s.After(time.Duration((0.75 + 0.1*s.Rand()) * float64(s.TokenLife)))
}
