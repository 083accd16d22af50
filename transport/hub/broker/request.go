package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

type requestKind uint8

const (
	eventRequest requestKind = iota + 1
	twinGetRequest
	twinReportRequest
	methodAnswer
	registerRequest
	operationRequest
)

// request is the meaning of a topic to which a device published.
type request struct {
	kind        requestKind
	requestID   string     // decoded in a methodAnswer; in other kinds, the text in the topic
	status      int        // used in a methodAnswer
	bag         iothub.Bag // used in an eventRequest
	operationID string     // used in an operationRequest
}

// parseRequest parses the topic to which a device published. It returns an error if
// the device may not publish to that topic.
func parseRequest(topic, deviceID string) (request, error) {
	switch {
	case strings.HasPrefix(deviceID, registrationPrefix):
		return parseRegistrationRequest(topic)

	case strings.HasPrefix(topic, "$iothub/methods/res/"):
		status, requestID, err := iothub.ParseMethodResponse(topic)
		return request{kind: methodAnswer, requestID: requestID, status: status}, err

	case strings.HasPrefix(topic, "$iothub/twin/"):
		r, _, err := iothub.ParseTwinRequest(topic)
		if err != nil {
			return request{}, err
		}
		kind := twinGetRequest
		if r == iothub.TwinReport {
			kind = twinReportRequest
		}
		return request{kind: kind, requestID: writtenRequestID(topic)}, nil

	case strings.HasPrefix(topic, "devices/"):
		id, module, bag, err := iothub.ParseEvent(topic)
		if err != nil {
			return request{}, err
		}
		if id != deviceID || module != "" {
			return request{}, fmt.Errorf("topic: it belongs to another device or module (%q)", id)
		}
		return request{kind: eventRequest, bag: bag}, nil
	}
	return request{}, errors.New("topic: devices may not publish to it")
}

// writtenRequestID returns the text of $rid in the topic without decoding it. The
// answer must contain the same text, because devices compare it, and decoding and
// encoding might change it.
func writtenRequestID(topic string) string {
	_, query, _ := strings.Cut(topic, "?")
	for field := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(field, "="); name == "$rid" || name == "%24rid" {
			return value
		}
	}
	return ""
}
