package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// In these tests the random number is 0.5, so each wait is half of the longest wait.
func TestBackoff(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) {
		p.connack = func(n int) byte {
			if n < 8 || n == 10 {
				return hangUp
			}
			return packets.Accepted
		}
	})

	d := startDevice(t, p, nil)
	for _, delay := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
		8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
		p.next(t)
		d.clock.fire(t, delay)
	}

	s, link := p.next(t), d.link(t)
	if link.LastError() != "" {
		t.Errorf("last error of the first link: %q", link.LastError())
	}
	d.clock.advance(59 * time.Second) // one second too short for a stable link
	s.conn.Close()
	receiveEnd(t, link.ctx)
	d.clock.fire(t, 30*time.Second)

	s, link = p.next(t), d.link(t)
	want := "hub at " + p.address + ": the hub closed the link: the hub was stopped, another client logged in as this device, or the device was disabled or deleted"
	if link.LastError() != want {
		t.Errorf("last error %q, want %q", link.LastError(), want)
	}
	d.clock.advance(time.Minute)
	s.conn.Close()
	receiveEnd(t, link.ctx)
	d.clock.fire(t, 500*time.Millisecond)

	p.next(t) // the hub hangs up; LastError must still describe the end of the last link
	d.clock.fire(t, time.Second)
	p.next(t)
	if link = d.link(t); link.LastError() != want {
		t.Errorf("last error %q, want %q", link.LastError(), want)
	}
}

// Two clients with the same identity must not disconnect each other in a loop. Each
// client notices that the hub closes its links soon after the login. It must then log a
// warning and wait.
func TestAnotherClientTakesOver(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)

	for _, delay := range []time.Duration{500 * time.Millisecond, time.Second, 45 * time.Second, 45 * time.Second} {
		s := p.next(t)
		d.link(t)
		s.conn.Close()
		d.clock.fire(t, delay)
	}

	p.next(t)
	d.link(t)
	if n := d.logs.FilterMessageSnippet("another client seems to log in as this device").Len(); n != 2 {
		t.Errorf("the warning was logged %d times", n)
	}
}

// Run must call Locate before each attempt to connect, with the number of consecutive
// refusals.
func TestLocate(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) {
		p.connack = func(n int) byte {
			if n < 2 {
				return packets.ErrRefusedNotAuthorised
			}
			return packets.Accepted
		}
	})

	asked := make(chan int, 10)
	d := startDevice(t, p, func(o *mqtt.Options) {
		device := o.Device
		o.Device = iothub.Device{}
		o.Locate = func(_ context.Context, refusals int) (iothub.Device, error) {
			asked <- refusals
			if len(asked) == 1 {
				return iothub.Device{}, errors.New("the service cannot be reached")
			}
			device.DeviceID = "d" + strconv.Itoa(refusals)
			return device, nil
		}
	})

	d.clock.fire(t, 500*time.Millisecond) // the wait after Locate failed
	p.next(t)
	d.clock.fire(t, 30*time.Second)
	p.next(t)
	d.clock.fire(t, 45*time.Second)
	s := p.next(t)
	if s.connect.ClientIdentifier != "d2" {
		t.Errorf("logged in as %s", s.connect.ClientIdentifier)
	}

	link := d.link(t)
	if err := link.Send(t.Context(), iothub.Message{}); err != nil {
		t.Fatal(err)
	}
	if m := s.message(t); m.TopicName != "devices/d2/messages/events/" {
		t.Errorf("sent to %s", m.TopicName)
	}

	for _, want := range []int{0, 0, 1, 2} {
		if got := receive(t, asked, "a call of Locate"); got != want {
			t.Errorf("Locate was called with %d refusals, want %d", got, want)
		}
	}

	d.stop(t)
}

// Each attempt to connect must sign a new token. The login then works once the clock is
// right.
func TestTokenOfEachAttempt(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.connack = func(int) byte { return packets.ErrRefusedNotAuthorised } })
	d := startDevice(t, p, nil)
	first := p.next(t)
	d.clock.fire(t, 15*time.Second)
	second := p.next(t)

	for i, s := range []*session{first, second} {
		token, err := iothub.ParseSignature(string(s.connect.Password))
		if want := connectedAt.Add(time.Duration(i)*15*time.Second + time.Hour); err != nil || !token.Expiry.Equal(want) {
			t.Errorf("attempt %d: token until %s, %v; want %s", i, token.Expiry, err, want)
		}
	}
}

func TestSubscriptionRefused(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.suback = 0x80 })
	d := startDevice(t, p, nil)
	s := p.next(t)
	wantPacket[*packets.DisconnectPacket](t, s)
	d.clock.fire(t, 500*time.Millisecond)
	p.next(t)
	d.stop(t)
	if len(d.links) != 0 {
		t.Error("Run called serve without the subscriptions")
	}

	if d.logs.FilterMessage("not connected to the hub").Len() == 0 {
		t.Error("the failure is not logged")
	}
}

// A renewal must lose no method and run no method twice. On the old link, the device
// answers the methods that it has received. It also answers those that the hub sent
// before it read UNSUBSCRIBE. Only then may Run open the new link, with a new token.
func TestRenewal(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) {
		p.onUnsub = func(s *session) bool { s.method("2", "lockDoor", "null"); return true }
		p.onTwinGet = func(s *session, id string) {
			s.method("3", "lockDoor", "null") // a method that the hub had in its buffer and sends after UNSUBACK
			s.publish("$iothub/twin/res/429/?$rid="+id, "")
		}
	})

	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	s.method("1", "unlockDoor", "null")
	receive(t, link.Methods(), "a method")

	d.clock.fire(t, 48*time.Minute) // 80 % of the token's life
	if u := wantPacket[*packets.UnsubscribePacket](t, s); len(u.Topics) != 1 || u.Topics[0] != iothub.MethodsFilter {
		t.Errorf("unsubscribed from %q", u.Topics)
	}

	for _, want := range []string{"2", "3"} {
		if m := receive(t, link.Methods(), "a method"); m.RequestID != want {
			t.Fatalf("got request %s, want %s", m.RequestID, want)
		}
	}

	closed(t, link.Methods(), "the methods")
	s.message(t) // the device's twin request

	s.method("4", "lockDoor", "null") // a method that arrives too late, so the device must ignore it
	link.Twin(t.Context())            // after this answer, the late method has arrived
	s.message(t)
	if d.logs.FilterMessageSnippet("arrived while the link was being closed").Len() == 0 {
		t.Error("a method that arrived too late is not logged")
	}

	for _, id := range []string{"3", "1", "2"} {
		if link.ctx.Err() != nil {
			t.Fatal("serve's context ended before all methods had answers")
		}
		if err := link.Respond(t.Context(), id, iothub.MethodResponse{Status: 200}); err != nil {
			t.Fatal(err)
		}
		s.wantMessage(t, "$iothub/methods/res/200/?$rid="+id, "null")
	}

	if m := s.message(t); !strings.HasPrefix(m.TopicName, "$iothub/twin/GET/") { // the answer to this request proves that the hub has read all earlier answers
		t.Errorf("after the answers, the device sent %s", m.TopicName)
	}
	wantPacket[*packets.DisconnectPacket](t, s)
	receiveEnd(t, link.ctx)

	s, next := p.next(t), d.link(t) // Run connects immediately: no timer had to fire
	if token, _ := iothub.ParseSignature(string(s.connect.Password)); !token.Expiry.Equal(connectedAt.Add(48*time.Minute + time.Hour)) {
		t.Errorf("the new token is valid until %s", token.Expiry)
	}
	if next.LastError() != "" {
		t.Errorf("the last error after a renewal is %q", next.LastError())
	}

	s.method("1", "lockDoor", "null") // a known id on a new link belongs to a new request
	if m := receive(t, next.Methods(), "a method"); m.Name != "lockDoor" {
		t.Errorf("got %+v", m)
	}
	if err := link.Respond(t.Context(), "4", iothub.MethodResponse{Status: 200}); !errors.Is(err, mqtt.ErrLinkEnded) {
		t.Errorf("Respond on the old link: %v", err)
	}
}

// If the hub acknowledges nothing and the device never answers, a renewal must still
// end after a limited time.
func TestRenewalIsBounded(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.onUnsub = func(*session) bool { return false } })
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	s.method("1", "unlockDoor", "null")
	receive(t, link.Methods(), "a method")
	d.clock.fire(t, 48*time.Minute)
	wantPacket[*packets.UnsubscribePacket](t, s)
	d.clock.fire(t, 10*time.Second)
	closed(t, link.Methods(), "the methods")

	d.clock.fire(t, 30*time.Second)
	wantPacket[*packets.DisconnectPacket](t, s)
	d.clock.fire(t, 500*time.Millisecond)
	p.next(t)
	if err := link.Respond(t.Context(), "1", iothub.MethodResponse{Status: 200}); !errors.Is(err, mqtt.ErrLinkEnded) {
		t.Errorf("Respond after the renewal: %v", err)
	}
}

// If a link is lost during its renewal, Run must treat it like any other lost link.
func TestLostDuringRenewal(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.onUnsub = func(s *session) bool { s.conn.Close(); return false } })
	d := startDevice(t, p, nil)
	p.next(t)
	d.link(t)
	d.clock.fire(t, 48*time.Minute)
	d.clock.fire(t, 500*time.Millisecond)
	p.next(t)
	if d.link(t).LastError() == "" {
		t.Error("LastError does not report the loss")
	}
}

// When the context of Run ends, no more methods may arrive. The device must be able to
// answer the methods that it has, and the hub must receive DISCONNECT.
func TestEndOfContext(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	s.method("1", "lockDoor", "null")
	receive(t, link.Methods(), "a method")
	d.cancel()
	closed(t, link.Methods(), "the methods")
	if link.ctx.Err() != nil {
		t.Error("serve's context ended before the method was answered")
	}

	if err := link.Respond(t.Context(), "1", iothub.MethodResponse{Status: 200}); err != nil {
		t.Fatal(err)
	}
	s.wantMessage(t, "$iothub/methods/res/200/?$rid=1", "null")
	wantPacket[*packets.DisconnectPacket](t, s)
	receiveEnd(t, link.ctx)
	if err, ok := <-d.ended; ok && err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestEndOfContextWithAMethodThatHangs(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	s.method("1", "lockDoor", "null")
	receive(t, link.Methods(), "a method")
	d.cancel()
	d.clock.fire(t, 5*time.Second)
	wantPacket[*packets.DisconnectPacket](t, s)
	receiveEnd(t, link.ctx)
}

// Run must return when its context ends, during every step of an attempt to connect.
func TestEndOfContextWhileConnecting(t *testing.T) {
	t.Parallel()

	t.Run("TCP", func(t *testing.T) {
		dialling := make(chan struct{})
		d := startDevice(t, nil, func(o *mqtt.Options) {
			o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				close(dialling)
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		closed(t, dialling, "the call of Dial")
		if err := d.stop(t); err != nil {
			t.Error(err)
		}
	})

	t.Run("CONNACK", func(t *testing.T) {
		asked, release := make(chan struct{}), make(chan struct{})
		p := newPeer(t, func(p *peer) {
			p.connack = func(int) byte { close(asked); <-release; return packets.Accepted }
		})
		d := startDevice(t, p, nil)
		closed(t, asked, "CONNECT")
		if err := d.stop(t); err != nil {
			t.Error(err)
		}
		close(release)
	})

	t.Run("back-off", func(t *testing.T) {
		p := newPeer(t, func(p *peer) { p.connack = func(int) byte { return 5 } })
		d := startDevice(t, p, nil)
		p.next(t)
		if err := d.stop(t); err != nil {
			t.Error(err)
		}
	})
}

// Run must connect again after the serve function has returned an error.
func TestServeGivesUp(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s := p.next(t)
	d.link(t)
	d.giveUp <- errors.New("the twin cannot be read")
	wantPacket[*packets.DisconnectPacket](t, s)
	d.clock.fire(t, 500*time.Millisecond)
	p.next(t)
	if got, want := d.link(t).LastError(), "the agent closed the link: the twin cannot be read"; got != want {
		t.Errorf("last error %q, want %q", got, want)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()

	for target, want := range map[string]string{
		"myhub.azure-devices.net": "myhub.azure-devices.net:8883",
		"localhost:8884":          "localhost:8884",
		"::1":                     "[::1]:8883",
		"[::1]:8884":              "[::1]:8884",
	} {
		t.Run(target, func(t *testing.T) {
			dialled := make(chan string, 1)
			d := startDevice(t, nil, func(o *mqtt.Options) {
				o.Endpoint = target
				o.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
					dialled <- address
					return nil, errors.New("end of the test")
				}
			})
			if got := receive(t, dialled, "a connection"); got != want {
				t.Errorf("dialled %s, want %s", got, want)
			}
			d.stop(t)
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()

	cert, roots := testCertificate(t, "localhost", connectedAt.Add(-time.Hour), connectedAt.Add(time.Hour))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS11})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	handshakes := make(chan error, 1)

	go func() {
		if conn, err := listener.Accept(); err == nil {
			handshakes <- conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()

	_, port, _ := net.SplitHostPort(listener.Addr().String())
	startDevice(t, nil, func(o *mqtt.Options) { o.Endpoint, o.RootCAs = "localhost:"+port, trust.Pool(roots) })
	if err := receive(t, handshakes, "the handshake"); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}
