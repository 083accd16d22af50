// Package dial opens the connections that carry MQTT: to a hub or a provisioning
// service, over TLS or WebSocket, directly or through a proxy. Fill in a [Server] and
// call [Server.Connect].
//
// Guarantees:
//   - All connections of a device go through Connect.
//   - The package reads no proxy from the environment. A main that wants that passes
//     the proxy in Server.Proxy.
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
	// Timeout limits Connect: name lookup, proxy, TCP, TLS and WebSocket together.
	Timeout = 30 * time.Second

	mqttPort      = "8883" // MQTT over TLS
	websocketPort = "443"  // MQTT over WebSocket
)

// Server is the server to connect to, and the way to it.
type Server struct {
	// Name is the kind of server in errors, such as "hub".
	Name string
	// Address is HOST:PORT, as the function Address returns it. The server's
	// certificate must be for HOST.
	Address string
	// RootCAs holds the CA certificates to trust. Nil means those of the system.
	RootCAs *x509.CertPool
	// Certificate returns the device's own certificate. Connect calls it for each
	// attempt, so that a renewed certificate is used. Nil means that the device has no
	// certificate.
	Certificate func() (tls.Certificate, error)
	// WebSocket carries MQTT in a WebSocket at IoT Hub's path.
	WebSocket bool
	// Proxy is the proxy to connect through, as ParseProxy returns it. Nil means no
	// proxy.
	Proxy *url.URL
	// Now returns the time at which certificates are checked. Nil means time.Now.
	Now func() time.Time
	// Dial opens TCP connections. Nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Address returns HOST:PORT for target, which is HOST or HOST:PORT. The default port is
// 8883, or 443 for WebSocket.
func Address(target string, webSocket bool) (string, error) {
	bad := fmt.Errorf("invalid address %q; want HOST or HOST:PORT", target)
	if strings.ContainsAny(target, " /") {
		return "", bad
	}

	port := mqttPort
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

// Check returns an error if Connect can never succeed.
func (s Server) Check() error {
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return fmt.Errorf("invalid address %q; want HOST:PORT", s.Address)
	}

	if s.Proxy != nil && s.Proxy.Scheme == "http" && !s.WebSocket {
		return errors.New("an HTTP proxy works only with WebSocket; use WebSocket or a SOCKS proxy")
	}

	return nil
}

// Connect opens a connection on which the client can send MQTT at once. Reading from
// the connection fails if a packet is larger than MaxPacket. The errors of Connect say
// what to do and wrap their cause.
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
	return &limitedConn{Conn: conn}, nil
}

func (s Server) connect(ctx context.Context, config *tls.Config) (net.Conn, error) {
	raw, err := s.openTCP(ctx)
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

	// GetClientCertificate sends the certificate in any case. Go would not send one
	// from config.Certificates if the server lists only authorities that did not issue
	// it. A hub that knows the device by its thumbprint lists no such authority.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	if s.WebSocket {
		// On port 443, IoT Hub asks for the certificate only after it has read the
		// request. In TLS 1.2 that requires a second handshake.
		config.Renegotiation = tls.RenegotiateOnceAsClient
	}
	return config, nil
}

// now returns the time at which certificates are checked.
func (s Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
