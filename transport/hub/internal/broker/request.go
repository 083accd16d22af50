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

// request is a device's request to the hub, parsed from the topic to which the device
// published.
type request struct {
	kind        requestKind
	requestID   string     // decoded for a methodAnswer; otherwise exactly as in the topic
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
			return request{}, fmt.Errorf("the topic belongs to another device or module (%q)", id)
		}
		return request{kind: eventRequest, bag: bag}, nil
	}
	return request{}, errors.New("devices may not publish to this topic")
}

// writtenRequestID returns the value of $rid as the device wrote it in the topic,
// without decoding it. The hub copies the value to the answer, because devices compare
// the two texts. Decoding and encoding might change the text.
func writtenRequestID(topic string) string {
	_, query, _ := strings.Cut(topic, "?")
	for field := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(field, "="); name == "$rid" || name == "%24rid" {
			return value
		}
	}
	return ""
}
