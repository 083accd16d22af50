package mqtt_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// TestWebSocket connects a gateway to its hub over WebSocket. A server between them
// forwards the content of the WebSocket to the hub. The gateway must work, even after a
// renewal.
func TestWebSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	t.Parallel()

	h := startHub(t)
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{Subprotocols: []string{"mqtt"}}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		hub, err := tls.Dial("tcp", h.at.MQTT.String(), &tls.Config{RootCAs: h.roots, ServerName: "localhost"})
		if err != nil {
			t.Error(err)
			return
		}
		defer hub.Close()
		go func() {
			defer ws.Close()
			buffer := make([]byte, 100) // smaller than an MQTT packet, so that packets are split
			for {
				n, err := hub.Read(buffer)
				if err != nil || ws.WriteMessage(websocket.BinaryMessage, buffer[:n]) != nil {
					return
				}
			}
		}()
		for {
			_, message, err := ws.NextReader()
			if err != nil {
				return
			}
			if _, err := io.Copy(hub, message); err != nil {
				return
			}
		}
	}))

	defer front.Close()
	g := startGateway(t, h, "by-websocket", front.Listener.Addr().String(), func(o *mqtt.Options) {
		roots := x509.NewCertPool()
		roots.AddCert(front.Certificate())
		o.WebSocket, o.RootCAs = true, trust.Pool(roots)
		o.TokenLife = 10 * time.Second
	})

	g.nextLink()
	if err := g.converged(t.Context(), "first", 0); err != nil {
		t.Error(err)
	}
	g.nextLink() // the link after the renewal
	if err := g.converged(t.Context(), "second", 1_000_000); err != nil {
		t.Error(err)
	}

	g.check(nil)
}
