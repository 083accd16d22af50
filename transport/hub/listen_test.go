package hub

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// oneConn is a listener with a single connection.
type oneConn struct{ conns chan net.Conn }

func (l oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l oneConn) Close() error   { close(l.conns); return nil }
func (l oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// A client must send its request with the body within a minute, even if the handler does
// not read the body.
func TestTimeForARequest(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"unread body": func(http.ResponseWriter, *http.Request) {},
		"read body":   func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := oneConn{make(chan net.Conn, 1)}
				client, accepted := net.Pipe()
				listener.conns <- accepted
				server := newServer(handle, nil, zap.NewNop())
				ended := make(chan error, 1)
				go func() { ended <- server.Serve(listener) }()

				began := time.Now()
				var writing sync.WaitGroup
				writing.Go(func() {
					fmt.Fprint(client, "POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 60000\r\n\r\n")
					for {
						if _, err := client.Write([]byte("x")); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				io.Copy(io.Discard, client) // until the server closes the connection
				if took := time.Since(began).Round(time.Second); took != time.Minute {
					t.Errorf("the server closed the connection after %v, want a minute", took)
				}

				client.Close()
				server.Close()
				writing.Wait()
				<-ended
			})
		})
	}
}
