package rest

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/addresses"
	"github.com/latchd/latchd/transport/trust"
)

// connectTime limits the time for a TCP connection to one address.
const connectTime = 10 * time.Second

// errNoHandshake means that a server accepted a connection but did not speak TLS in time.
var errNoHandshake = errors.New("it accepts connections, but does not answer the TLS handshake")

// transport sends requests to a hub. It uses the CA certificates that roots returns at the
// time of the request, and tries all addresses of the hub.
type transport struct {
	roots     trust.Roots // nil means the system's CA certificates
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	lookup    addresses.Lookup
	addresses addresses.Memory

	handshakeTime time.Duration // limits the TLS handshake with one address; 0 means 10 s

	mu      sync.Mutex
	pool    *x509.CertPool // CA certificates that current trusts
	current *http.Transport
}

// RoundTrip sends a request and returns its answer.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	current, err := t.withRoots()
	if err != nil {
		return nil, err
	}
	return current.RoundTrip(r)
}

// CloseIdleConnections closes the connections that no request is using.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
}

// withRoots returns an HTTP transport that trusts the present CA certificates. Connections
// of an earlier transport end when their requests have ended.
func (t *transport) withRoots() (*http.Transport, error) {
	var pool *x509.CertPool
	if t.roots != nil {
		var err error
		if pool, err = t.roots(); err != nil {
			return nil, err
		}
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil || pool != t.pool {
		if t.current != nil {
			t.current.CloseIdleConnections()
		}
		t.pool, t.current = pool, t.newHTTP(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	}
	return t.current, nil
}

// newHTTP returns a transport for HTTP/1.1, the version that the official SDK uses. HTTP/2
// is disabled, because Go's HTTP/2 transport may repeat a request on its own.
func (t *transport) newHTTP(config *tls.Config) *http.Transport {
	h := &http.Transport{
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   cmp.Or(t.handshakeTime, 10*time.Second),
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
			if res.StatusCode != http.StatusOK {
				return &proxyRefusal{proxy.Host, res.Status}
			}
			return nil
		},
	}
	if t.dial != nil {
		h.DialContext = t.dial
		return h
	}

	dialer := &net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}
	h.Proxy, h.DialContext = http.ProxyFromEnvironment, dialer.DialContext
	// The handshake is a part of the dial, so that an address without TLS does not hold up
	// the request.
	h.DialTLSContext = func(ctx context.Context, network, hostPort string) (net.Conn, error) {
		conn, err := addresses.Connect(ctx, hostPort, &t.addresses, t.lookup, func(ctx context.Context, address string) (net.Conn, error) {
			return dialTLS(ctx, dialer, h, hostPort, address)
		})
		if err == nil {
			t.addresses.WorksAt(conn.RemoteAddr().String())
		}
		return conn, err
	}
	return h
}

// dialTLS opens a TLS connection to an address of the host in hostPort, with the settings of
// the transport h.
func dialTLS(ctx context.Context, dialer *net.Dialer, h *http.Transport, hostPort, address string) (net.Conn, error) {
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}

	config := h.TLSClientConfig.Clone()
	if config.ServerName, _, err = net.SplitHostPort(hostPort); err != nil {
		raw.Close()
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, h.TLSHandshakeTimeout)
	defer cancel()

	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(limited); err != nil {
		raw.Close()
		if limited.Err() != nil && ctx.Err() == nil {
			err = &net.OpError{Op: "dial", Net: "tcp", Addr: raw.RemoteAddr(), Err: errNoHandshake}
		}
		return nil, err
	}
	return conn, nil
}
