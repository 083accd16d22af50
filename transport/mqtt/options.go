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

const (
	// DefaultKeepAlive is the default of Options.KeepAlive. With it, a dead link is
	// found within 90 s and costs two small packets a minute. IoT Hub closes a link on
	// which it receives nothing for one and a half times the keep-alive.
	DefaultKeepAlive = time.Minute
	// DefaultTokenLife is the default of Options.TokenLife, as in the official SDKs.
	DefaultTokenLife = time.Hour
	// maxKeepAlive is the longest keep-alive that IoT Hub accepts.
	maxKeepAlive = 1767 * time.Second
)

// Options configure the device's identity and its connection to the hub.
type Options struct {
	// Device is the identity that logs in. User name and token contain its host name.
	Device iothub.Device
	// Locate, if set, replaces Device: Run calls it before each attempt to ask which
	// hub a provisioning service has assigned. refusals is the number of consecutive
	// attempts for which the hub refused the login or did not exist. If it is above 0,
	// the assignment may be out of date. An error with a method Refused() bool or
	// RetryAfter() time.Duration determines when Run tries again. Run treats other
	// errors as network errors.
	Locate func(ctx context.Context, refusals int) (iothub.Device, error)
	// Endpoint is the HOST or HOST:PORT to connect to instead of the device's gateway
	// or host name. The server's certificate must then be for the endpoint's host.
	Endpoint string
	// RootCAs holds the CA certificates to trust. Nil means those of the system.
	RootCAs *x509.CertPool
	// Certificate returns the certificate of a device whose Device.X509 is set. Run
	// calls it for each attempt, so that a renewed certificate is used.
	Certificate func() (tls.Certificate, error)
	// WebSocket connects with WebSocket to port 443 instead of 8883.
	WebSocket bool
	// Proxy is the proxy to connect through, as dial.ParseProxy returns it. A SOCKS
	// proxy works with and without WebSocket, an HTTP proxy only with WebSocket. Nil
	// means no proxy.
	Proxy *url.URL
	// ModelID is the id of the device's IoT Plug and Play model, which the device
	// announces to the hub.
	ModelID string
	// ProductInfo names the software that runs on the device. Empty means "latchd".
	ProductInfo string
	// KeepAlive is how long a link may be silent before the device sends a ping, in
	// whole seconds. 0 means DefaultKeepAlive.
	KeepAlive time.Duration
	// TokenLife is how long a token is valid. Run renews the link after 75 to 85 % of
	// it, but never with a ready-made token or a certificate. 0 means DefaultTokenLife.
	TokenLife time.Duration
	// Logger receives the events of the link. Nil disables logging.
	Logger *zap.Logger

	// Now returns the time. Nil means time.Now.
	Now func() time.Time
	// After returns a channel that receives after a time. Nil means time.After.
	After func(time.Duration) <-chan time.Time
	// Rand returns a random number from 0 up to 1. Nil means rand.Float64.
	Rand func() float64
	// Dial opens TCP connections. Nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// settings are checked options with all defaults filled in.
type settings struct {
	Options
	server dial.Server
}

// check checks all options except Device and fills in the defaults.
func (o Options) check() (settings, error) {
	s := settings{Options: o}
	s.setDefaults()

	if s.KeepAlive < time.Second || s.KeepAlive > maxKeepAlive || s.KeepAlive%time.Second != 0 {
		return s, fmt.Errorf("mqtt: keep-alive is %s; want whole seconds, 1 to %d", s.KeepAlive, maxKeepAlive/time.Second)
	}
	if s.TokenLife < 10*time.Second {
		return s, fmt.Errorf("mqtt: token life is %s; want 10 s or more", s.TokenLife)
	}

	s.server = dial.Server{
		Name:        "hub",
		RootCAs:     o.RootCAs,
		Certificate: o.Certificate,
		WebSocket:   o.WebSocket,
		Proxy:       o.Proxy,
		Now:         s.Now,
		Dial:        o.Dial,
	}
	return s, nil
}

// forDevice returns the settings for a device, after checking the device.
func (s settings) forDevice(d iothub.Device) (*settings, error) {
	s.Device = d
	switch {
	case d.HostName == "" || d.DeviceID == "":
		return nil, errors.New("mqtt: the device's host name or id is missing; read them from its connection string")
	case d.X509 && s.Certificate == nil:
		return nil, errors.New("mqtt: the connection string says x509=true, but there is no certificate; set one")
	case !d.X509 && s.Certificate != nil:
		return nil, errors.New("mqtt: there is a certificate, but the connection string does not say x509=true")
	case !d.X509 && len(d.Key) == 0 && d.Signature == "":
		return nil, errors.New("mqtt: the device has no key, no token and no certificate to log in with")
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

func (s *settings) setDefaults() {
	s.KeepAlive = cmp.Or(s.KeepAlive, DefaultKeepAlive)
	s.TokenLife = cmp.Or(s.TokenLife, DefaultTokenLife)
	s.ProductInfo = cmp.Or(s.ProductInfo, "latchd")

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

// credentials are the parts of CONNECT that identify the device.
type credentials struct {
	clientID string
	userName string
	password string // a token; empty for a device with a certificate
}

// credentials returns the device's credentials, with a new token.
func (s *settings) credentials() credentials {
	d := s.Device
	user := iothub.UserName{
		HostName:   d.HostName,
		DeviceID:   d.DeviceID,
		ModuleID:   d.ModuleID,
		ModelID:    s.ModelID,
		ClientType: s.ProductInfo,
	}

	password := d.Signature
	if len(d.Key) > 0 {
		resource := iothub.DeviceResource(d.HostName, d.DeviceID, d.ModuleID)
		password = iothub.Sign(resource, d.Key, d.KeyName, s.Now().Add(s.TokenLife))
	}

	return credentials{user.ClientID(), user.String(), password}
}

// renewal returns a channel that receives when it is time to renew the token. It
// returns nil for a device that does not sign its own tokens.
func (s *settings) renewal() <-chan time.Time {
	if len(s.Device.Key) == 0 {
		return nil
	}

	return s.After(time.Duration((0.75 + 0.1*s.Rand()) * float64(s.TokenLife)))
}
