package mqtt

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// ErrLinkEnded is the error of what is asked of a link that has ended, because
// it was lost or because it was closed. Nothing can be sent by it any more; the
// next link is another one.
var ErrLinkEnded = errors.New("the link to the hub has ended")

// errClosedByHub is the cause of links that ended in good order, or nearly so.
var errClosedByHub = fmt.Errorf("closed by the hub: %w", ErrLinkEnded)

// refusedError is a CONNACK that says no.
type refusedError struct {
	code byte
	text string
}

func (e *refusedError) Error() string { return e.text }

// refusal says what a CONNACK with a code other than 0 means.
func (s *settings) refusal(code byte) error {
	text := fmt.Sprintf("hub at %s: ", s.server.Address)
	switch code {
	case packets.ErrRefusedBadProtocolVersion:
		text += "it does not accept MQTT 3.1.1; check that the address is an IoT Hub's"
	case packets.ErrRefusedIDRejected:
		text += fmt.Sprintf("it refused the client id %q; check the device id", s.Device.DeviceID)
	case packets.ErrRefusedServerUnavailable:
		text += "it is not available at the moment"
	case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
		proof := "key"
		if s.Device.X509 {
			proof = "certificate"
		}
		text += fmt.Sprintf("it refused the login of device %q as not authorized; check the device id and the %s, "+
			"that the device exists and is enabled in %s, and this computer's clock (%s)",
			s.Device.DeviceID, proof, s.Device.HostName, s.Now().UTC().Format(time.RFC3339))
	default:
		text += fmt.Sprintf("it refused the connection with the code %d, which MQTT 3.1.1 does not know; check that the address is an IoT Hub's", code)
	}
	return &refusedError{code, text}
}

// lossError says why a link that stood is no more.
func (s *settings) lossError(err error) error {
	why, cause := "the connection broke", ErrLinkEnded
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		cause = errClosedByHub
		why = "the hub closed the link: it was stopped, another client logged in as this device, or the device was disabled or deleted"
	case strings.Contains(err.Error(), "pingresp"): // paho has no error value for it
		why = fmt.Sprintf("the hub did not answer a ping within %s; check the network", s.pingTimeout())
	default:
		why += ": " + err.Error()
	}
	return &textError{fmt.Sprintf("hub at %s: %s", s.server.Address, why), cause}
}

// textError is a text for people with a cause for programs.
type textError struct {
	text  string
	cause error
}

func (e *textError) Error() string { return e.text }
func (e *textError) Unwrap() error { return e.cause }
