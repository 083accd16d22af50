package mqtt

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

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// ErrLinkEnded is the error of what is asked of a link that has ended, because
// it was lost or because it was closed. Nothing can be sent by it any more; the
// next link is another one.
var ErrLinkEnded = errors.New("the link to the hub has ended")

// refusedError is a CONNACK that says no.
type refusedError struct {
	code byte
	text string
}

func (e *refusedError) Error() string { return e.text }

// refused reports whether err is a login that was refused for what the device
// is or says, not for the state of the hub.
func refused(err error) bool {
	var r *refusedError
	return errors.As(err, &r) && r.code != packets.ErrRefusedServerUnavailable
}

// refusal says what a CONNACK with a code other than 0 means.
func (s *settings) refusal(code byte) error {
	text := fmt.Sprintf("hub at %s: ", s.address)
	switch code {
	case packets.ErrRefusedBadProtocolVersion:
		text += "it does not accept MQTT 3.1.1; check that the address is an IoT Hub's"
	case packets.ErrRefusedIDRejected:
		text += fmt.Sprintf("it refused the client id %q; check the device id", s.Device.DeviceID)
	case packets.ErrRefusedServerUnavailable:
		text += "it is not available at the moment"
	case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
		text += fmt.Sprintf("it refused the login of device %q as not authorized; check the device id and the key, "+
			"that the device exists and is enabled in %s, and this computer's clock (%s)",
			s.Device.DeviceID, s.Device.HostName, s.Now().UTC().Format(time.RFC3339))
	default:
		text += fmt.Sprintf("it refused the connection with the code %d, which MQTT 3.1.1 does not know; check that the address is an IoT Hub's", code)
	}
	return &refusedError{code, text}
}

// dialError says what went wrong before MQTT was spoken.
func (s *settings) dialError(err error) error {
	host, _, _ := net.SplitHostPort(s.address)
	fail := func(format string, args ...any) error {
		return &textError{fmt.Sprintf("hub at %s: ", s.address) + fmt.Sprintf(format, args...), err}
	}
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		dns       *net.DNSError
	)
	switch {
	case errors.As(err, &authority):
		return fail("its certificate is of an authority that this computer does not trust; for a hub of your own set ca_file to its CA's certificate")
	case errors.As(err, &name):
		return fail("its certificate is for %s, not for %s; use one of these names as endpoint", certificateNames(name.Certificate), host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fail("its certificate is expired or not valid yet; compare this computer's clock (%s) and the certificate's dates",
			s.Now().UTC().Format(time.RFC3339))
	case errors.As(err, &invalid):
		return fail("its certificate is not good: %v", invalid)
	case errors.As(err, &record):
		return fail("it does not speak TLS there; check the port")
	case errors.As(err, &alert):
		return fail("it refused the TLS connection: %v", alert)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail("there is no host of the name %s; check the host name and this computer's DNS", dns.Name)
	case errors.As(err, &dns):
		return fail("the name %s could not be looked up (%s); check the network and this computer's DNS", dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail("it refused the connection; check that the hub runs and the port")
	case isTimeout(err):
		return fail("no answer within %s; check the network, and that a firewall lets the port out", connectTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return fail("it closed the connection before the login was answered; check that the address is an IoT Hub's MQTT port")
	}
	return fail("no connection: %v; check the network", err)
}

// lossError says why a link that stood is no more.
func (s *settings) lossError(err error) error {
	why := "the connection broke"
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		why = "the hub closed the link: it was stopped, another client logged in as this device, or the device was disabled or deleted"
	case strings.Contains(err.Error(), "pingresp"): // paho has no error value for it
		why = fmt.Sprintf("the hub did not answer a ping within %s; check the network", s.pingTimeout())
	default:
		why += ": " + err.Error()
	}
	return &textError{fmt.Sprintf("hub at %s: %s", s.address, why), ErrLinkEnded}
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
