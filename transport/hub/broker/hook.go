package broker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"
)

// hook stands between the MQTT server and the broker. The server calls it with
// each packet of a link, in that link's reading goroutine, but for
// OnPacketEncode, OnACLCheck and OnPublishDropped, which come from any.
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

// linkOf returns the client's link; nil for the hub's own client.
func linkOf(cl *mqtt.Client) *link {
	l, _ := cl.Net.Conn.(*link)
	return l
}

// OnPacketRead is the gate: a packet that it rejects ends the link.
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
			return reject("it sent CONNECT twice")
		}
		return h.b.readConnect(l, pk), nil
	case packets.Publish:
		if pk.FixedHeader.Qos > 1 {
			return reject("it published at QoS 2")
		}
		if len(pk.Payload) > maxBody {
			return reject("it published more than 256 KiB")
		}
		request, err := parseRequest(pk.TopicName, l.deviceID)
		if err != nil {
			return reject("it published to a topic that is not its own: " + err.Error())
		}
		l.incoming = request
	case packets.Subscribe:
		for _, s := range pk.Filters {
			if _, ok := channelOf(s.Filter, l.deviceID); !ok {
				return reject("it subscribed to what is not its own")
			}
		}
	case packets.Disconnect:
		l.farewell = true
	case packets.Unsubscribe, packets.Puback, packets.Pingreq:
	default:
		return reject("it sent a packet that a device does not send")
	}
	return pk, nil
}

// OnConnectAuthenticate decides whether the device comes in.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, _ packets.Packet) bool {
	l := linkOf(cl)
	if l.refusal == 0 {
		if err := h.b.enter(l); err != nil {
			h.b.refuse(l, err)
		}
	}
	return l.refusal == 0
}

// OnSessionEstablished opens the device's part of the topic tree to it: one
// entry for all of its channels, since each costs memory for every device. What
// the device is subscribed to decides what is sent there.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	l := linkOf(cl)
	h.b.server.Topics.Subscribe(cl.ID, packets.Subscription{Filter: l.prefix + "#", Qos: 1})
	cl.State.Subscriptions.Add(l.prefix+"#", packets.Subscription{Filter: l.prefix + "#", Qos: 1})
	h.b.established(l)
}

// OnACLCheck lets nothing but the device's own part of the topic tree be
// subscribed to or delivered. What may be published was decided at the gate.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	l := linkOf(cl)
	return l != nil && (write || strings.HasPrefix(topic, l.prefix))
}

// OnSubscribe puts each filter, all known at the gate, in the place of the
// device's one entry in the topic tree.
func (h *hook) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	moved := make(packets.Subscriptions, 0, len(pk.Filters))
	for _, s := range pk.Filters {
		if c, ok := channelOf(s.Filter, l.deviceID); ok {
			l.subs[c] = grant(s.Qos)
			moved = append(moved, packets.Subscription{Filter: l.prefix + "#", Qos: l.subs[c] - 1})
		}
	}
	pk.Filters = moved
	h.b.saveSession(l)
	return pk
}

// OnUnsubscribe leaves the topic tree as it is. Filters that are not known are
// acknowledged like the others, as MQTT demands.
func (h *hook) OnUnsubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	for _, s := range pk.Filters {
		if c, ok := channelOf(s.Filter, l.deviceID); ok {
			l.subs[c] = 0
		}
	}
	pk.Filters = nil
	h.b.registry.setReady(l, l.subs)
	h.b.saveSession(l)
	return pk
}

// OnSubscribed makes subscriptions count. SUBACK follows, so a device that has
// read it can be called; MQTT allows messages to come before it.
func (h *hook) OnSubscribed(cl *mqtt.Client, _ packets.Packet, _ []byte) {
	l := linkOf(cl)
	h.b.registry.setReady(l, l.subs)
}

// OnPublish hands a device's request to the broker. It never lets a device's
// packet through to the topic tree: CodeSuccessIgnore acknowledges it and drops
// it, ErrRejectPacket drops it, and every other error would publish it.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	l := linkOf(cl)
	if l == nil {
		return pk, nil
	}
	if err := h.b.handle(l, l.incoming, pk.Payload, pk.FixedHeader.Retain); err != nil {
		l.close("its message was not taken: " + err.Error())
		return pk, packets.ErrRejectPacket
	}
	return pk, packets.CodeSuccessIgnore
}

// OnPublishDropped is called when too many messages wait for a device.
func (h *hook) OnPublishDropped(cl *mqtt.Client, _ packets.Packet) {
	linkOf(cl).close("it does not read what it is sent")
}

// OnPacketEncode takes the device's prefix off. A packet that must not leave
// gets a type that cannot be written.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	if l == nil {
		return pk
	}
	leaves := true
	switch pk.FixedHeader.Type {
	case packets.Publish:
		pk.TopicName, leaves = strings.CutPrefix(pk.TopicName, l.prefix)
		if !leaves {
			h.b.log.Error("a message was held back from a device that it was not for", zap.String("device", l.deviceID))
		}
	case packets.Connack:
		if l.refusal != 0 {
			pk.ReasonCode = l.refusal
		}
		pk.SessionPresent = pk.ReasonCode == 0 && l.present
		leaves = pk.ReasonCode <= refusedLogin // 3.1.1 knows no others: a malformed CONNECT gets no answer
	case packets.Disconnect:
		leaves = false // in 3.1.1 only devices send it
	}
	if !leaves {
		pk.FixedHeader.Type = packets.Reserved
	}
	return pk
}
