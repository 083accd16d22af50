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
)

// cutter is between a gateway and its hub and reads what they say: it resets the
// connection in the middle of the first packet that is of the wanted kind. TLS
// hides packets from a proxy of bytes, so it ends TLS and begins it anew.
type cutter struct {
	address string
	roots   *x509.CertPool // for the gateway
	want    kind
	once    atomic.Bool
	done    chan struct{} // closed when it has cut
}

// kind is a kind of packet.
type kind struct {
	toHub bool
	first byte   // the packet's type, in the upper half as on the wire
	topic string // for PUBLISH: what its topic begins with
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

// serve passes packets on until one side ends or one is cut.
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

// readRaw reads one packet as it is.
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

// A connection that is reset within a packet, of whatever kind: the agent
// converges on the next link, and no command has run twice.
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
		{"UNSUBSCRIBE", kind{true, packets.Unsubscribe, ""}}, // of a renewal
		{"UNSUBACK", kind{false, packets.Unsuback, ""}},
		{"DISCONNECT", kind{true, packets.Disconnect, ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCutter(t, h, test.kind)
			g := startGateway(t, h, "cut-"+strings.NewReplacer(" ", "-", "'", "").Replace(test.name), c.address, func(o *mqtt.Options) {
				o.RootCAs, o.KeepAlive = c.roots, 2*time.Second
				switch test.kind.first {
				case packets.Unsubscribe, packets.Unsuback, packets.Disconnect:
					o.TokenLife = 10 * time.Second
				}
			})
			g.nextLink()
			// Whatever was not cut by now is to come of this.
			before := g.converged(t.Context(), "before", 0)
			select {
			case <-c.done:
			case <-time.After(patience):
				t.Fatalf("there was no such packet (%v)", before)
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
