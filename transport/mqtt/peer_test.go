package mqtt_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// patience is the timeout of every wait in a test. Only a failing test waits this long.
const patience = 20 * time.Second

// peer simulates the hub packet by packet. A test decides what the hub does and when.
// By default, the peer accepts all logins, grants all subscriptions, answers pings and
// UNSUBSCRIBE, and answers a twin request with an empty twin.
type peer struct {
	t        *testing.T
	address  string
	roots    *x509.CertPool
	sessions chan *session

	clientCAs *x509.CertPool              // required issuers of client certificates; nil accepts any client
	connack   func(n int) byte            // returns the code of the CONNACK, or hangUp; n counts CONNECTs from 0
	suback    byte                        // code in SUBACK for every filter
	deaf      bool                        // do not answer pings
	onUnsub   func(s *session) bool       // called before UNSUBACK is sent; false suppresses UNSUBACK
	onTwinGet func(s *session, id string) // answers a request for the twin
	noPuback  bool                        // do not acknowledge messages

	rawConnack, rawSuback string // bytes to send instead of a CONNACK or SUBACK
}

// hangUp makes the peer close the connection instead of sending a CONNACK.
const hangUp = 100

// session is one connection of a client to the peer, which simulates the hub.
type session struct {
	t       *testing.T
	conn    net.Conn
	connect *packets.ConnectPacket
	raw     []byte // bytes of the CONNECT packet
	filters []string
	in      chan packets.ControlPacket // delivers the client's PUBLISH, UNSUBSCRIBE and DISCONNECT packets
	gone    chan struct{}              // closed when the connection has ended
}

func newPeer(t *testing.T, change func(p *peer)) *peer {
	t.Helper()

	cert, roots := testCertificate(t, "localhost", connectedAt.Add(-time.Hour), connectedAt.AddDate(10, 0, 0))
	p := &peer{t: t, roots: roots, sessions: make(chan *session, 16)}
	p.connack = func(int) byte { return packets.Accepted }
	p.onTwinGet = func(s *session, id string) {
		s.publish("$iothub/twin/res/200/?$rid="+id, `{"desired":{"$version":1},"reported":{"$version":1}}`)
	}
	if change != nil {
		change(p)
	}

	config := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	if p.clientCAs != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, p.clientCAs
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}

	_, port, _ := net.SplitHostPort(listener.Addr().String())
	p.address = "localhost:" + port
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]struct{}{}
	wg.Add(1)

	go func() {
		defer wg.Done()
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = struct{}{}
			mu.Unlock()
			wg.Go(func() {
				p.serve(conn, n)
				mu.Lock()
				defer mu.Unlock()
				delete(conns, conn)
			})
		}
	}()

	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})

	return p
}

func (p *peer) serve(conn net.Conn, n int) {
	defer conn.Close()
	var raw bytes.Buffer
	first, err := packets.ReadPacket(io.TeeReader(conn, &raw))
	if err != nil {
		return // the TLS handshake failed
	}
	connect, ok := first.(*packets.ConnectPacket)
	if !ok {
		p.t.Errorf("the first packet is %v, not CONNECT", first)
		return
	}

	code := p.connack(n)
	ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	ack.ReturnCode = code

	s := &session{
		t: p.t, conn: conn, connect: connect, raw: raw.Bytes(),
		in: make(chan packets.ControlPacket, 256), gone: make(chan struct{}),
	}

	defer close(s.gone)
	if p.rawConnack != "" {
		conn.Write([]byte(p.rawConnack))
		p.sessions <- s
		return
	}
	if code == hangUp || ack.Write(conn) != nil || code != packets.Accepted {
		p.sessions <- s
		return
	}

	for {
		packet, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		p.handle(s, packet)
	}
}

func (p *peer) handle(s *session, packet packets.ControlPacket) {
	switch packet := packet.(type) {
	case *packets.SubscribePacket:
		s.filters = packet.Topics
		if p.rawSuback != "" {
			s.conn.Write([]byte(p.rawSuback))
			p.sessions <- s
			return
		}
		ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		ack.MessageID = packet.MessageID
		for range packet.Topics {
			ack.ReturnCodes = append(ack.ReturnCodes, p.suback)
		}
		ack.Write(s.conn)
		p.sessions <- s
	case *packets.PingreqPacket:
		if !p.deaf {
			packets.NewControlPacket(packets.Pingresp).Write(s.conn)
		}
	case *packets.UnsubscribePacket:

		s.in <- packet
		if p.onUnsub != nil && !p.onUnsub(s) {
			return
		}
		ack := packets.NewControlPacket(packets.Unsuback).(*packets.UnsubackPacket)
		ack.MessageID = packet.MessageID
		ack.Write(s.conn)
	case *packets.PublishPacket:
		s.in <- packet
		if packet.Qos == 1 && !p.noPuback {
			ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			ack.MessageID = packet.MessageID
			ack.Write(s.conn)
		}
		if id, ok := strings.CutPrefix(packet.TopicName, "$iothub/twin/GET/?$rid="); ok && p.onTwinGet != nil {
			p.onTwinGet(s, id)
		}
	default:

		s.in <- packet
	}
}

// next waits for the client's next session. A session appears here when the peer has
// granted all its subscriptions or has refused the login.
func (p *peer) next(t *testing.T) *session {
	t.Helper()
	return receive(t, p.sessions, "a connection")
}

// publish sends a message to the client.
func (s *session) publish(topic, payload string) {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.TopicName, m.Payload = topic, []byte(payload)
	m.Write(s.conn) // ignore the error: the test then waits in vain for the answer and fails
}

// method calls a direct method of the client.
func (s *session) method(id, name, payload string) {
	s.publish("$iothub/methods/POST/"+name+"/?$rid="+id, payload)
}

// message returns the client's next packet, which must be a PUBLISH.
func (s *session) message(t *testing.T) *packets.PublishPacket {
	t.Helper()
	packet := receive(t, s.in, "a message")
	m, ok := packet.(*packets.PublishPacket)
	if !ok {
		t.Fatalf("got %v, want PUBLISH", packet)
	}
	return m
}

// wantMessage fails the test unless the client's next packet is a PUBLISH with the
// given topic and payload.
func (s *session) wantMessage(t *testing.T, topic, payload string) {
	t.Helper()
	m := s.message(t)
	if m.TopicName != topic || string(m.Payload) != payload || m.Qos != 0 || m.Retain {
		t.Fatalf("got %s %q QoS %d, want %s %q QoS 0", m.TopicName, m.Payload, m.Qos, topic, payload)
	}
}

// wantPacket returns the client's next packet, which must be of type P.
func wantPacket[P packets.ControlPacket](t *testing.T, s *session) P {
	t.Helper()
	packet := receive(t, s.in, "a packet")
	p, ok := packet.(P)
	if !ok {
		t.Fatalf("got %v, want %T", packet, p)
	}
	return p
}

// receive waits for the next value from the channel c and returns it. It fails the test
// if no value arrives in time.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatalf("waiting for %s: the channel was closed", what)
		}
		return v
	case <-ctx.Done():

		t.Fatalf("waiting for %s: it did not arrive", what)
		panic("not reached")
	}
}

// closed waits until the channel c is closed. It fails the test if a value arrives
// instead.
func closed[T any](t *testing.T, c <-chan T, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case v, ok := <-c:
		if ok {
			t.Fatalf("waiting for the end of %s: got %v", what, v)
		}
	case <-ctx.Done():
		t.Fatalf("waiting for the end of %s: it did not end", what)
	}
}

// testCertificate makes a CA and a certificate for name that the CA has issued. It
// returns the certificate and a pool with the CA.
func testCertificate(t *testing.T, name string, from, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()

	caKey, ca := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)

	key, leaf := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey)

	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}, roots
}

// sign makes a private key and a certificate for it, signed by parent. If parent is
// nil, the certificate is self-signed.
func sign(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}

	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}

	return key, cert
}
