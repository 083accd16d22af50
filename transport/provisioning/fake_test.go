package provisioning

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"go.uber.org/goleak"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service simulates a provisioning service, packet by packet over pipes. Pipes work in
// a synctest bubble, so that a test controls the time at which each packet is sent.
type service struct {
	t     *testing.T
	cert  tls.Certificate
	roots *x509.CertPool

	connack  byte     // return code of the CONNACK
	suback   byte     // return code of the SUBACK
	answers  []answer // answers to the requests, in order; after the last one, the service is silent
	connects chan *packets.ConnectPacket
	certs    chan string   // delivers the names in the certificates of clients
	requests chan request  // delivers the received requests
	ended    chan struct{} // receives a value when a session has ended
	pings    int           // number of pings that the service received
}

// answer is a simulated answer of the service. properties is the text in the answer's
// topic that follows the request id.
type answer struct {
	status, properties, body string
}

// request is a request that the service received.
type request struct {
	topic, body string
	at          time.Time
}

func newService(t *testing.T, answers ...answer) *service {
	t.Helper()
	s := &service{
		t: t, answers: answers,
		connects: make(chan *packets.ConnectPacket, 10), certs: make(chan string, 10),
		requests: make(chan request, 100), ended: make(chan struct{}, 10),
	}
	s.cert, s.roots = certificate(t, "service.example")
	return s
}

// options returns the options of a device with a key.
func (s *service) options() Options {
	return Options{
		Endpoint: "service.example", IDScope: "0ne1", RegistrationID: "door-1",
		Key: iothub.Key("secret"), RootCAs: trust.Pool(s.roots), Dial: s.dial,
	}
}

func (s *service) dial(_ context.Context, _, address string) (net.Conn, error) {
	if address != "service.example:8883" {
		return nil, errors.New("connected to " + address)
	}
	ours, theirs := net.Pipe()
	go s.serve(tls.Server(buffer(theirs), &tls.Config{Certificates: []tls.Certificate{s.cert}, ClientAuth: tls.RequestClientCert}))
	return buffer(ours), nil
}

func (s *service) serve(conn *tls.Conn) {
	defer func() { conn.Close(); s.ended <- struct{}{} }()
	for {
		packet, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		switch packet := packet.(type) {
		case *packets.ConnectPacket:
			s.connects <- packet
			if certs := conn.ConnectionState().PeerCertificates; len(certs) > 0 {
				s.certs <- certs[0].Subject.CommonName
			}
			ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
			ack.ReturnCode = s.connack
			ack.Write(conn)
		case *packets.SubscribePacket:
			if len(packet.Topics) != 1 || packet.Topics[0] != "$dps/registrations/res/#" || packet.Qoss[0] != 1 {
				s.t.Errorf("subscribed to %q %v", packet.Topics, packet.Qoss)
			}
			ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			ack.MessageID, ack.ReturnCodes = packet.MessageID, []byte{s.suback}
			ack.Write(conn)
		case *packets.PingreqPacket:
			s.pings++
			packets.NewControlPacket(packets.Pingresp).Write(conn)
		case *packets.PublishPacket:
			if packet.Qos != 1 || packet.Retain {
				s.t.Errorf("the client sent a request with QoS %d", packet.Qos)
			}
			ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			ack.MessageID = packet.MessageID
			ack.Write(conn)
			s.requests <- request{packet.TopicName, string(packet.Payload), time.Now()}
			s.answer(conn, packet.TopicName)
		}
	}
}

func (s *service) answer(conn net.Conn, topic string) {
	if len(s.answers) == 0 {
		return
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	id, _, _ := strings.Cut(strings.SplitN(topic, "$rid=", 2)[1], "&")
	// The client must ignore the first two answers. One has another request's id, and the other
	// one is retained: an old answer, here to a device that was assigned to another hub.
	for n, rid := range []string{"of-another", id, id} {
		m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		m.TopicName = "$dps/registrations/res/" + a.status + "/?$rid=" + rid + a.properties
		m.Payload, m.Qos, m.MessageID = []byte(a.body), 1, 7
		if m.Retain = n == 1; m.Retain {
			m.TopicName = "$dps/registrations/res/200/?$rid=" + rid
			m.Payload = []byte(assigned("old.example", "another-door").body)
		}
		if m.Write(conn) != nil {
			return
		}
		ack, err := packets.ReadPacket(conn)
		if _, end := ack.(*packets.DisconnectPacket); err != nil || end {
			return
		}
		if _, ok := ack.(*packets.PubackPacket); !ok || ack.Details().MessageID != 7 {
			s.t.Errorf("the client sent %v after an answer with QoS 1", ack)
			return
		}
	}
}

// buffered is one end of a pipe with a buffer. A write does not wait until the other
// end reads, as on a network.
type buffered struct {
	net.Conn
	writes chan []byte
	closed chan struct{}
	once   sync.Once
}

func buffer(pipe net.Conn) *buffered {
	b := &buffered{Conn: pipe, writes: make(chan []byte, 100), closed: make(chan struct{})}
	go func() {
		defer pipe.Close()
		for {
			select {
			case p := <-b.writes:
				pipe.Write(p)
			case <-b.closed:
				return
			}
		}
	}()

	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	b.writes <- bytes.Clone(p)
	return len(p), nil
}

func (b *buffered) SetWriteDeadline(time.Time) error { return nil }

func (b *buffered) SetDeadline(t time.Time) error { return b.SetReadDeadline(t) }

// Close discards the writes that wait and interrupts the write in progress.
func (b *buffered) Close() error {
	b.once.Do(func() { close(b.closed); b.Conn.SetWriteDeadline(time.Unix(1, 0)) })
	return nil
}

// certificate makes a self-signed certificate for name. It returns the certificate and
// a pool that trusts it.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}

	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}

	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// assigned returns the answer to a registration that succeeded.
func assigned(hub, device string) answer {
	body, _ := json.Marshal(map[string]any{
		"operationId": "4.a.b", "status": "assigned",
		"registrationState": map[string]any{"registrationId": "door-1", "assignedHub": hub, "deviceId": device, "status": "assigned"},
	})
	return answer{"200", "", string(body)}
}
