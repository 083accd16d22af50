package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/latchd/latchd/transport/trust"
)

// Explain adds a text for the user to the error of a connection that failed before the
// server answered the MQTT login. The text says why the connection failed and what the
// user can do. The returned error wraps err.
func (s Server) Explain(err error) error {
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		return &explainedError{fmt.Sprintf("%s at %s: the proxy at %s %s; check the proxy's address and rules, and the network",
			s.Name, s.Address, s.Proxy.Host, proxy), err}
	}

	return &explainedError{fmt.Sprintf("%s at %s: %s", s.Name, s.Address, s.reason(err)), err}
}

// reason says why the connection failed. It handles all causes except a proxy.
func (s Server) reason(err error) string {
	host, _, _ := net.SplitHostPort(s.Address)
	handshake := trust.Handshake{
		Host:              host,
		Time:              s.now(),
		CAOption:          "ca_file",
		ClientCertificate: s.Certificate != nil,
	}
	if failure := handshake.Explain(err); failure != nil {
		return failure.Error()
	}

	upgrade, upgradeRefused := errors.AsType[*upgradeError](err)
	dns, lookupFailed := errors.AsType[*net.DNSError](err)
	bad, isBad := errors.AsType[*PacketError](err)
	switch {
	case isBad:
		return bad.Error() + "; check that the address belongs to the MQTT server of an IoT Hub"
	case upgradeRefused:
		return fmt.Sprintf("%v; check that the address belongs to an IoT Hub, and that no proxy answers instead of the hub", upgrade)
	case lookupFailed && dns.IsNotFound:
		return fmt.Sprintf("there is no host named %s; check the host name and this computer's DNS", dns.Name)
	case lookupFailed:
		return fmt.Sprintf("the name %s could not be looked up (%s); check the network and this computer's DNS", dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refused the connection; check that the server is running, and check the port"
	case isTimeout(err):
		return fmt.Sprintf("no answer within %s; check the network, and that no firewall blocks the port", Timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "it closed the connection before it answered the login; check that the address belongs to the MQTT server of an IoT Hub"
	}

	return fmt.Sprintf("no connection: %v; check the network", err)
}

// NoSuchHost reports whether err means that the server's name does not exist. It
// returns false if only the proxy's name does not exist.
func NoSuchHost(err error) bool {
	if _, ok := errors.AsType[*proxyError](err); ok {
		return false
	}

	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// explainedError is an error with a text for users. Its text does not repeat the text
// of its cause.
type explainedError struct {
	text  string
	cause error
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.cause }

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}
