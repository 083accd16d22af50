package iothub

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The filters that a device may subscribe to, besides DeviceboundFilter.
const (
	MethodsFilter       = "$iothub/methods/POST/#"
	TwinResponsesFilter = "$iothub/twin/res/#"
	DesiredFilter       = "$iothub/twin/PATCH/properties/desired/#"
)

const (
	methodRequest  = "$iothub/methods/POST/"
	methodResponse = "$iothub/methods/res/"
	twinGet        = "$iothub/twin/GET/"
	twinReported   = "$iothub/twin/PATCH/properties/reported/"
	twinDesired    = "$iothub/twin/PATCH/properties/desired/"
	twinResponse   = "$iothub/twin/res/"
)

// DeviceboundFilter is the filter for cloud-to-device messages.
func DeviceboundFilter(deviceID string) string {
	return "devices/" + deviceID + "/messages/devicebound/#"
}

// MethodRequestTopic is where the hub sends a direct method to a device.
func MethodRequestTopic(name, rid string) string { return methodRequest + name + "/?$rid=" + rid }

// ParseMethodRequest reads the topic of a direct method.
func ParseMethodRequest(topic string) (name, rid string, err error) {
	path, props, err := splitTopic(topic, methodRequest)
	if err != nil {
		return "", "", err
	}
	if name = strings.TrimSuffix(path, "/"); name == "" || strings.Contains(name, "/") {
		return "", "", errors.New("topic: the method's name is missing")
	}
	rid, err = requestID(props)
	return name, rid, err
}

// MethodResponseTopic is where a device answers a direct method.
func MethodResponseTopic(status int, rid string) string {
	return methodResponse + strconv.Itoa(status) + "/?$rid=" + rid
}

// ParseMethodResponse reads the topic of a device's answer to a direct method.
func ParseMethodResponse(topic string) (status int, rid string, err error) {
	path, props, err := splitTopic(topic, methodResponse)
	if err != nil {
		return 0, "", err
	}
	if status, err = strconv.Atoi(strings.TrimSuffix(path, "/")); err != nil {
		return 0, "", errors.New("topic: the method's status is not a whole number")
	}
	rid, err = requestID(props)
	return status, rid, err
}

// TwinRequest tells what a device asks of its twin.
type TwinRequest int

// The requests that a device makes of its twin.
const (
	TwinGet TwinRequest = iota + 1
	TwinReport
)

// TwinRequestTopic is where a device asks for its twin or reports properties.
func TwinRequestTopic(request TwinRequest, rid string) string {
	if request == TwinReport {
		return twinReported + "?$rid=" + rid
	}
	return twinGet + "?$rid=" + rid
}

// ParseTwinRequest reads the topic of a device's twin request.
func ParseTwinRequest(topic string) (request TwinRequest, rid string, err error) {
	prefix, request := twinGet, TwinGet
	if strings.HasPrefix(topic, twinReported) {
		prefix, request = twinReported, TwinReport
	}
	path, props, err := splitTopic(topic, prefix)
	if err != nil {
		return 0, "", err
	}
	if path != "" {
		return 0, "", fmt.Errorf("topic: %q does not belong into a twin request", path)
	}
	rid, err = requestID(props)
	return request, rid, err
}

// TwinResponse is what the topic of the hub's answer to a twin request says.
type TwinResponse struct {
	Status    int
	RequestID string
	Version   int64 // of the reported properties, after they were changed; else 0
}

// Topic returns the topic of the answer.
func (r TwinResponse) Topic() string {
	topic := twinResponse + strconv.Itoa(r.Status) + "/?$rid=" + r.RequestID
	if r.Version != 0 {
		topic += "&$version=" + strconv.FormatInt(r.Version, 10)
	}
	return topic
}

// ParseTwinResponse reads the topic of the hub's answer to a twin request.
func ParseTwinResponse(topic string) (TwinResponse, error) {
	path, props, err := splitTopic(topic, twinResponse)
	if err != nil {
		return TwinResponse{}, err
	}
	r := TwinResponse{}
	if r.Status, err = strconv.Atoi(strings.TrimSuffix(path, "/")); err != nil {
		return TwinResponse{}, errors.New("topic: the twin's status is not a whole number")
	}
	if r.RequestID, err = requestID(props); err != nil {
		return TwinResponse{}, err
	}
	if v, ok := props.Get("$version"); ok {
		if r.Version, err = strconv.ParseInt(v, 10, 64); err != nil {
			return TwinResponse{}, errors.New("topic: $version is not a whole number")
		}
	}
	return r, nil
}

// DesiredTopic is where the hub sends a change of the desired properties.
func DesiredTopic(version int64) string {
	return twinDesired + "?$version=" + strconv.FormatInt(version, 10)
}

// ParseDesired reads the topic of a change of the desired properties.
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

// EventTopic is where a device sends a device-to-cloud message.
func EventTopic(deviceID string, bag Bag) string {
	return "devices/" + deviceID + "/messages/events/" + bag.Encode()
}

// ParseEvent reads the topic of a device-to-cloud message, of a device or of a module.
func ParseEvent(topic string) (deviceID, moduleID string, bag Bag, err error) {
	parts := strings.SplitN(topic, "/", 7)
	switch {
	case len(parts) >= 4 && parts[0] == "devices" && parts[2] == "messages" && parts[3] == "events":
		deviceID, parts = parts[1], parts[4:]
	case len(parts) >= 6 && parts[0] == "devices" && parts[2] == "modules" && parts[3] != "" && parts[4] == "messages" && parts[5] == "events":
		deviceID, moduleID, parts = parts[1], parts[3], parts[6:]
	default:
		return "", "", nil, errors.New("topic: it is not one for device-to-cloud messages")
	}
	if deviceID == "" {
		return "", "", nil, errors.New("topic: the device id is empty")
	}
	bag, err = ParseBag(strings.TrimSuffix(strings.Join(parts, "/"), "/"))
	return deviceID, moduleID, bag, err
}

// splitTopic takes prefix off topic and returns what is before the '?' and the
// properties after it.
func splitTopic(topic, prefix string) (path string, props Bag, err error) {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return "", nil, fmt.Errorf("topic: it does not start with %s", prefix)
	}
	path, query, _ := strings.Cut(rest, "?")
	props, err = ParseBag(query)
	return path, props, err
}

func requestID(props Bag) (string, error) {
	rid, _ := props.Get("$rid")
	if rid == "" {
		return "", errors.New("topic: $rid is missing")
	}
	return rid, nil
}
