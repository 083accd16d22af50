package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/latchd/latchd/transport/trust"
)

// NetworkError reports that the hub did not answer a request.
type NetworkError struct {
	Address string // HOST:PORT to which the client connected
	Kind    NetworkKind
	Problem string // the problem, in words for users
	Remedy  string // advice for users; empty if the client has no advice
	cause   error
}

// NetworkKind says at which step the exchange with the hub failed.
type NetworkKind int

// The kinds of network errors.
const (
	Unreachable  NetworkKind = iota + 1 // no connection was opened, so the client sent nothing
	NotTrusted                          // the issuer of the hub's certificate is not trusted
	WrongName                           // the hub's certificate is for another name
	NotValid                            // the hub's certificate is expired or invalid, or the server does not speak TLS
	Unanswered                          // no answer arrived in time; the hub may have carried out the request
	Disconnected                        // the connection broke; the hub may have carried out the request
)

// Error returns the address, the problem and the remedy.
func (e *NetworkError) Error() string {
	text := "hub at " + e.Address + ": " + e.Problem
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// Unwrap returns the error of the HTTP client that caused the network error.
func (e *NetworkError) Unwrap() error { return e.cause }

// Sent reports whether the hub may have received the request and carried it out.
func (e *NetworkError) Sent() bool { return e.Kind == Unanswered || e.Kind == Disconnected }

// Temporary reports whether the same request may succeed later if nothing on this
// computer changes.
func (e *NetworkError) Temporary() bool { return e.Kind == Unreachable || e.Sent() }

// proxyRefusal means that the proxy refused to connect to the hub.
type proxyRefusal struct{ host, status string }

func (e *proxyRefusal) Error() string { return "proxy " + e.host + ": " + e.status }

// networkError makes a NetworkError from an error of the HTTP client. limit is how long
// the client waited for the answer. If the caller cancelled the request, networkError
// returns the error of ctx.
func (c *Client) networkError(ctx context.Context, err error, limit time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}

	e := c.connectionError(err)
	if e == nil {
		e = c.handshakeError(err)
	}
	if e == nil {
		e = exchangeError(err, limit)
	}

	e.Address, e.cause = c.address, err
	return e
}

// connectionError explains why the client could not connect to the hub or its proxy. It
// returns nil if err has another cause than the TCP connection.
func (c *Client) connectionError(err error) *NetworkError {
	const proxyRemedy = "check HTTPS_PROXY and NO_PROXY"

	op, isOp := errors.AsType[*net.OpError](err)
	if refusal, ok := errors.AsType[*proxyRefusal](err); ok {
		return &NetworkError{Kind: Unreachable,
			Problem: fmt.Sprintf("the proxy %s refused to connect to the hub: %s", refusal.host, refusal.status),
			Remedy:  proxyRemedy}
	}
	if isOp && op.Op == "proxyconnect" {
		return &NetworkError{Kind: Unreachable,
			Problem: fmt.Sprintf("the proxy %s is not reachable: %s", c.Proxy(), dialProblem(op)),
			Remedy:  proxyRemedy}
	}

	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return &NetworkError{Kind: Unreachable,
			Problem: "there is no host named " + dns.Name,
			Remedy:  "check HostName in the connection string, or use --endpoint"}
	} else if ok {
		return &NetworkError{Kind: Unreachable,
			Problem: fmt.Sprintf("the name %s could not be looked up: %s", dns.Name, dns.Err),
			Remedy:  "check the network and this computer's DNS"}
	}

	if isOp && (op.Op == "dial" || op.Op == "socks connect") {
		return &NetworkError{Kind: Unreachable,
			Problem: "not reachable: " + dialProblem(op),
			Remedy:  "check that the hub is running, and check the network"}
	}

	return nil
}

// handshakeError explains why the TLS handshake failed. It returns nil if err has
// another cause.
func (c *Client) handshakeError(err error) *NetworkError {
	host, _, _ := net.SplitHostPort(c.address)
	handshake := trust.Handshake{Host: host, Time: c.now(), CAOption: "--ca-file"}
	failure := handshake.Explain(err)
	if failure == nil {
		return nil
	}

	kind := NotValid
	switch failure.Kind {
	case trust.UnknownAuthority:
		kind = NotTrusted
	case trust.WrongName:
		kind = WrongName
	case trust.Refused:
		kind = Disconnected // some servers send a TLS alert only after the request
	}

	return &NetworkError{Kind: kind, Problem: failure.Problem, Remedy: failure.Remedy}
}

// exchangeError explains why the hub's answer did not arrive over an open connection.
func exchangeError(err error, limit time.Duration) *NetworkError {
	timeout, ok := errors.AsType[net.Error](err)
	if errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout() {
		return &NetworkError{Kind: Unanswered, Problem: fmt.Sprintf("no answer within %s", limit)}
	}

	reason := rootCause(err).Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "the server closed it"
	}
	return &NetworkError{Kind: Disconnected, Problem: "the connection was lost before the answer arrived: " + reason}
}

// dialProblem returns a short text for a failed connection attempt, such as "connection
// refused".
func dialProblem(op *net.OpError) string {
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
