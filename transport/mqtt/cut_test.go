package mqtt_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// cutter forwards MQTT packets between a gateway and its hub. It resets the connection
// in the middle of the first packet of a given kind. To see the packets, it decrypts
// the gateway's TLS connection and opens another TLS connection to the hub.
type cutter struct {
	address string
	roots   *x509.CertPool // CA certificate that the gateway must trust
	want    kind
	once    atomic.Bool   // whether the cutter has reset a connection
	done    chan struct{} // closed after the reset
}

// kind is a kind of MQTT packet.
type kind struct {
	toHub bool
	first byte   // type of the packet
	topic string // beginning of the topic, if the packet is a PUBLISH
}

func newCutter(t *testing.T, h *testHub, want kind) *cutter {
	t.Helper()

	cert, roots := testCertificate(t, "localhost", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c := &cutter{address: "localhost:" + port, roots: roots, want: want, done: make(chan struct{})}
	var wg sync.WaitGroup

	wg.Go(func() {
		for {
			device, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.serve(device, cert, h) })
		}
	})

	t.Cleanup(func() { l.Close(); wg.Wait() })
	return c
}

// serve forwards packets until one side closes its connection or the cutter has cut a
// packet.
func (c *cutter) serve(device net.Conn, cert tls.Certificate, h *testHub) {
	defer device.Close()
	server, err := net.Dial("tcp", h.at.MQTT.String())
	if err != nil {
		return
	}
	defer server.Close()
	toDevice := tls.Server(device, &tls.Config{Certificates: []tls.Certificate{cert}})
	toHub := tls.Client(server, &tls.Config{RootCAs: h.roots, ServerName: "localhost"})
	end := func() { device.Close(); server.Close() }

	reset := func() {
		device.(*net.TCPConn).SetLinger(0)
		server.(*net.TCPConn).SetLinger(0)
		end()
	}

	back := make(chan struct{})
	go func() { defer close(back); defer end(); c.pass(toHub, toDevice, false, reset) }()
	c.pass(toDevice, toHub, true, reset)
	end()
	<-back
}

// pass forwards the packets in one direction.
func (c *cutter) pass(from io.Reader, to io.Writer, toHub bool, reset func()) {
	r := bufio.NewReader(from)
	for {
		packet, err := readRaw(r)
		if err != nil {
			return
		}
		if c.want.is(packet, toHub) && !c.once.Swap(true) {
			to.Write(packet[:len(packet)/2])
			reset()
			close(c.done)
			return
		}
		if _, err := to.Write(packet); err != nil {
			return
		}
	}
}

// readRaw reads the bytes of one MQTT packet.
func readRaw(r *bufio.Reader) ([]byte, error) {
	var packet []byte
	length, shift := 0, 0

	for i := 0; ; i++ {
		b, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		packet = append(packet, b)
		if i == 0 {
			continue
		}
		length |= int(b&0x7f) << shift
		if shift += 7; b < 0x80 {
			break
		}
		if i == 4 {
			return nil, errors.New("not MQTT")
		}
	}

	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return append(packet, body...), nil
}

// is reports whether the packet p is of the kind k.
func (k kind) is(packet []byte, toHub bool) bool {
	if toHub != k.toHub || packet[0]>>4 != k.first {
		return false
	}
	if k.first != packets.Publish {
		return true
	}
	p, err := packets.ReadPacket(bytes.NewReader(packet))
	return err == nil && strings.HasPrefix(p.(*packets.PublishPacket).TopicName, k.topic)
}

// TestResetWithinPacket resets the connection in the middle of a packet, once for each
// kind of packet. The agent must recover on the next link. No command may run twice.
func TestResetWithinPacket(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()

	h := startHub(t)
	for _, test := range []struct {
		name string
		kind kind
	}{
		{"CONNECT", kind{true, packets.Connect, ""}},
		{"CONNACK", kind{false, packets.Connack, ""}},
		{"SUBSCRIBE", kind{true, packets.Subscribe, ""}},
		{"SUBACK", kind{false, packets.Suback, ""}},
		{"twin request", kind{true, packets.Publish, "$iothub/twin/GET/"}},
		{"twin answer", kind{false, packets.Publish, "$iothub/twin/res/200/"}},
		{"report", kind{true, packets.Publish, "$iothub/twin/PATCH/properties/reported/"}},
		{"report's answer", kind{false, packets.Publish, "$iothub/twin/res/204/"}},
		{"desired properties", kind{false, packets.Publish, "$iothub/twin/PATCH/properties/desired/"}},
		{"method", kind{false, packets.Publish, "$iothub/methods/POST/"}},
		{"method's answer", kind{true, packets.Publish, "$iothub/methods/res/"}},
		{"event", kind{true, packets.Publish, "devices/"}},
		{"PUBACK", kind{false, packets.Puback, ""}},
		{"PINGREQ", kind{true, packets.Pingreq, ""}},
		{"PINGRESP", kind{false, packets.Pingresp, ""}},
		{"UNSUBSCRIBE", kind{true, packets.Unsubscribe, ""}}, // sent to renew the link
		{"UNSUBACK", kind{false, packets.Unsuback, ""}},
		{"DISCONNECT", kind{true, packets.Disconnect, ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCutter(t, h, test.kind)
			g := startGateway(t, h, "cut-"+strings.NewReplacer(" ", "-", "'", "").Replace(test.name), c.address, func(o *mqtt.Options) {
				o.RootCAs, o.KeepAlive = trust.Pool(c.roots), 2*time.Second
				switch test.kind.first {
				case packets.Unsubscribe, packets.Unsuback, packets.Disconnect:
					o.TokenLife = 10 * time.Second
				}
			})
			g.nextLink()
			// These calls send every kind of packet that was not sent before.
			before := g.converged(t.Context(), "before", 0)
			select {
			case <-c.done:
			case <-time.After(patience):
				t.Fatalf("no packet of this kind was sent (%v)", before)
			}
			if err := g.converged(t.Context(), "after", 1_000_000); err != nil {
				t.Errorf("after the reset: %v", err)
			}
			g.check(nil)
			if n := g.all.Load(); n > 3 {
				t.Errorf("there were %d links", n)
			}
		})
	}
}
