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
	requestID   string     // encoded as in the topic
	status      int        // used in a methodAnswer
	bag         iothub.Bag // used in an eventRequest
	version     string     // used in a twinReportRequest: the text of $version, or empty
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
		if r == iothub.TwinReport {
			return request{kind: twinReportRequest, requestID: written(topic, "$rid"), version: written(topic, "$version")}, nil
		}
		return request{kind: twinGetRequest, requestID: written(topic, "$rid")}, nil

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

// written returns the value of a field in the topic, such as $rid, as the device wrote
// it, without decoding it. The hub copies the request id to the answer, because devices
// compare the two texts. Decoding and encoding might change the text.
func written(topic, field string) string {
	_, query, _ := strings.Cut(topic, "?")
	for text := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(text, "="); strings.Replace(name, "%24", "$", 1) == field {
			return value
		}
	}
	return ""
}
