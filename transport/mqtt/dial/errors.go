package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// Explain says what went wrong before MQTT was spoken: while the connection was
// made, or before the login was answered. The error that it returns wraps err.
func (s Server) Explain(err error) error {
	var proxy *proxyError
	if errors.As(err, &proxy) {
		return &textError{fmt.Sprintf("%s at %s: the proxy at %s %s; check the proxy's address and rules, and the network",
			s.Name, s.Address, s.Proxy.Host, proxy), err}
	}
	return &textError{fmt.Sprintf("%s at %s: %s", s.Name, s.Address, s.reason(err)), err}
}

func (s Server) reason(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		op        *net.OpError
		dns       *net.DNSError
		upgrade   *upgradeError
	)
	host, _, _ := net.SplitHostPort(s.Address)
	switch {
	case errors.As(err, &authority):
		return "its certificate is of an authority that this computer does not trust; for a hub of your own set ca_file to its CA's certificate"
	case errors.As(err, &name):
		return fmt.Sprintf("its certificate is for %s, not for %s; use one of these names as endpoint", certificateNames(name.Certificate), host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("its certificate is expired or not valid yet; compare this computer's clock (%s) and the certificate's dates",
			s.now().UTC().Format(time.RFC3339))
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate is not good: %v", invalid)
	case errors.As(err, &record):
		return "it does not speak TLS there; check the port"
	case errors.As(err, &op) && op.Op == "remote error" && s.Certificate != nil: // a TLS alert
		return fmt.Sprintf("it refused the device's certificate (%v); check its dates, and that it is the one that the device is known by", op.Err)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Sprintf("it refused the TLS connection: %v", op.Err)
	case errors.As(err, &upgrade):
		return fmt.Sprintf("%v; check that the address is an IoT Hub's, and whether a proxy stands between", upgrade)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("there is no host of the name %s; check the host name and this computer's DNS", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s could not be looked up (%s); check the network and this computer's DNS", dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refused the connection; check that it runs and the port"
	case isTimeout(err):
		return fmt.Sprintf("no answer within %s; check the network, and that a firewall lets the port out", Timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "it closed the connection before the login was answered; check that the address is an IoT Hub's MQTT port"
	}
	return fmt.Sprintf("no connection: %v; check the network", err)
}

// NoSuchHost reports whether err says that there is no server of that name.
func NoSuchHost(err error) bool {
	var proxy *proxyError
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound && !errors.As(err, &proxy)
}

// textError is a text for people with a cause for programs.
type textError struct {
	text  string
	cause error
}

func (e *textError) Error() string { return e.text }
func (e *textError) Unwrap() error { return e.cause }

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
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
