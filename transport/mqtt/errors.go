package mqtt

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/mqtt/dial"
)

// ErrLinkEnded means that the link was lost or closed, so nothing more can be sent
// through it. Run calls serve again with a new link.
var ErrLinkEnded = errors.New("the link to the hub has ended")

// errClosedByHub means that the hub closed the connection, by a normal close or a reset.
var errClosedByHub = fmt.Errorf("closed by the hub: %w", ErrLinkEnded)

// errRequestClosed means that the hub closed the connection while the device waited for
// the answer to a request. IoT Hub closes the connection of a device that exceeds a
// quota or a throttling limit (IoT Hub documentation, "Quotas and throttling").
var errRequestClosed = fmt.Errorf("closed by the hub during a request: %w", ErrLinkEnded)

// refusedError means that the hub refused the login in its CONNACK.
type refusedError struct {
	code byte // return code of the CONNACK, as defined by MQTT 3.1.1
	text string
}

func (e *refusedError) Error() string { return e.text }

// refusal returns the error for a refused login. code is the return code of the
// CONNACK.
func (s *settings) refusal(code byte) error {
	text := fmt.Sprintf("hub at %s: ", s.server.Address)

	switch code {
	case packets.ErrRefusedBadProtocolVersion:
		text += "it does not accept MQTT 3.1.1; check that the address belongs to an IoT Hub"
	case packets.ErrRefusedIDRejected:
		text += fmt.Sprintf("it refused the client id %q; check the device id", s.Device.DeviceID)
	case packets.ErrRefusedServerUnavailable:
		text += "it is temporarily unavailable"
	case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
		proof := "key"
		if s.Device.X509 {
			proof = "certificate"
		}
		text += fmt.Sprintf("it refused the login of device %q as not authorized; check the device id and the %s, "+
			"that the device exists and is enabled in %s, and this computer's clock (%s)",
			s.Device.DeviceID, proof, s.Device.HostName, s.Now().UTC().Format(time.RFC3339))
	default:
		text += fmt.Sprintf("it refused the connection with code %d, which MQTT 3.1.1 does not define; check that the address belongs to an IoT Hub", code)
	}

	return &refusedError{code, text}
}

// lossError returns an error that says why a link was lost. err is the error from the
// paho client. waiting names what the hub had not done yet, such as "acknowledged a
// message"; it is empty if no request was waiting.
func (s *settings) lossError(err error, waiting string) error {
	reason, cause := "the connection broke", ErrLinkEnded

	bad, isBad := errors.AsType[*dial.PacketError](err)
	closed := err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	switch {
	case isBad:
		reason = "the device closed the link, because the hub sent an invalid packet: " + bad.Problem
	case closed && waiting != "":
		cause = errRequestClosed
		reason = fmt.Sprintf("the hub closed the link before it %s: the hub was stopped, or the device is above a quota or limit of the hub", waiting)
	case closed:
		cause = errClosedByHub
		reason = "the hub closed the link: the hub was stopped, another client logged in as this device, or the device was disabled or deleted"
	case strings.Contains(err.Error(), "pingresp"): // paho has no error value for an unanswered ping
		reason = fmt.Sprintf("the hub did not answer a ping within %s; check the network", s.pingTimeout())
	default:
		reason += ": " + err.Error()
	}

	return &explainedError{fmt.Sprintf("hub at %s: %s", s.server.Address, reason), cause}
}

// explainedError is an error with a text for users. Its text does not repeat the text
// of its cause.
type explainedError struct {
	text  string
	cause error
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.cause }
