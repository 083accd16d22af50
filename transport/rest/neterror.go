package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// NetworkError is a request that got no answer. Its text is for a person.
type NetworkError struct {
	Address string // host:port that was dialled
	Kind    NetworkKind
	text    string
	err     error
}

// NetworkKind tells network errors apart.
type NetworkKind int

// The kinds of network errors.
const (
	Unreachable  NetworkKind = iota + 1 // no connection came about: nothing was sent
	NotTrusted                          // the certificate is of an unknown authority
	WrongName                           // the certificate is for another name
	NotValid                            // the certificate is expired or otherwise not good
	Unanswered                          // no answer in time: the request may have been carried out
	Disconnected                        // the connection broke: the request may have been carried out
)

// Error says what is wrong and what to do.
func (e *NetworkError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.err }

// Sent reports whether the hub may have got the request, and carried it out.
func (e *NetworkError) Sent() bool { return e.Kind == Unanswered || e.Kind == Disconnected }

// Temporary reports whether the same request may succeed a while later with
// nothing changed on this side.
func (e *NetworkError) Temporary() bool { return e.Kind == Unreachable || e.Sent() }

// proxyRefusal is a proxy's answer that it makes no connection to the hub.
type proxyRefusal struct{ host, status string }

// Error says what the proxy said.
func (e *proxyRefusal) Error() string { return "proxy " + e.host + ": " + e.status }

// networkError turns what the HTTP client says into a NetworkError. If the
// caller's own context ended, that is the error.
func (c *Client) networkError(ctx context.Context, err error, limit time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	host, _, _ := net.SplitHostPort(c.address)
	fail := func(kind NetworkKind, format string, args ...any) error {
		return &NetworkError{Address: c.address, Kind: kind, text: fmt.Sprintf(format, args...), err: err}
	}
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		dns       *net.DNSError
		op        *net.OpError
		proxy     *proxyRefusal
	)
	dialling := errors.As(err, &op) && (op.Op == "dial" || op.Op == "socks connect")
	switch {
	case errors.As(err, &proxy):
		return fail(Unreachable, "hub at %s: the proxy %s does not let us through: %s; check HTTPS_PROXY and NO_PROXY", c.address, proxy.host, proxy.status)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return fail(Unreachable, "hub at %s: the proxy %s is not reachable: %s; check HTTPS_PROXY and NO_PROXY", c.address, c.Proxy(), cause(op))
	case errors.As(err, &authority):
		return fail(NotTrusted, "hub at %s: its certificate is of an authority that this computer does not trust; "+
			"for a hub of your own give its CA with --ca-file FILE", c.address)
	case errors.As(err, &name):
		return fail(WrongName, "hub at %s: its certificate is for %s, not for %s; use one of these names as endpoint",
			c.address, certificateNames(name.Certificate), host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fail(NotValid, "hub at %s: its certificate is expired or not valid yet; compare this computer's clock (%s) and the certificate's dates",
			c.address, c.now().UTC().Format(time.RFC3339))
	case errors.As(err, &invalid):
		return fail(NotValid, "hub at %s: its certificate is not good: %v", c.address, invalid)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return fail(NotValid, "hub at %s: it does not speak TLS there; check the port of the endpoint", c.address)
	case errors.As(err, &alert):
		return fail(NotValid, "hub at %s: it refused the TLS connection: %v", c.address, alert)
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return fail(Unreachable, "hub at %s: there is no host of the name %s; check HostName in the connection string, or give --endpoint", c.address, dns.Name)
		}
		return fail(Unreachable, "hub at %s: the name %s could not be looked up: %s", c.address, dns.Name, dns.Err)
	case dialling:
		return fail(Unreachable, "hub at %s: not reachable: %s; check that it runs, and the network between", c.address, cause(op))
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fail(Unanswered, "hub at %s: no answer within %s", c.address, limit)
	}
	why := rootCause(err).Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		why = "it was closed"
	}
	return fail(Disconnected, "hub at %s: the connection was lost before the answer came: %s", c.address, why)
}

// cause is the innermost text of a failed dial: "connection refused".
func cause(op *net.OpError) string {
	if op.Timeout() {
		return "no answer to the connection attempt"
	}
	return rootCause(op.Err).Error()
}

func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func certificateNames(cert *x509.Certificate) string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name"
	}
	return strings.Join(names, ", ")
}
