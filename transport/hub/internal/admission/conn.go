package admission

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// conn is an accepted connection.
type conn struct {
	net.Conn
	limiter  *Limiter
	accepted time.Time
	close    sync.Once

	place  *list.Element // in limiter.unauthorized, or nil; guarded by limiter.mu
	expiry *time.Timer   // closes the connection after LoginTime; nil if place is nil; guarded by limiter.mu
}

// Close closes the connection and frees its place.
func (c *conn) Close() error {
	err := c.Conn.Close()

	c.close.Do(func() {
		c.limiter.mu.Lock()
		defer c.limiter.mu.Unlock()
		c.limiter.total--
		c.limiter.leave(c)
	})
	return err
}

func (c *conn) authorize() {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	c.limiter.leave(c)
}

// Authorize records that the client of a connection has proven its identity. The limits
// for strangers no longer apply to the connection. The connection may be wrapped in types
// with a method NetConn, such as *tls.Conn. Authorize ignores connections that no Limiter
// has accepted.
func Authorize(client net.Conn) {
	for client != nil {
		if c, ok := client.(*conn); ok {
			c.authorize()
			return
		}

		wrapper, ok := client.(interface{ NetConn() net.Conn })
		if !ok {
			return
		}
		client = wrapper.NetConn()
	}
}

type connKey struct{}

// ConnContext stores a connection for AuthorizeRequest. Use it as the field ConnContext of
// an http.Server.
func ConnContext(ctx context.Context, client net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, client)
}

// AuthorizeRequest does the same as Authorize for the connection of an HTTP request.
func AuthorizeRequest(r *http.Request) {
	if client, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		Authorize(client)
	}
}
