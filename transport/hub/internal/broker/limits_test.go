package broker

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

// pipes is a listener for connections inside this process. With such connections, a test
// can use simulated time.
type pipes struct {
	conns chan net.Conn
	end   chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// inBubble starts a broker and runs a test in a synctest bubble. It passes the test a
// function that connects to the broker.
func inBubble(t *testing.T, opts Options, test func(t *testing.T, b *Broker, backend *fakeBackend, dial func() *rawClient)) {
	synctest.Test(t, func(t *testing.T) {
		backend := newFakeBackend()
		b, err := New(backend, opts)
		if err != nil {
			t.Fatal(err)
		}
		l := &pipes{conns: make(chan net.Conn), end: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- b.Serve(l) }()
		test(t, b, backend, func() *rawClient {
			client, server := net.Pipe()
			l.conns <- server
			return newRawClient(t, client)
		})
		b.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// endsAfter reads from a connection until the connection ends. It returns how long that
// took.
func endsAfter(c *rawClient) time.Duration {
	began := time.Now()
	_ = c.conn.SetReadDeadline(time.Time{})
	_, _ = io.Copy(io.Discard, c.conn)
	return time.Since(began)
}

func TestConnectTimeout(t *testing.T) {
	inBubble(t, Options{ConnectTimeout: 9 * time.Second}, func(t *testing.T, _ *Broker, _ *fakeBackend, dial func() *rawClient) {
		if got := endsAfter(dial()); got != 9*time.Second {
			t.Errorf("closed after %v, want 9s", got)
		}
		c := dial()
		c.write(encode(t, connectPacket("d1"))[:20]) // half of a CONNECT packet
		if got := endsAfter(c); got != 9*time.Second {
			t.Errorf("closed after %v, want 9s", got)
		}
	})
}

func TestDeviceThatLeavesBeforeConnackIsCleanedUp(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, b *Broker, _ *fakeBackend, dial func() *rawClient) {
		c := dial()
		c.send(connectPacket("d1"))
		c.conn.Close()
		synctest.Wait()
		if n := len(b.links.all) + len(b.links.current) + len(b.links.logins); n != 0 {
			t.Errorf("%d entries were not removed", n)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	for _, test := range []struct {
		keepalive uint16
		want      time.Duration
	}{
		{10, 15 * time.Second},
		{1767, 2650 * time.Second},
		{1768, 2650 * time.Second},
		{65535, 2650 * time.Second},
		{0, 2650 * time.Second},
	} {
		inBubble(t, Options{}, func(t *testing.T, _ *Broker, _ *fakeBackend, dial func() *rawClient) {
			pk := connectPacket("d1")
			pk.Connect.Keepalive = test.keepalive
			c := dial()
			c.login(pk)
			if got := endsAfter(c); got != test.want {
				t.Errorf("keepalive %d: closed after %v, want %v", test.keepalive, got, test.want)
			}
		})
	}
}

func TestLoginExpiry(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, _ *Broker, backend *fakeBackend, dial func() *rawClient) {
		backend.login = func(Login) (time.Time, error) { return time.Now().Add(40 * time.Second), nil }
		c := dial()
		c.login(connectPacket("d1"))
		if got := endsAfter(c); got != 40*time.Second {
			t.Errorf("closed after %v, want 40s", got)
		}
	})
}

func TestInvokeTimeout(t *testing.T) {
	for seconds, want := range map[int]time.Duration{0: 30 * time.Second, 5: 5 * time.Second, 300: 300 * time.Second} {
		inBubble(t, Options{}, func(t *testing.T, b *Broker, _ *fakeBackend, dial func() *rawClient) {
			pk := connectPacket("d1")
			pk.Connect.Keepalive = 1000
			c := dial()
			c.login(pk)
			c.subscribe(iothub.MethodsFilter)
			began := time.Now()
			done := b.invoke("d1", "m", "", seconds)
			_, rid, err := iothub.ParseMethodRequest(c.expect(packets.Publish).TopicName)
			if err != nil {
				t.Fatal(err)
			}

			got := <-done
			wantCode(t, got.err, iothub.CodeGatewayTimeout)
			if took := time.Since(began); took != want {
				t.Errorf("timed out after %v, want %v", took, want)
			}
			c.publish(1, iothub.MethodResponseTopic(200, rid), "1") // sent too late
			if len(done) != 0 {
				t.Error("the call ended twice")
			}
			if n := len(b.calls.pending); n != 0 {
				t.Errorf("%d calls were not removed", n)
			}
		})
	}
}

// The broker disconnects a device that does not read. It does so after the write
// timeout, or earlier if too many messages wait for the device.
func TestSlowReader(t *testing.T) {
	inBubble(t, Options{WriteTimeout: 7 * time.Second}, func(t *testing.T, b *Broker, backend *fakeBackend, dial func() *rawClient) {
		c := dial()
		c.login(connectPacket("d1"))
		c.subscribe(iothub.MethodsFilter)
		<-backend.connections
		began := time.Now()
		b.invoke("d1", "m", "", 300)
		writerDone := make(chan bool)
		go func() { // messages from the device must not extend the write timeout
			defer close(writerDone)
			for event := encode(t, publishPacket(0, "devices/d1/messages/events/", "x")); ; <-time.After(2 * time.Second) {
				if _, err := c.conn.Write(event); err != nil {
					return
				}
			}
		}()
		if got := <-backend.connections; got.connected || time.Since(began) != 7*time.Second {
			t.Errorf("%+v after %v, want a disconnection after 7s", got, time.Since(began))
		}
		<-writerDone
	})

	inBubble(t, Options{MaxPending: 4}, func(t *testing.T, b *Broker, backend *fakeBackend, dial func() *rawClient) {
		c := dial()
		c.login(connectPacket("d1"))
		c.subscribe(iothub.MethodsFilter)
		<-backend.connections
		began := time.Now()
		for range 6 { // the first is being written, the next four wait, and the sixth is too many
			b.invoke("d1", "m", "", 300)
			synctest.Wait()
		}
		if got := <-backend.connections; got.connected || time.Since(began) != 0 {
			t.Errorf("%+v after %v, want a disconnection at once", got, time.Since(began))
		}
	})
}
