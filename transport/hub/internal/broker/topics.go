package broker

import (
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// topicGroup is a group of MQTT topics that one filter selects, such as all direct
// method calls.
type topicGroup uint8

const (
	methodTopics topicGroup = iota
	twinResponseTopics
	desiredTopics
	deviceboundTopics
	registrationTopics
	topicGroups // the number of groups
)

// filter returns the topic filter with which a device subscribes to the group.
func (g topicGroup) filter(deviceID string) string {
	switch g {
	case methodTopics:
		return iothub.MethodsFilter
	case twinResponseTopics:
		return iothub.TwinResponsesFilter
	case desiredTopics:
		return iothub.DesiredFilter
	case registrationTopics:
		return registrationFilter
	default:
		return iothub.DeviceboundFilter(deviceID)
	}
}

// topicGroupOf returns the group that a topic filter selects. It returns false if the
// device may not subscribe with this filter. The filter must be spelled exactly as IoT
// Hub documents it; an equivalent filter is refused. A device that is registering may
// subscribe only to registrationTopics, and other devices may not.
func topicGroupOf(filter, deviceID string) (topicGroup, bool) {
	registers := strings.HasPrefix(deviceID, registrationPrefix)
	for g := range topicGroups {
		if g.filter(deviceID) == filter && registers == (g == registrationTopics) {
			return g, true
		}
	}
	return 0, false
}

// subscriptions holds, for each topic group, the granted QoS plus one. 0 means that the
// device is not subscribed to the group.
type subscriptions [topicGroups]uint8

func (s subscriptions) has(g topicGroup) bool { return s[g] != 0 }

// filters returns a map from topic filter to QoS, the form in which the Backend stores
// subscriptions.
func (s subscriptions) filters(deviceID string) map[string]byte {
	filters := make(map[string]byte)
	for g := range topicGroups {
		if s.has(g) {
			filters[g.filter(deviceID)] = s[g] - 1
		}
	}
	return filters
}

// parseSubscriptions reads subscriptions from their stored form, a map from topic filter
// to QoS. It skips filters that the device is not permitted to use.
func parseSubscriptions(filters map[string]byte, deviceID string) subscriptions {
	var s subscriptions
	for filter, qos := range filters {
		if g, ok := topicGroupOf(filter, deviceID); ok {
			s[g] = grant(qos)
		}
	}
	return s
}

// grant returns the QoS that the broker grants for a requested QoS, plus one. The broker
// grants at most QoS 1.
func grant(qos byte) uint8 { return min(qos, 1) + 1 }
