package broker

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/logtext"
)

// WebSocketPath is the path of the hub's WebSocket, over which devices can send MQTT.
const WebSocketPath = "/$iothub/websocket"

// WebSocket returns the HTTP handler for WebSocketPath. A client opens a WebSocket with
// the subprotocol "mqtt" and sends MQTT in its messages. The handler refuses requests
// from web pages of another origin, because a browser may add the user's client
// certificate to them without consent.
func (b *Broker) WebSocket() http.Handler {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: b.opts.ConnectTimeout,
		Subprotocols:     []string{"mqtt"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			b.remoteLog.Debug("cannot open a WebSocket", zap.String(logtext.Address, r.RemoteAddr), zap.Error(err)) // Upgrade has already answered the client
			return
		}

		conn := &socketConn{Conn: socket}
		if r.TLS != nil {
			conn.tls = *r.TLS
		}
		if !b.serveConn(conn) {
			socket.Close()
		}
	})
}

// serveConn serves one connection until the connection ends. It returns false and does
// nothing if the broker is closed.
func (b *Broker) serveConn(conn net.Conn) bool {
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

// socketConn is a net.Conn over a WebSocket. Its byte stream is the content of the
// WebSocket's binary messages. An MQTT packet may span several messages, and a message
// may contain several packets. One goroutine may read while others write.
type socketConn struct {
	*websocket.Conn
	tls     tls.ConnectionState
	message io.Reader // unread rest of the current message; nil between messages
	writing sync.Mutex
}

// ConnectionState returns the state of the TLS connection that carries the WebSocket.
func (c *socketConn) ConnectionState() tls.ConnectionState { return c.tls }

func (c *socketConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, net.ErrClosed // required by MQTT 3.1.1, [MQTT-6.0.0-1]
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
	c.writing.Lock()
	defer c.writing.Unlock()
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
