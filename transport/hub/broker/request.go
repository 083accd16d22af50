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

// request is what a device asks or tells by publishing to a topic.
type request struct {
	kind      requestKind
	rid       string     // of method answers, decoded; of others, as it was written
	status    int        // of method answers
	bag       iothub.Bag // of events
	operation string     // of a registration
}

// parseRequest reads the topic of a packet that a device published. Every topic
// that is not one of the device's own is an error.
func parseRequest(topic, deviceID string) (request, error) {
	switch {
	case strings.HasPrefix(deviceID, registrationPrefix):
		return parseRegistrationRequest(topic)
	case strings.HasPrefix(topic, "$iothub/methods/res/"):
		status, rid, err := iothub.ParseMethodResponse(topic)
		return request{kind: methodAnswer, rid: rid, status: status}, err
	case strings.HasPrefix(topic, "$iothub/twin/"):
		r, _, err := iothub.ParseTwinRequest(topic)
		if err != nil {
			return request{}, err
		}
		kind := twinGetRequest
		if r == iothub.TwinReport {
			kind = twinReportRequest
		}
		return request{kind: kind, rid: writtenRequestID(topic)}, nil
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
	return request{}, errors.New("topic: it is none of those that a device can publish to")
}

// writtenRequestID returns $rid as it stands in the topic, since devices compare
// the text: decoding and encoding might not give the same back.
func writtenRequestID(topic string) string {
	_, query, _ := strings.Cut(topic, "?")
	for field := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(field, "="); name == "$rid" || name == "%24rid" {
			return value
		}
	}
	return ""
}
