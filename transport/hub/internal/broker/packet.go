package broker

import (
	"errors"

	"github.com/mochi-mqtt/server/v2/packets"
)

// errRefused ends a connection on which the broker has refused the login.
var errRefused = errors.New("the login was refused")

// readPacket reads one packet and handles it. If it returns an error, the caller must
// close the connection.
func (b *Broker) readPacket(l *link) error {
	var header packets.FixedHeader
	if err := l.client.ReadFixedHeader(&header); err != nil {
		return err
	}
	if !l.established && header.Type != packets.Connect {
		return l.reject("the device sent a packet before it logged in")
	}

	pk, err := l.client.ReadPacket(&header)
	if err != nil {
		return err
	}
	if l.closed() {
		return packets.ErrRejectPacket
	}
	return b.handlePacket(l, &pk)
}

// reject closes the connection because of a packet that is not allowed.
func (l *link) reject(reason string) error {
	l.close(reason)
	return packets.ErrRejectPacket
}

func (b *Broker) handlePacket(l *link, pk *packets.Packet) error {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return b.connect(l, pk)
	case packets.Publish:
		return b.receive(l, pk)
	case packets.Subscribe:
		return b.subscribe(l, pk)
	case packets.Unsubscribe:
		return b.unsubscribe(l, pk)
	case packets.Pingreq:
		return l.client.WritePacket(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingresp}})
	case packets.Puback:
		return nil // the broker sends no message that needs an acknowledgement
	case packets.Disconnect:
		l.disconnectSeen = true
		return nil
	}
	return l.reject("the device sent a packet of a type that devices do not send")
}

// connect logs the device in and answers with CONNACK.
func (b *Broker) connect(l *link, pk *packets.Packet) error {
	if l.connectSeen {
		return l.reject("the device sent CONNECT twice")
	}
	l.connectSeen = true
	if pk.ReservedBit != 0 {
		return l.reject("the device sent a malformed CONNECT")
	}

	err := l.readConnect(pk)
	if err == nil {
		err = b.logIn(l)
	}
	if err != nil {
		b.refuse(l, err)
	}

	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, ReasonCode: l.refusal}
	ack.SessionPresent = l.refusal == 0 && l.sessionPresent
	if err := l.client.WritePacket(ack); err != nil {
		return err
	}
	if l.refusal != 0 {
		return errRefused
	}
	b.loggedIn(l)
	return nil
}

// receive processes a message from a device, and acknowledges it if its QoS is 1. The
// broker reads the device's next packet afterwards, so a slow backend delays only this
// device.
func (b *Broker) receive(l *link, pk *packets.Packet) error {
	if pk.FixedHeader.Qos > 1 {
		return l.reject("the device published at QoS 2")
	}
	if len(pk.Payload) > maxBody {
		return l.reject("the device published more than 256 KiB")
	}
	if code := pk.PublishValidate(0); code != packets.CodeSuccess {
		return l.reject("the device sent an invalid message: " + code.Reason)
	}
	r, err := parseRequest(pk.TopicName, l.deviceID)
	if err != nil {
		return l.reject("the device published to a topic that it may not use: " + err.Error())
	}

	if err := b.handle(l, r, pk.Payload, pk.FixedHeader.Retain); err != nil {
		return l.reject("the hub could not store the device's message: " + err.Error())
	}
	if pk.FixedHeader.Qos == 0 {
		return nil
	}
	return l.client.WritePacket(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID})
}

// subscribe records the requested subscriptions, saves the session and lets the hub send
// messages of these topics to the device. It sends SUBACK last, so a device that has read
// SUBACK can be called. MQTT allows messages to arrive before SUBACK.
func (b *Broker) subscribe(l *link, pk *packets.Packet) error {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return l.reject("the device sent an invalid SUBSCRIBE: " + code.Reason)
	}

	subs := l.subs
	granted := make([]byte, len(pk.Filters))
	for i, s := range pk.Filters {
		g, ok := topicGroupOf(s.Filter, l.deviceID)
		if !ok {
			return l.reject("the device subscribed to a filter that it may not use")
		}
		subs[g] = grant(s.Qos)
		granted[i] = subs[g] - 1
	}

	l.subs = subs
	b.saveSession(l)
	b.links.setReady(l, l.subs)
	return l.client.WritePacket(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: pk.PacketID, ReasonCodes: granted})
}

// unsubscribe removes the subscriptions from the connection and from the session. It also
// acknowledges filters that the device has not subscribed to, as MQTT requires.
func (b *Broker) unsubscribe(l *link, pk *packets.Packet) error {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return l.reject("the device sent an invalid UNSUBSCRIBE: " + code.Reason)
	}

	for _, s := range pk.Filters {
		if g, ok := topicGroupOf(s.Filter, l.deviceID); ok {
			l.subs[g] = 0
		}
	}
	b.links.setReady(l, l.subs)
	b.saveSession(l)
	return l.client.WritePacket(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, PacketID: pk.PacketID})
}
