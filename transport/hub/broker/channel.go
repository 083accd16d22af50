package broker

import (
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// channel is one of the things that a device can subscribe to.
type channel uint8

const (
	methods channel = iota
	twinAnswers
	desired
	devicebound
	registrationAnswers
	channels // how many there are
)

// filter returns the channel's topic filter, as the device has it.
func (c channel) filter(deviceID string) string {
	switch c {
	case methods:
		return iothub.MethodsFilter
	case twinAnswers:
		return iothub.TwinResponsesFilter
	case desired:
		return iothub.DesiredFilter
	case registrationAnswers:
		return registrationFilter
	default:
		return iothub.DeviceboundFilter(deviceID)
	}
}

// channelOf finds the channel with that filter. It compares whole texts: a
// filter that merely matches the same topics is not the device's to have. A link
// that registers a device has one channel, which no other link has.
func channelOf(filter, deviceID string) (channel, bool) {
	registers := strings.HasPrefix(deviceID, registrationPrefix)
	for c := range channels {
		if c.filter(deviceID) == filter && registers == (c == registrationAnswers) {
			return c, true
		}
	}
	return 0, false
}

// subscriptions holds, for each channel, the granted QoS plus one; 0 is not subscribed.
type subscriptions [channels]uint8

func (s subscriptions) has(c channel) bool { return s[c] != 0 }

// filters returns the form in which a session is stored.
func (s subscriptions) filters(deviceID string) map[string]byte {
	filters := make(map[string]byte)
	for c := range channels {
		if s.has(c) {
			filters[c.filter(deviceID)] = s[c] - 1
		}
	}
	return filters
}

// parseSubscriptions reads what filters returned. Filters that are not (or no
// longer) allowed are left out.
func parseSubscriptions(filters map[string]byte, deviceID string) subscriptions {
	var s subscriptions
	for filter, qos := range filters {
		if c, ok := channelOf(filter, deviceID); ok {
			s[c] = grant(qos)
		}
	}
	return s
}

// grant returns the entry for a subscription with the asked QoS: at most 1 is granted.
func grant(qos byte) uint8 { return min(qos, 1) + 1 }

// prefixOf returns the prefix of a device's topics in the topic tree. A device
// id may have '#', '+' and '$' in it, so it is encoded.
func prefixOf(deviceID string) string { return iothub.Escape(deviceID) + "/" }
