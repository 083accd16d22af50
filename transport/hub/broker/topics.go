package broker

import (
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// topicGroup is a group of topics to which a device subscribes with one filter.
type topicGroup uint8

const (
	methodTopics topicGroup = iota
	twinResponseTopics
	desiredTopics
	deviceboundTopics
	registrationTopics
	topicGroups // the number of groups
)

// filter returns the topic filter with which the device subscribes to the group.
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

// topicGroupOf returns the group that the device may subscribe to with the given
// filter. The filter must be spelled exactly as IoT Hub documents it; an
// equivalent filter is not allowed. A device that is registering may subscribe
// only to registrationTopics, and no other device may.
func topicGroupOf(filter, deviceID string) (topicGroup, bool) {
	registers := strings.HasPrefix(deviceID, registrationPrefix)
	for g := range topicGroups {
		if g.filter(deviceID) == filter && registers == (g == registrationTopics) {
			return g, true
		}
	}
	return 0, false
}

// subscriptions holds the granted QoS plus one for each topic group; 0 means that
// the device is not subscribed.
type subscriptions [topicGroups]uint8

func (s subscriptions) has(g topicGroup) bool { return s[g] != 0 }

// filters returns the subscriptions as a map from filter to QoS, the form in which
// the Backend stores a session.
func (s subscriptions) filters(deviceID string) map[string]byte {
	filters := make(map[string]byte)
	for g := range topicGroups {
		if s.has(g) {
			filters[g.filter(deviceID)] = s[g] - 1
		}
	}
	return filters
}

// parseSubscriptions converts a stored session to subscriptions. It skips filters
// that the device may not (or may no longer) use.
func parseSubscriptions(filters map[string]byte, deviceID string) subscriptions {
	var s subscriptions
	for filter, qos := range filters {
		if g, ok := topicGroupOf(filter, deviceID); ok {
			s[g] = grant(qos)
		}
	}
	return s
}

// grant returns the entry in subscriptions for a requested QoS. The broker grants
// QoS 1 at most.
func grant(qos byte) uint8 { return min(qos, 1) + 1 }

// prefixOf returns the prefix of a device's topics in the topic tree. It escapes
// the device id, which may contain '#', '+' and '$'.
func prefixOf(deviceID string) string { return iothub.Escape(deviceID) + "/" }
