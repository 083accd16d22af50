package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// maxRequestID is the maximum length of a device's request id, in bytes as written in the
// topic. IoT Hub documents no limit; its SDKs use 36 bytes. Without a limit, the topic of
// the answer could exceed the 65,535 bytes that MQTT allows.
const maxRequestID = 1024

var errRequestID = fmt.Errorf("the request id is longer than %d bytes", maxRequestID)

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

		requestID := written(topic, "$rid")
		switch {
		case len(requestID) > maxRequestID:
			return request{}, errRequestID
		case r == iothub.TwinReport:
			return request{kind: twinReportRequest, requestID: requestID, version: written(topic, "$version")}, nil
		}
		return request{kind: twinGetRequest, requestID: requestID}, nil

	case strings.HasPrefix(topic, "devices/"):
		id, module, bag, err := iothub.ParseEvent(topic)
		if err != nil {
			return request{}, err
		}
		if id != deviceID || module != "" {
			return request{}, errors.New("the topic belongs to another device or to a module")
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
