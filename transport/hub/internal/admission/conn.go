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

	// The fields below are guarded by limiter.mu.
	client string        // name of the client that has proven who it is; used for HTTP
	idle   *list.Element // in idleOf.conns, or nil
	idleOf *idleConns    // nil if idle is nil
	closed bool
}

// Close closes the connection and frees its place.
func (c *conn) Close() error {
	err := c.Conn.Close()

	c.close.Do(func() {
		c.limiter.mu.Lock()
		defer c.limiter.mu.Unlock()
		c.limiter.total--
		c.limiter.leave(c)
		c.leaveIdle()
		c.closed = true
	})
	return err
}

func (c *conn) authorize(client string) {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	c.client = client
	c.limiter.leave(c)
}

// Authorize records that the client of a connection has proven its identity. The limits
// for strangers no longer apply to the connection. The connection may be wrapped in types
// with a method NetConn, such as *tls.Conn. Authorize ignores connections that no Limiter
// has accepted.
func Authorize(client net.Conn) {
	if c := unwrap(client); c != nil {
		c.authorize("")
	}
}

// unwrap returns the connection that a Limiter has accepted, or nil.
func unwrap(client net.Conn) *conn {
	for client != nil {
		if c, ok := client.(*conn); ok {
			return c
		}

		wrapper, ok := client.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		client = wrapper.NetConn()
	}
	return nil
}

type connKey struct{}

// ConnContext stores a connection for AuthorizeRequest. Use it as the field ConnContext of
// an http.Server.
func ConnContext(ctx context.Context, client net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, client)
}

// AuthorizeRequest does the same as Authorize for the connection of an HTTP request. client
// is the name of the client, such as its shared access policy. The limit of idle connections
// is shared between clients.
func AuthorizeRequest(r *http.Request, client string) {
	if accepted, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		if c := unwrap(accepted); c != nil {
			c.authorize(client)
		}
	}
}
