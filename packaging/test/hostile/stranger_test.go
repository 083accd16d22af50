package hostile

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
)

// strangers hold as many connections to a hub as they can. When the hub closes a
// connection, its stranger opens the next one.
type strangers struct {
	closed chan struct{} // receives an element when the hub has closed a connection
}

// stranger opens a connection and stops before a login. It returns a connection that is
// open.
type stranger func(ctx context.Context, h *harness.Hub) (net.Conn, error)

// kinds are the strangers of the hub's two fronts.
var kinds = []stranger{
	silent(mqttFront),
	silent(httpsFront),
	afterHandshake(mqttFront, ""),
	afterHandshake(mqttFront, "\x10\xff"), // half of a CONNECT
	afterHandshake(httpsFront, ""),
	afterHandshake(httpsFront, "GET /devices HTTP/1.1\r\nHost: hub\r\nX-Half: "),
	afterHandshake(httpsFront, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	afterHandshake(httpsFront, "GET /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: hub\r\n\r\n"), // gets 401
	afterHandshake(httpsFront, "GET /nowhere HTTP/1.1\r\nHost: hub\r\n\r\n"),                        // gets 404
	afterHandshake(httpsFront, "GET /$iothub/websocket HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: bGF0Y2hkIGxhdGNoZCBsYQ==\r\n\r\n"),
}

func mqttFront(h *harness.Hub) string  { return h.MQTT }
func httpsFront(h *harness.Hub) string { return h.HTTPS }

// silent returns a stranger that sends nothing at all.
func silent(front func(*harness.Hub) string) stranger {
	return func(ctx context.Context, h *harness.Hub) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", front(h))
	}
}

// afterHandshake returns a stranger that completes the TLS handshake, sends a text and is
// then silent.
func afterHandshake(front func(*harness.Hub) string, text string) stranger {
	return func(ctx context.Context, h *harness.Hub) (net.Conn, error) {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // a stranger does not care whose hub it is
		conn, err := dialer.DialContext(ctx, "tcp", front(h))
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(conn, text); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
}

// sendStrangers starts n strangers, which stay until the end of the test.
func sendStrangers(t *testing.T, h *harness.Hub, n int) *strangers {
	t.Helper()
	s := &strangers{closed: make(chan struct{}, n)}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })

	for i := range n {
		running.Go(func() {
			for ctx.Err() == nil {
				s.stay(ctx, h, kinds[i%len(kinds)])
			}
		})
	}
	return s
}

// stay opens a connection and holds it until the hub closes it or ctx ends.
func (s *strangers) stay(ctx context.Context, h *harness.Hub, open stranger) {
	conn, err := open(ctx, h)
	if err == nil {
		end := context.AfterFunc(ctx, func() { conn.Close() })
		defer end()
		defer conn.Close()
		io.Copy(io.Discard, conn)
	}

	select {
	case s.closed <- struct{}{}:
	default:
	}
}

// A stranger's connection ends soon even if the hub has room for it, and even if the
// stranger sends a byte now and then.
func TestStrangersLeaveSoon(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s")
	}
	t.Parallel()
	h := harness.StartHub(t, bin)

	const limit = 25 * time.Second
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for i, open := range kinds {
		waiting.Go(func() {
			began := time.Now()
			conn, err := open(t.Context(), h)
			if err != nil {
				t.Errorf("stranger %d: %v", i, err)
				return
			}
			defer conn.Close()

			conn.SetDeadline(began.Add(harness.Patience))
			io.Copy(io.Discard, conn)
			if took := time.Since(began); took > limit {
				t.Errorf("stranger %d stayed for %v, want at most %v", i, took, limit)
			}
		})
	}
}

// The HTTPS front speaks only HTTP/1.1.
func TestNoHTTP2(t *testing.T) {
	t.Parallel()
	h := harness.StartHub(t, bin)
	conn, err := tls.Dial("tcp", h.HTTPS, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("the hub chose %q, want http/1.1", got)
	}
}

// connectPacket returns the bytes of a CONNECT packet of MQTT 3.1.1 with a user name and
// without a password.
func connectPacket(clientID, user string) []byte {
	text := func(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }
	body := text("MQTT") + "\x04\x82\x00\x3c" + text(clientID) + text(user)

	packet := []byte{0x10}
	for n := len(body); ; {
		digit := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			packet = append(packet, digit|0x80)
			continue
		}
		packet = append(packet, digit)
		break
	}
	return append(packet, body...)
}

// refused sends a CONNECT packet and reads the hub's refusal.
func refused(dialer *net.Dialer, h *harness.Hub, clientID, user string) error {
	conn, err := tls.DialWithDialer(dialer, "tcp", h.MQTT, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(harness.Patience))
	if _, err := conn.Write(connectPacket(clientID, user)); err != nil {
		return err
	}

	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if string(answer) != "\x20\x02\x00\x05" {
		return fmt.Errorf("the hub answered %q, want a refusal", answer)
	}
	return nil
}

// userNames are user names of about 65 KB, the longest that MQTT can carry. They consist of
// control characters in places where the hub reads a host name, an option and nothing.
var userNames = []string{
	strings.Repeat("\x01", 65_000) + "/x/?api-version=2021-04-12",
	"hub/x/?api-version=2021-04-12&" + strings.Repeat("\x01", 65_000) + "=%zz",
	strings.Repeat("\x01", 65_535),
}
