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
	websocketPath = "/$iothub/websocket"
	// noClientCert tells IoT Hub that no certificate will come, so that it does
	// not ask for one by a second TLS handshake.
	noClientCert = "?iothub-no-client-cert=true"
)

// upgrade makes a WebSocket of a TLS connection.
func (s Server) upgrade(ctx context.Context, conn *tls.Conn) (net.Conn, error) {
	target := "wss://" + s.Address + websocketPath
	if s.Certificate == nil {
		target += noClientCert
	}
	dialer := websocket.Dialer{
		NetDialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		Subprotocols:      []string{"mqtt"},
	}
	// gorilla looks at ctx's deadline only, once the connection stands.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	ws, response, err := dialer.DialContext(ctx, target, nil)
	if err != nil {
		stop()
		if response != nil {
			err = &upgradeError{response.StatusCode}
		}
		conn.Close()
		return nil, orContext(ctx, err)
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if ws.Subprotocol() != "mqtt" {
		ws.Close()
		return nil, errors.New("its WebSocket does not carry mqtt")
	}
	return &wsConn{Conn: ws}, nil
}

// upgradeError is an answer to the WebSocket request that is not 101.
type upgradeError struct{ status int }

func (e *upgradeError) Error() string {
	return fmt.Sprintf("it answers the WebSocket request with %d %s", e.status, http.StatusText(e.status))
}

// wsConn makes a stream of a WebSocket's binary messages. Like every net.Conn it
// has one reader and any number of writers at a time.
type wsConn struct {
	*websocket.Conn
	reader io.Reader // what is left of a message, nil between two
	write  sync.Mutex
}

func (c *wsConn) Read(p []byte) (int, error) {
	for {
		if c.reader == nil {
			kind, r, err := c.NextReader()
			if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived) {
				return 0, io.EOF
			}
			if websocket.IsCloseError(err, websocket.CloseAbnormalClosure) { // gorilla's word for a connection that just ends
				return 0, io.ErrUnexpectedEOF
			}
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("the hub sent text in a WebSocket that carries MQTT")
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

// Close says good-bye, if that can be written at once, and closes the connection.
func (c *wsConn) Close() error {
	c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	return c.Conn.Close()
}

func (c *wsConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
