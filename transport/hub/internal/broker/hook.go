package broker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"
)

// hook connects the MQTT server to the broker. The server calls most of its methods in
// the goroutine that reads a device's connection, for each packet. It calls
// OnPacketEncode, OnACLCheck and OnPublishDropped from any goroutine.
type hook struct {
	mqtt.HookBase
	b *Broker
}

func (*hook) ID() string { return "iothub" }

func (*hook) Provides(event byte) bool {
	switch event {
	case mqtt.OnPacketRead, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablished, mqtt.OnACLCheck,
		mqtt.OnSubscribe, mqtt.OnSubscribed, mqtt.OnUnsubscribe, mqtt.OnPublish,
		mqtt.OnPublishDropped, mqtt.OnPacketEncode:
		return true
	}
	return false
}

// linkOf returns the connection of an MQTT client. It returns nil for the hub's own
// client.
func linkOf(cl *mqtt.Client) *link {
	l, _ := cl.Net.Conn.(*link)
	return l
}

// OnPacketRead checks each packet before the MQTT server sees it. If the packet is not
// allowed, OnPacketRead closes the connection.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	l := linkOf(cl)
	reject := func(reason string) (packets.Packet, error) {
		l.close(reason)
		return pk, packets.ErrRejectPacket
	}
	if l.closed() {
		return pk, packets.ErrRejectPacket
	}

	switch pk.FixedHeader.Type {
	case packets.Connect:
		if l.connectSeen {
			return reject("the device sent CONNECT twice")
		}
		return h.b.readConnect(l, pk), nil

	case packets.Publish:
		if pk.FixedHeader.Qos > 1 {
			return reject("the device published at QoS 2")
		}
		if len(pk.Payload) > maxBody {
			return reject("the device published more than 256 KiB")
		}
		request, err := parseRequest(pk.TopicName, l.deviceID)
		if err != nil {
			return reject("the device published to a topic that it may not use: " + err.Error())
		}
		l.incoming = request

	case packets.Subscribe:
		for _, s := range pk.Filters {
			if _, ok := topicGroupOf(s.Filter, l.deviceID); !ok {
				return reject("the device subscribed to a filter that it may not use")
			}
		}

	case packets.Disconnect:
		l.disconnectSeen = true

	case packets.Unsubscribe, packets.Puback, packets.Pingreq:

	default:
		return reject("the device sent a packet of a type that devices do not send")
	}
	return pk, nil
}

// OnConnectAuthenticate reports whether the device may log in.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, _ packets.Packet) bool {
	l := linkOf(cl)
	if l.refusal == 0 {
		if err := h.b.logIn(l); err != nil {
			h.b.refuse(l, err)
		}
	}
	return l.refusal == 0
}

// OnSessionEstablished subscribes a device to all topics under its prefix in the
// server's topic tree. One subscription for all topics saves memory. The broker itself
// sends the device only messages of the topic groups to which the device has subscribed.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	l := linkOf(cl)
	h.b.server.Topics.Subscribe(cl.ID, packets.Subscription{Filter: l.prefix + "#", Qos: 1})
	cl.State.Subscriptions.Add(l.prefix+"#", packets.Subscription{Filter: l.prefix + "#", Qos: 1})
	h.b.loggedIn(l)
}

// OnACLCheck allows a device to subscribe to, and to receive, only topics under its own
// prefix. It allows a device to publish to any topic, because OnPacketRead has already
// checked the topic.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	l := linkOf(cl)
	return l != nil && (write || strings.HasPrefix(topic, l.prefix))
}

// OnSubscribe records the requested subscriptions and saves the session. It then
// replaces each filter with the filter for all topics of the device. OnPacketRead has
// already checked the filters.
func (h *hook) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	replaced := make(packets.Subscriptions, 0, len(pk.Filters))
	for _, s := range pk.Filters {
		if g, ok := topicGroupOf(s.Filter, l.deviceID); ok {
			l.subs[g] = grant(s.Qos)
			replaced = append(replaced, packets.Subscription{Filter: l.prefix + "#", Qos: l.subs[g] - 1})
		}
	}

	pk.Filters = replaced
	h.b.saveSession(l)
	return pk
}

// OnUnsubscribe removes the subscriptions from the connection and from the session, but
// not from the topic tree. It also acknowledges filters that the device has not
// subscribed to, as MQTT requires.
func (h *hook) OnUnsubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	for _, s := range pk.Filters {
		if g, ok := topicGroupOf(s.Filter, l.deviceID); ok {
			l.subs[g] = 0
		}
	}

	pk.Filters = nil
	h.b.links.setReady(l, l.subs)
	h.b.saveSession(l)
	return pk
}

// OnSubscribed lets the hub send messages of the newly subscribed topics to the device.
// The server calls it before it sends SUBACK, so a device that has read SUBACK can be
// called. MQTT allows messages to arrive before SUBACK.
func (h *hook) OnSubscribed(cl *mqtt.Client, _ packets.Packet, _ []byte) {
	l := linkOf(cl)
	h.b.links.setReady(l, l.subs)
}

// OnPublish passes a device's message to the broker and keeps it out of the topic tree.
// The returned error tells the MQTT server what to do with the packet:
//
//   - CodeSuccessIgnore: acknowledge and drop it.
//   - ErrRejectPacket: drop it without acknowledgement.
//   - any other error: publish it.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	l := linkOf(cl)
	if l == nil {
		return pk, nil
	}
	if err := h.b.handle(l, l.incoming, pk.Payload, pk.FixedHeader.Retain); err != nil {
		l.close("the hub could not store the device's message: " + err.Error())
		return pk, packets.ErrRejectPacket
	}
	return pk, packets.CodeSuccessIgnore
}

// OnPublishDropped closes the connection of a device that has too many unread messages.
func (h *hook) OnPublishDropped(cl *mqtt.Client, _ packets.Packet) {
	linkOf(cl).close("the device does not read its messages")
}

// OnPacketEncode removes the device's prefix from the topic of an outgoing message. If
// the packet must not be sent, OnPacketEncode sets a packet type that the MQTT server
// cannot write.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	if l == nil {
		return pk
	}

	allowed := true
	switch pk.FixedHeader.Type {
	case packets.Publish:
		pk.TopicName, allowed = strings.CutPrefix(pk.TopicName, l.prefix)
		if !allowed {
			h.b.remoteLog.Error("blocked a message that was for another device", zap.String("device_id", l.deviceID))
		}
	case packets.Connack:
		if l.refusal != 0 {
			pk.ReasonCode = l.refusal
		}
		pk.SessionPresent = pk.ReasonCode == 0 && l.sessionPresent
		allowed = pk.ReasonCode <= refusedLogin // MQTT 3.1.1 has no higher codes, so a malformed CONNECT gets no answer
	case packets.Disconnect:
		allowed = false // in MQTT 3.1.1 only devices send DISCONNECT
	}
	if !allowed {
		pk.FixedHeader.Type = packets.Reserved
	}
	return pk
}
