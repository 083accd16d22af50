package broker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook connects the MQTT server to the broker. The server calls most of its methods in
// the goroutine that reads a device's connection, for each packet. It calls
// OnPacketEncode from any goroutine.
type hook struct {
	mqtt.HookBase
	b *Broker
}

func (*hook) ID() string { return "iothub" }

func (*hook) Provides(event byte) bool {
	switch event {
	case mqtt.OnPacketRead, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablished, mqtt.OnACLCheck,
		mqtt.OnSubscribe, mqtt.OnSubscribed, mqtt.OnUnsubscribe, mqtt.OnPacketEncode:
		return true
	}
	return false
}

// linkOf returns the connection of an MQTT client.
func linkOf(cl *mqtt.Client) *link { return cl.Net.Conn.(*link) }

// OnPacketRead checks each packet before the MQTT server sees it. If the packet is not
// allowed, OnPacketRead closes the connection. It passes the device's messages to the
// broker, so that the server sees none of them.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	l := linkOf(cl)
	reject := func(reason string) (packets.Packet, error) {
		l.close(reason)
		return pk, packets.ErrRejectPacket
	}
	if l.closed() {
		return pk, packets.ErrRejectPacket
	}
	if !l.established && pk.FixedHeader.Type != packets.Connect {
		return reject("the device sent a packet before it logged in")
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
		if code := pk.PublishValidate(0); code != packets.CodeSuccess {
			return reject("the device sent an invalid message: " + code.Reason)
		}
		request, err := parseRequest(pk.TopicName, l.deviceID)
		if err != nil {
			return reject("the device published to a topic that it may not use: " + err.Error())
		}
		if err := h.b.receive(cl, request, pk.Payload, pk.FixedHeader, pk.PacketID); err != nil {
			return reject("the hub could not store the device's message: " + err.Error())
		}
		// The server ignores an acknowledgement of a message that it has not sent.
		return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}}, nil

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

// OnSessionEstablished lets the hub send messages to the device.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) { h.b.loggedIn(linkOf(cl)) }

// OnACLCheck keeps the server's topic tree empty: no device can publish to the tree or
// subscribe to it.
func (h *hook) OnACLCheck(*mqtt.Client, string, bool) bool { return false }

// OnSubscribe records the requested subscriptions and saves the session. OnPacketRead has
// already checked the filters.
func (h *hook) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	for _, s := range pk.Filters {
		if g, ok := topicGroupOf(s.Filter, l.deviceID); ok {
			l.subs[g] = grant(s.Qos)
		}
	}
	h.b.saveSession(l)
	return pk
}

// OnUnsubscribe removes the subscriptions from the connection and from the session. It
// also acknowledges filters that the device has not subscribed to, as MQTT requires.
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
// called. MQTT allows messages to arrive before SUBACK. SUBACK has the codes, which
// OnSubscribed sets to the granted QoS: OnACLCheck has refused the filters.
func (h *hook) OnSubscribed(cl *mqtt.Client, pk packets.Packet, codes []byte) {
	l := linkOf(cl)
	for i, s := range pk.Filters {
		codes[i] = grant(s.Qos) - 1
	}
	h.b.links.setReady(l, l.subs)
}

// OnPacketEncode adapts the server's own packets to MQTT 3.1.1 and to the decisions of
// the broker. If a packet must not be sent, OnPacketEncode sets a packet type that the
// server cannot write.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	allowed := true
	switch pk.FixedHeader.Type {
	case packets.Connack:
		if l.refusal != 0 {
			pk.ReasonCode = l.refusal
		}
		pk.SessionPresent = pk.ReasonCode == 0 && l.sessionPresent
		allowed = pk.ReasonCode <= refusedLogin // MQTT 3.1.1 has no higher codes, so a malformed CONNECT gets no answer
	case packets.Disconnect:
		allowed = false // in MQTT 3.1.1 only devices send DISCONNECT
	case packets.Publish:
		allowed = false // the broker itself writes all messages
	}
	if !allowed {
		pk.FixedHeader.Type = packets.Reserved
	}
	return pk
}
