package broker

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mochi-mqtt/server/v2/packets"
)

// socketFront serves the broker's WebSocket handler over HTTPS. It returns the handler's
// URL.
func socketFront(t *testing.T, f *front) string {
	t.Helper()
	server := httptest.NewUnstartedServer(f.WebSocket())
	server.TLS, _ = certificates(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	f.client.RootCAs.AddCert(server.Certificate())
	return "wss" + strings.TrimPrefix(server.URL, "https")
}

func (f *front) dialSocket(t *testing.T, url string) (*rawClient, *websocket.Conn) {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: f.client, Subprotocols: []string{"mqtt"}}
	socket, _, err := dialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if socket.Subprotocol() != "mqtt" {
		t.Errorf("the subprotocol is %q", socket.Subprotocol())
	}
	return newRawClient(t, &socketConn{Conn: socket}), socket
}

func TestWebSocketLink(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	logins := make(chan Login, 1)
	backend.login = func(l Login) (time.Time, error) { logins <- l; return time.Time{}, nil }
	c, _ := f.dialSocket(t, socketFront(t, f))
	for _, b := range encode(t, connectPacket("d1")) { // each byte is a WebSocket message of its own
		c.write([]byte{b})
	}
	if ack := c.expect(packets.Connack); ack.ReasonCode != 0 {
		t.Fatalf("CONNACK has code %d", ack.ReasonCode)
	}
	if next(t, logins).Chain.Leaf == nil {
		t.Error("the login lacks the certificate of the TLS session")
	}
	c.subscribe(allFilters("d1")...)
	called := f.invoke("d1", "lockDoor", "", 0)
	c.answer(200, `{}`)
	if got := next(t, called); got.err != nil || got.response.Status != 200 {
		t.Errorf("the result is %+v", got)
	}
	c.write(append(encode(t, publishPacket(1, "devices/d1/messages/events/", "a")), encode(t, publishPacket(1, "devices/d1/messages/events/", "b"))...))
	c.expect(packets.Puback)
	c.expect(packets.Puback)

	// If the device connects over plain MQTT, the new connection replaces its WebSocket
	// connection.
	again := f.connect(t, "d1")
	c.expectEnd()
	again.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	again.expectEnd()
}

func TestWebSocketRefusals(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	url := socketFront(t, f)
	t.Run("text message", func(t *testing.T) {
		c, socket := f.dialSocket(t, url)
		if err := socket.WriteMessage(websocket.TextMessage, encode(t, connectPacket("d1"))); err != nil {
			t.Fatal(err)
		}
		c.expectEnd()
	})
	t.Run("not MQTT", func(t *testing.T) {
		c, socket := f.dialSocket(t, url)
		if err := socket.WriteMessage(websocket.BinaryMessage, []byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		c.expectEnd()
	})
	t.Run("foreign origin", func(t *testing.T) {
		dialer := websocket.Dialer{TLSClientConfig: f.client, Subprotocols: []string{"mqtt"}}
		_, answer, err := dialer.DialContext(t.Context(), url, http.Header{"Origin": {"https://elsewhere.example"}})
		if err == nil || answer == nil || answer.StatusCode != http.StatusForbidden {
			t.Errorf("the answer is %v, %v; want 403", answer, err)
		}
	})
	t.Run("plain HTTP request", func(t *testing.T) {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: f.client}}
		defer client.CloseIdleConnections()
		answer, err := client.Get("https" + strings.TrimPrefix(url, "wss"))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			line, _ := bufio.NewReader(answer.Body).ReadString('\n')
			t.Errorf("the answer is %s %s; want 400", answer.Status, line)
		}
	})
}

func TestCloseClosesWebSockets(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	url := socketFront(t, f)
	c, _ := f.dialSocket(t, url)
	c.login(connectPacket("d1"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.expectEnd()
	late, _ := f.dialSocket(t, url)
	late.expectEnd()
}
