// Package dial opens the connections that carry MQTT. A connection leads to a hub or a
// provisioning service, over TLS or WebSocket, directly or through a proxy. Fill in a
// [Server] and call [Server.Connect].
//
// Guarantees:
//   - All connections of a device go through Connect.
//   - The package does not read proxy settings from the environment. The caller sets
//     Server.Proxy.
package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/addresses"
	"github.com/latchd/latchd/transport/trust"
)

const (
	// Timeout limits Connect as a whole: name lookup, proxy, TCP, TLS and WebSocket
	// together.
	Timeout = 30 * time.Second

	mqttPort      = "8883" // MQTT over TLS
	websocketPort = "443"  // MQTT over WebSocket
)

// Server says which server to connect to, and how.
type Server struct {
	// Name says what kind of server it is, such as "hub". Errors contain the name.
	Name string
	// Address is the server's HOST:PORT. Use the function Address to make it. The
	// server's certificate must be valid for HOST.
	Address string
	// RootCAs returns the CA certificates that may vouch for the server. Connect calls it
	// for each attempt. Nil means the system's CA certificates.
	RootCAs trust.Roots
	// Certificate returns the device's own certificate. Connect calls it for each
	// attempt, so a renewed certificate takes effect at the next attempt. Nil means
	// that the device has no certificate.
	Certificate func() (tls.Certificate, error)
	// WebSocket sends MQTT through a WebSocket, at the URL path that IoT Hub uses.
	WebSocket bool
	// Proxy is the address of the proxy. Use ParseProxy to make it. Nil means a direct
	// connection.
	Proxy *url.URL
	// Now returns the time at which certificates are checked. Nil means time.Now.
	Now func() time.Time
	// Addresses remembers which addresses of the server, or of the proxy, did not work.
	// Use the same value for all connections to a server, and call its method Works when
	// a connection works. Nil means that each connection begins with the first address.
	Addresses *addresses.Memory
	// Lookup returns the addresses of a host. Nil means the system's resolver.
	Lookup addresses.Lookup
	// Dial opens TCP connections. Nil means a net.Dialer without keep-alive. If Lookup is
	// nil, Dial also looks up names.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Address returns HOST:PORT for target, which may be HOST or HOST:PORT. The default
// port is 8883, or 443 for WebSocket.
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
	if err != nil { // target has no port, or is an IPv6 address without brackets
		host, p, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(target, "[]"), port))
	}
	if err != nil || host == "" || p == "" {
		return "", bad
	}

	return net.JoinHostPort(host, p), nil
}

// Check returns an error if the fields of s are invalid, so that Connect can never
// succeed.
func (s Server) Check() error {
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return fmt.Errorf("invalid address %q; want HOST:PORT", s.Address)
	}

	if s.Proxy != nil && s.Proxy.Scheme == "http" && !s.WebSocket {
		return errors.New("an HTTP proxy works only with WebSocket; use WebSocket or a SOCKS proxy")
	}

	return nil
}

// Connect opens a connection that is ready for MQTT. Reading from the connection fails
// with a *PacketError at the start of an invalid packet and of a packet larger than
// MaxPacket. Connect's errors tell the user what to do and wrap their cause.
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
	return newCheckedConn(conn), nil
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

	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, Time: s.Now}
	if s.RootCAs != nil {
		if config.RootCAs, err = s.RootCAs(); err != nil {
			return nil, err
		}
	}
	if s.Certificate == nil {
		return config, nil
	}

	certificate, err := s.Certificate()
	if err != nil {
		return nil, fmt.Errorf("read the device's certificate: %w", err)
	}

	// GetClientCertificate sends the device's certificate to every server. With
	// config.Certificates, Go sends a certificate only if the server lists its issuer.
	// A hub that knows the device by a thumbprint does not list the issuer.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	if s.WebSocket {
		// On port 443, IoT Hub asks for the device's certificate only after it has read
		// the request. In TLS 1.2 this late question requires a second handshake.
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
