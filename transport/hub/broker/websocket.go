package broker

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"
)

// WebSocketPath is where devices ask for a WebSocket.
const WebSocketPath = "/$iothub/websocket"

// WebSocket returns the handler of WebSocketPath: it takes links that carry
// MQTT in WebSocket messages (subprotocol "mqtt"). A page of another origin is
// turned away, since its browser might show a certificate unasked.
func (b *Broker) WebSocket() http.Handler {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: b.opts.ConnectTimeout,
		Subprotocols:     []string{"mqtt"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			b.log.Debug("no WebSocket", zap.String("remote", r.RemoteAddr), zap.Error(err)) // the client was told
			return
		}
		conn := &socketConn{Conn: socket}
		if r.TLS != nil {
			conn.tls = *r.TLS
		}
		if !b.serve(conn) {
			socket.Close()
		}
	})
}

// serve takes one link to its end; it does nothing and is false if the broker is closed.
func (b *Broker) serve(conn net.Conn) bool {
	b.mu.Lock()
	if b.closing {
		b.mu.Unlock()
		return false
	}
	b.wg.Add(1)
	b.mu.Unlock()
	defer b.wg.Done()
	b.run(conn)
	return true
}

// socketConn is the stream of bytes in a WebSocket's binary messages. MQTT
// packets and messages need not begin together. One goroutine may read and one
// may write at a time.
type socketConn struct {
	*websocket.Conn
	tls     tls.ConnectionState
	message io.Reader // the rest of the message at hand; nil between two
}

// ConnectionState is that of the TLS connection below.
func (c *socketConn) ConnectionState() tls.ConnectionState { return c.tls }

func (c *socketConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, net.ErrClosed // MQTT 3.1.1 [MQTT-6.0.0-1] has the link closed
			}
			c.message = message
		}
		n, err := c.message.Read(p)
		if err == io.EOF {
			c.message = nil
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *socketConn) Write(p []byte) (int, error) {
	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *socketConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
