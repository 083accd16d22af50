package iothub

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Topic filters to which a device may subscribe. One more filter depends on the
// device's id: see DeviceboundFilter.
const (
	MethodsFilter       = "$iothub/methods/POST/#"
	TwinResponsesFilter = "$iothub/twin/res/#"
	DesiredFilter       = "$iothub/twin/PATCH/properties/desired/#"
)

// Prefixes of the topics to which devices and the hub publish.
const (
	methodRequest  = "$iothub/methods/POST/"
	methodResponse = "$iothub/methods/res/"
	twinGet        = "$iothub/twin/GET/"
	twinReported   = "$iothub/twin/PATCH/properties/reported/"
	twinDesired    = "$iothub/twin/PATCH/properties/desired/"
	twinResponse   = "$iothub/twin/res/"
)

// DeviceboundFilter returns the topic filter for cloud-to-device messages.
func DeviceboundFilter(deviceID string) string {
	return "devices/" + deviceID + "/messages/devicebound/#"
}

// MethodRequestTopic returns the topic to which the hub publishes a direct method. rid
// is the request id.
func MethodRequestTopic(name, rid string) string { return methodRequest + name + "/?$rid=" + rid }

// ParseMethodRequest parses the topic of a direct method. The request id is encoded as
// in the topic.
func ParseMethodRequest(topic string) (name, rid string, err error) {
	path, _, err := splitTopic(topic, methodRequest)
	if err != nil {
		return "", "", err
	}

	name = strings.TrimSuffix(path, "/")
	if name == "" || strings.Contains(name, "/") {
		return "", "", errors.New("topic: the method's name is missing")
	}

	rid, err = requestID(topic)
	return name, rid, err
}

// MethodResponseTopic returns the topic to which a device publishes its answer to a
// direct method.
func MethodResponseTopic(status int, rid string) string {
	return methodResponse + strconv.Itoa(status) + "/?$rid=" + rid
}

// ParseMethodResponse parses the topic of a device's answer to a direct method.
func ParseMethodResponse(topic string) (status int, rid string, err error) {
	path, _, err := splitTopic(topic, methodResponse)
	if err != nil {
		return 0, "", err
	}

	if status, err = strconv.Atoi(strings.TrimSuffix(path, "/")); err != nil {
		return 0, "", errors.New("topic: the method's status is not a whole number")
	}

	rid, err = requestID(topic)
	return status, rid, err
}

// TwinRequest is the kind of request that a device makes for its twin.
type TwinRequest int

// The requests that a device makes for its twin.
const (
	TwinGet    TwinRequest = iota + 1 // read the twin
	TwinReport                        // change the reported properties
)

// TwinRequestTopic returns the topic to which a device publishes a twin request.
func TwinRequestTopic(request TwinRequest, rid string) string {
	if request == TwinReport {
		return twinReported + "?$rid=" + rid
	}
	return twinGet + "?$rid=" + rid
}

// ParseTwinRequest parses the topic of a twin request. The request id is encoded as in
// the topic.
func ParseTwinRequest(topic string) (request TwinRequest, rid string, err error) {
	prefix, request := twinGet, TwinGet
	if strings.HasPrefix(topic, twinReported) {
		prefix, request = twinReported, TwinReport
	}

	path, _, err := splitTopic(topic, prefix)
	if err != nil {
		return 0, "", err
	}
	if path != "" {
		return 0, "", fmt.Errorf("topic: unexpected %q in a twin request", path)
	}

	rid, err = requestID(topic)
	return request, rid, err
}

// TwinResponse holds the values in the topic of the hub's answer to a twin request.
type TwinResponse struct {
	Status    int
	RequestID string // encoded as in the topic
	Version   int64  // new version of the reported properties; 0 in the answer to a TwinGet
}

// Topic returns the topic to which the hub publishes this answer to a twin request.
func (r TwinResponse) Topic() string {
	topic := twinResponse + strconv.Itoa(r.Status) + "/?$rid=" + r.RequestID
	if r.Version != 0 {
		topic += "&$version=" + strconv.FormatInt(r.Version, 10)
	}

	return topic
}

// ParseTwinResponse parses the topic of the hub's answer to a twin request.
func ParseTwinResponse(topic string) (TwinResponse, error) {
	path, props, err := splitTopic(topic, twinResponse)
	if err != nil {
		return TwinResponse{}, err
	}

	r := TwinResponse{}
	if r.Status, err = strconv.Atoi(strings.TrimSuffix(path, "/")); err != nil {
		return TwinResponse{}, errors.New("topic: the twin's status is not a whole number")
	}
	if r.RequestID, err = requestID(topic); err != nil {
		return TwinResponse{}, err
	}
	if v, ok := props.Get("$version"); ok {
		if r.Version, err = strconv.ParseInt(v, 10, 64); err != nil {
			return TwinResponse{}, errors.New("topic: $version is not a whole number")
		}
	}

	return r, nil
}

// DesiredTopic returns the topic to which the hub publishes a change of a twin's
// desired properties. version is the properties' new version.
func DesiredTopic(version int64) string {
	return twinDesired + "?$version=" + strconv.FormatInt(version, 10)
}

// ParseDesired parses the topic of a change of a twin's desired properties. It returns
// the new version of the properties.
func ParseDesired(topic string) (version int64, err error) {
	path, props, err := splitTopic(topic, twinDesired)
	if err != nil {
		return 0, err
	}

	v, _ := props.Get("$version")
	if version, err = strconv.ParseInt(v, 10, 64); err != nil || path != "" {
		return 0, errors.New("topic: $version is not a whole number")
	}

	return version, nil
}

// EventTopic returns the topic to which a device publishes a device-to-cloud message.
func EventTopic(deviceID string, bag Bag) string {
	return "devices/" + deviceID + "/messages/events/" + bag.Encode()
}

// ParseEvent parses the topic of a device-to-cloud message. The returned moduleID is
// empty unless a module published the message.
func ParseEvent(topic string) (deviceID, moduleID string, bag Bag, err error) {
	parts := strings.SplitN(topic, "/", 7)
	switch {
	case len(parts) >= 4 && parts[0] == "devices" && parts[2] == "messages" && parts[3] == "events":
		deviceID, parts = parts[1], parts[4:]
	case len(parts) >= 6 && parts[0] == "devices" && parts[2] == "modules" && parts[3] != "" && parts[4] == "messages" && parts[5] == "events":
		deviceID, moduleID, parts = parts[1], parts[3], parts[6:]
	default:
		return "", "", nil, errors.New("topic: want devices/ID/messages/events/")
	}
	if deviceID == "" {
		return "", "", nil, errors.New("topic: the device id is empty")
	}

	bag, err = ParseBag(strings.TrimSuffix(strings.Join(parts, "/"), "/"))
	return deviceID, moduleID, bag, err
}

// splitTopic removes prefix from topic and splits the rest at the '?'. It returns the
// text before the '?' and the properties after it.
func splitTopic(topic, prefix string) (path string, props Bag, err error) {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return "", nil, fmt.Errorf("topic: it does not start with %s", prefix)
	}

	path, query, _ := strings.Cut(rest, "?")
	props, err = ParseBag(query)
	return path, props, err
}

// requestID returns the request id, which a topic's properties call $rid. It does not
// decode the id: an answer must repeat the id exactly, and a decoded # or + would make
// its topic invalid.
func requestID(topic string) (string, error) {
	_, query, _ := strings.Cut(topic, "?")
	for field := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(field, "=")
		if (name == "$rid" || name == "%24rid") && value != "" {
			return value, nil
		}
	}

	return "", errors.New("topic: $rid is missing")
}
