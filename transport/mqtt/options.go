package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/addresses"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
	"github.com/latchd/latchd/transport/mqtt/dial"
	"github.com/latchd/latchd/transport/trust"
)

const (
	// DefaultKeepAlive is the default of Options.KeepAlive. With this value, a dead
	// link is detected within 90 s, and an idle link needs two small packets a minute.
	// IoT Hub closes a link that is silent for one and a half times the keep-alive.
	DefaultKeepAlive = time.Minute
	// DefaultTokenLife is the default of Options.TokenLife. The official SDKs use the
	// same value.
	DefaultTokenLife = time.Hour
	// maxKeepAlive is the longest keep-alive that IoT Hub accepts.
	maxKeepAlive = 1767 * time.Second
)

// Options say which device connects, and how it connects to the hub.
type Options struct {
	// Device is the identity that logs in. The MQTT user name and the token contain its
	// host name.
	Device iothub.Device
	// Locate finds the hub of a device that uses a provisioning service. If Locate is
	// set, Run ignores Device and calls Locate before each attempt to connect. refusals
	// is the number of consecutive attempts in which the hub refused the login or its
	// name did not exist. If refusals is above 0, the device may have been moved to
	// another hub.
	//
	// An error of Locate can have a method Refused() bool or RetryAfter()
	// time.Duration, which determines when Run tries again. Run treats all other errors
	// as network errors.
	Locate func(ctx context.Context, refusals int) (iothub.Device, error)
	// Endpoint is the HOST or HOST:PORT to connect to. Empty means the gateway or host
	// name of the device. The server's certificate must be valid for the host in
	// Endpoint.
	Endpoint string
	// RootCAs returns the CA certificates that may vouch for the hub. Run calls it for each
	// attempt, so renewed certificates take effect at the next attempt. Nil means the
	// system's CA certificates.
	RootCAs trust.Roots
	// Certificate returns the certificate of a device whose Device.X509 is set. Run
	// calls it for each attempt, so a renewed certificate takes effect at the next
	// attempt.
	Certificate func() (tls.Certificate, error)
	// WebSocket sends MQTT through a WebSocket on port 443 instead of TLS on port 8883.
	WebSocket bool
	// Proxy is the address of the proxy. Use dial.ParseProxy to make it. An HTTP proxy
	// requires WebSocket; a SOCKS proxy does not. Nil means a direct connection.
	Proxy *url.URL
	// ModelID is the id of the device's IoT Plug and Play model, which the device
	// announces to the hub.
	ModelID string
	// ProductInfo names the software that runs on the device. Empty means "latchd".
	ProductInfo string
	// KeepAlive is how long a link may be silent before the device sends a ping. It
	// must be whole seconds. 0 means DefaultKeepAlive.
	KeepAlive time.Duration
	// TokenLife is how long a token is valid. Run renews the link when 75 to 85 % of
	// this time has passed. Run never renews the link of a device with a ready-made
	// token or a certificate. 0 means DefaultTokenLife.
	TokenLife time.Duration
	// Logger receives log entries about the link. Nil disables logging.
	Logger *zap.Logger
	// Failed is called with the reason each time an attempt to connect has failed or a
	// link was lost. It must return soon. Nil disables it.
	Failed func(reason error)

	// Now returns the current time. Nil means time.Now.
	Now func() time.Time
	// After returns a channel that receives a value once the given time has passed. Nil
	// means time.After.
	After func(time.Duration) <-chan time.Time
	// Rand returns a random number from 0 up to 1. Nil means rand.Float64.
	Rand func() float64
	// Lookup returns the addresses of a host, as in dial.Server. Nil means the system's
	// resolver.
	Lookup addresses.Lookup
	// Dial opens TCP connections. Nil means a net.Dialer without keep-alive.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// settings are checked Options in which all defaults are filled in.
type settings struct {
	Options
	server   dial.Server
	remote   *zap.Logger   // for entries that the hub can cause
	replayed *atomic.Int64 // number of retained messages that were ignored
}

// check checks all options except Device. It returns settings in which the defaults are
// filled in.
func (o Options) check() (settings, error) {
	s := settings{Options: o, replayed: new(atomic.Int64)}
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
		Addresses:   new(addresses.Memory),
		Lookup:      o.Lookup,
		Dial:        o.Dial,
	}
	return s, nil
}

// forDevice checks the device d and returns the settings with which d connects.
func (s settings) forDevice(d iothub.Device) (*settings, error) {
	s.Device = d
	switch {
	case d.HostName == "" || d.DeviceID == "":
		return nil, errors.New("mqtt: the device's host name or id is missing; get both from its connection string")
	case d.X509 && s.Certificate == nil:
		return nil, errors.New("mqtt: the connection string says x509=true, but the device has no certificate; set one")
	case !d.X509 && s.Certificate != nil:
		return nil, errors.New("mqtt: the device has a certificate, but its connection string does not say x509=true; add x509=true or remove the certificate")
	case !d.X509 && len(d.Key) == 0 && d.Signature == "":
		return nil, errors.New("mqtt: the device has no key, token or certificate to log in with; set one of them")
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
	s.remote = logtext.Remote(s.Logger)
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.After == nil {
		s.After = time.After
	}
	if s.Rand == nil {
		s.Rand = rand.Float64
	}
	if s.Failed == nil {
		s.Failed = func(error) {}
	}
}

// credentials are the fields of an MQTT CONNECT that identify the device.
type credentials struct {
	clientID string
	userName string
	password string // a token; empty if the device has a certificate
}

// credentials returns the credentials with which the device logs in now. It signs a new
// token if the device has a key.
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

// renewal returns a channel that receives a value when the token should be renewed. It
// returns nil for a device that does not sign its own tokens.
func (s *settings) renewal() <-chan time.Time {
	if len(s.Device.Key) == 0 {
		return nil
	}

	return s.After(time.Duration((0.75 + 0.1*s.Rand()) * float64(s.TokenLife)))
}
