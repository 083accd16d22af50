package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// websocketPath is the path at which IoT Hub accepts MQTT over WebSocket.
	websocketPath = "/$iothub/websocket"
	// noClientCert tells IoT Hub that the device has no certificate. IoT Hub then omits
	// the second TLS handshake in which it asks for a certificate.
	noClientCert = "?iothub-no-client-cert=true"
)

// upgrade turns a TLS connection into a WebSocket connection.
func (s Server) upgrade(ctx context.Context, conn *tls.Conn) (net.Conn, error) {
	target := "wss://" + s.Address + websocketPath
	if s.Certificate == nil {
		target += noClientCert
	}

	dialer := websocket.Dialer{
		NetDialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		Subprotocols:      []string{"mqtt"},
	}

	// After the connection is open, the gorilla library obeys the deadline of ctx but
	// ignores cancellation. When ctx ends, closing the connection makes DialContext
	// return.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	ws, response, err := dialer.DialContext(ctx, target, nil)
	if err != nil {
		stop()
		conn.Close()
		if response != nil { // even if ctx ended while the library read the body of the answer
			return nil, &upgradeError{response.StatusCode}
		}
		return nil, orContext(ctx, err)
	}

	if !stop() {
		return nil, context.Cause(ctx)
	}
	if ws.Subprotocol() != "mqtt" {
		ws.Close()
		return nil, errors.New("the server's WebSocket does not offer the subprotocol mqtt")
	}
	return &wsConn{Conn: ws}, nil
}

// upgradeError reports that the server answered the WebSocket request with a status
// other than 101.
type upgradeError struct{ status int }

func (e *upgradeError) Error() string {
	return fmt.Sprintf("it answered the WebSocket request with %d %s", e.status, http.StatusText(e.status))
}

// wsConn presents the binary messages of a WebSocket as a stream of bytes. Only one
// goroutine may read at a time; any number may write.
type wsConn struct {
	*websocket.Conn
	reader io.Reader  // the unread rest of the current message; nil between messages
	write  sync.Mutex // held while a message is being written
}

func (c *wsConn) Read(p []byte) (int, error) {
	for {
		if c.reader == nil {
			kind, r, err := c.NextReader()
			if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived) {
				return 0, io.EOF
			}
			if websocket.IsCloseError(err, websocket.CloseAbnormalClosure) { // the connection ended without a WebSocket close message
				return 0, io.ErrUnexpectedEOF
			}
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("the hub sent a text message; MQTT uses binary messages")
			}
			c.reader = r
		}

		n, err := c.reader.Read(p)
		if err != io.EOF {
			return n, err
		}
		c.reader = nil
		if n > 0 {
			return n, nil
		}
	}
}

func (c *wsConn) Write(p []byte) (int, error) {
	c.write.Lock()
	defer c.write.Unlock()

	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close tries for up to a second to send a WebSocket close message. Then it closes the
// connection.
func (c *wsConn) Close() error {
	c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	return c.Conn.Close()
}

func (c *wsConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
