package provisioning

import (
	"context"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	keepAlive     = 180 // in seconds; the official SDKs use the same value
	pingEvery     = time.Minute
	answerTimeout = 30 * time.Second
)

// session is an MQTT connection to the provisioning service. It sends one request and
// then reads the answer, so it needs no goroutine and no MQTT client library.
type session struct {
	conn          net.Conn
	lastMessageID uint16
}

// send writes an MQTT packet. Reading the answer fails if the answer takes longer than
// answerTimeout.
func (s *session) send(p packets.ControlPacket) error {
	if err := s.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}

	return p.Write(s.conn)
}

// nextMessageID returns the id for the next MQTT packet.
func (s *session) nextMessageID() uint16 {
	s.lastMessageID++
	return s.lastMessageID
}

// login sends an MQTT CONNECT and returns the return code of the CONNACK. 0 means
// success.
func (s *session) login(clientID, userName, password string) (code byte, err error) {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion = "MQTT", 4
	p.CleanSession = true
	p.Keepalive = keepAlive
	p.ClientIdentifier = clientID
	p.UsernameFlag, p.Username = true, userName
	p.PasswordFlag, p.Password = password != "", []byte(password)
	if err := s.send(p); err != nil {
		return 0, err
	}

	answer, err := packets.ReadPacket(s.conn)
	if err != nil {
		return 0, err
	}
	ack, ok := answer.(*packets.ConnackPacket)
	if !ok {
		return 0, unexpectedError("it did not answer CONNECT with CONNACK")
	}
	return ack.ReturnCode, nil
}

// subscribe subscribes to the topic filter with QoS 1 and waits until the service
// grants the subscription.
func (s *session) subscribe(filter string) error {
	p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	p.MessageID = s.nextMessageID()
	p.Topics, p.Qoss = []string{filter}, []byte{1}
	if err := s.send(p); err != nil {
		return err
	}

	for {
		answer, err := packets.ReadPacket(s.conn)
		if err != nil {
			return err
		}

		if ack, ok := answer.(*packets.SubackPacket); ok {
			if len(ack.ReturnCodes) != 1 || ack.ReturnCodes[0] > 2 {
				return unexpectedError("it refused the subscription to its answers")
			}
			return nil
		}
	}
}

// ask publishes a request to the service and returns the answer.
func (s *session) ask(topic string, body []byte, requestID string) (response, error) {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.Qos, p.MessageID = 1, s.nextMessageID()
	p.TopicName, p.Payload = topic, body
	if err := s.send(p); err != nil {
		return response{}, err
	}

	for {
		packet, err := packets.ReadPacket(s.conn)
		if err != nil {
			return response{}, err
		}
		m, ok := packet.(*packets.PublishPacket)
		if !ok {
			continue // ignore PUBACK and PINGRESP
		}

		if m.Qos == 1 {
			ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			ack.MessageID = m.MessageID
			if err := ack.Write(s.conn); err != nil {
				return response{}, err
			}
		}

		if m.Retain {
			continue // an old answer, which may belong to another device or another hub
		}

		r, err := parseResponse(m.TopicName, m.Payload)
		if err != nil {
			return response{}, unexpectedError("it sent an invalid answer: " + err.Error())
		}
		if r.requestID == requestID {
			return r, nil
		}
	}
}

// wait waits for the time d. It keeps the connection alive with pings.
func (s *session) wait(ctx context.Context, d time.Duration) error {
	for d > 0 {
		slice := min(d, pingEvery)
		d -= slice
		select {
		case <-time.After(slice):
		case <-ctx.Done():
			return ctx.Err()
		}

		if d > 0 {
			if err := s.ping(); err != nil {
				return err
			}
		}
	}

	return nil
}

// ping sends PINGREQ and waits for PINGRESP.
func (s *session) ping() error {
	if err := s.send(packets.NewControlPacket(packets.Pingreq)); err != nil {
		return err
	}

	for {
		packet, err := packets.ReadPacket(s.conn)
		if err != nil {
			return err
		}
		if _, ok := packet.(*packets.PingrespPacket); ok {
			return nil
		}
	}
}

// close sends DISCONNECT and closes the connection.
func (s *session) close() {
	s.send(packets.NewControlPacket(packets.Disconnect))
	s.conn.Close()
}
