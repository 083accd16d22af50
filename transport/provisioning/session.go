package provisioning

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	keepAlive   = 180 // s, as the official SDKs say
	pingEvery   = time.Minute
	stepTimeout = 30 * time.Second
)

// session is a connection to the service. One request is under way at a time,
// so that it needs no goroutine and no client: it writes, then it reads.
type session struct {
	conn net.Conn
	last uint16 // message id
}

// send writes a packet, and gives what comes next 30 s to be read.
func (s *session) send(p packets.ControlPacket) error {
	if err := s.conn.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		return err
	}
	return p.Write(s.conn)
}

// nextID returns the id of the next message.
func (s *session) nextID() uint16 {
	s.last++
	return s.last
}

// login returns the code of the CONNACK, 0 for welcome.
func (s *session) login(clientID, userName, password string) (code byte, err error) {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession, p.Keepalive = "MQTT", 4, true, keepAlive
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
		return 0, errors.New("it does not answer CONNECT by CONNACK")
	}
	return ack.ReturnCode, nil
}

func (s *session) subscribe(filter string) error {
	p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	p.MessageID, p.Topics, p.Qoss = s.nextID(), []string{filter}, []byte{1}
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
				return errors.New("it refused the subscription to its answers")
			}
			return nil
		}
	}
}

// ask publishes a request and returns the answer to it.
func (s *session) ask(topic string, body []byte, requestID string) (response, error) {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.Qos, p.MessageID, p.TopicName, p.Payload = 1, s.nextID(), topic, body
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
			continue // PUBACK, PINGRESP
		}
		if m.Qos == 1 {
			ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			ack.MessageID = m.MessageID
			if err := ack.Write(s.conn); err != nil {
				return response{}, err
			}
		}
		r, err := parseResponse(m.TopicName, m.Payload)
		if err != nil {
			return response{}, fmt.Errorf("it answers what is not understood: %w", err)
		}
		if r.requestID == requestID {
			return r, nil
		}
	}
}

// wait lets time go by and the connection live.
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

// close says good-bye and closes the connection.
func (s *session) close() {
	s.send(packets.NewControlPacket(packets.Disconnect))
	s.conn.Close()
}
