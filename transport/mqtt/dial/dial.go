// Package dial opens the connections that carry MQTT: to a hub and to a
// provisioning service, over TLS or over WebSocket, directly or by a proxy.
//
// All of a device's dialling goes through [Server.Connect]. No proxy is taken
// from the environment here: a main that wants that looks it up and says so.
package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

const (
	// Timeout bounds Connect: look-up, proxy, TCP, TLS and WebSocket together.
	Timeout = 30 * time.Second

	// The ports of MQTT over TLS and of WebSocket.
	defaultPort   = "8883"
	websocketPort = "443"
)

// Server says what to connect to, and how.
type Server struct {
	// Name says what the server is, in errors: "hub".
	Name string
	// Address is HOST:PORT, as Address returns it. The server's certificate is
	// checked for HOST.
	Address string
	// RootCAs are the authorities to trust; nil means those of the system.
	RootCAs *x509.CertPool
	// Certificate gives the device's own certificate. It is asked at each
	// attempt, so that one which was renewed on disk is taken. Nil is none.
	Certificate func() (tls.Certificate, error)
	// WebSocket carries MQTT in a WebSocket, at the path that IoT Hub has for it.
	WebSocket bool
	// Proxy is where to connect first, as ParseProxy returns it; nil is nowhere.
	Proxy *url.URL
	// Now is the time by which certificates are judged; nil is the real one.
	Now func() time.Time
	// Dial opens TCP connections; nil is the ordinary way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Address returns target, which is HOST or HOST:PORT, with the port that is
// usual for MQTT over TLS or over WebSocket if it has none.
func Address(target string, webSocket bool) (string, error) {
	bad := fmt.Errorf("%q is not an address to connect to; want HOST or HOST:PORT", target)
	if strings.ContainsAny(target, " /") {
		return "", bad
	}
	port := defaultPort
	if webSocket {
		port = websocketPort
	}
	host, p, err := net.SplitHostPort(target)
	if err != nil { // no port, or a bare IPv6 address
		host, p, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(target, "[]"), port))
	}
	if err != nil || host == "" || p == "" {
		return "", bad
	}
	return net.JoinHostPort(host, p), nil
}

// Check reports what can never work.
func (s Server) Check() error {
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return fmt.Errorf("%q is not an address to connect to; want HOST:PORT", s.Address)
	}
	if s.Proxy != nil && s.Proxy.Scheme == "http" && !s.WebSocket {
		return errors.New("an HTTP proxy carries MQTT in a WebSocket only; choose WebSocket, or a SOCKS proxy")
	}
	return nil
}

// Connect opens a connection on which MQTT can be spoken at once. Reading from it
// fails if a packet is larger than MaxPacket. Its errors say what to do, and wrap
// the cause.
func (s Server) Connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	config, err := s.tlsConfig()
	if err != nil {
		return nil, err
	}
	conn, err := s.connect(ctx, config)
	if err != nil {
		return nil, s.Explain(err)
	}
	return &limited{Conn: conn}, nil
}

func (s Server) connect(ctx context.Context, config *tls.Config) (net.Conn, error) {
	raw, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	if !s.WebSocket {
		return conn, nil
	}
	return s.upgrade(ctx, conn)
}

func (s Server) tlsConfig() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12, Time: s.Now}
	if s.Certificate == nil {
		return config, nil
	}
	certificate, err := s.Certificate()
	if err != nil {
		return nil, fmt.Errorf("read the device's certificate: %w", err)
	}
	// Not Certificates: of those Go sends none if the server names authorities
	// that it is not of, and a hub that knows thumbprints has no authorities.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	if s.WebSocket {
		// On 443 IoT Hub asks for the certificate once the request is there, which
		// in TLS 1.2 is a second handshake.
		config.Renegotiation = tls.RenegotiateOnceAsClient
	}
	return config, nil
}

// now is the time that errors name.
func (s Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
