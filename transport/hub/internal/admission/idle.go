package admission

import (
	"container/list"
	"net"
	"net/http"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/logtext"
)

// maxIdle is the maximum number of idle HTTP connections of clients that have proven who
// they are. A smaller limit of connections lowers it, see [Limiter.maxIdle].
const maxIdle = 512

// idleConns are the idle HTTP connections of one client, the longest idle first.
type idleConns struct {
	name  string
	conns list.List // of *conn
}

// maxIdle returns the maximum number of idle connections: at most a quarter of all.
func (l *Limiter) maxIdle() int { return max(1, min(maxIdle, l.opts.MaxConnections/4)) }

// ConnState records which connections are idle. Use it as the field ConnState of an
// http.Server. If there are too many idle connections, it closes the connection that has
// been idle longest, of the client that has the most. So one client cannot close the idle
// connections of others, unless they have as many.
func (l *Limiter) ConnState(client net.Conn, state http.ConnState) {
	c := unwrap(client)
	if c == nil {
		return
	}
	if state != http.StateIdle {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.leaveIdle()
		return
	}

	if excess := l.addIdle(c); excess != nil {
		l.log.Info("too many idle connections; closed the one that was idle longest", zap.Int("limit", l.maxIdle()),
			zap.Stringer(logtext.Address, excess.RemoteAddr()))
		excess.Close()
	}
}

// addIdle adds a connection to the idle ones. If there are then too many, it removes and
// returns the one to close.
func (l *Limiter) addIdle(c *conn) (excess *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place != nil || c.idle != nil || c.closed { // strangers have their own limits
		return nil
	}

	of := l.idle[c.client]
	if of == nil {
		of = &idleConns{name: c.client}
		l.idle[c.client] = of
	}
	c.idleOf, c.idle = of, of.conns.PushBack(c)
	if l.idleCount++; l.idleCount <= l.maxIdle() {
		return nil
	}

	for _, other := range l.idle {
		if other.conns.Len() > of.conns.Len() {
			of = other
		}
	}
	excess = of.conns.Front().Value.(*conn)
	excess.leaveIdle()
	return excess
}

// leaveIdle removes a connection from the idle ones. The caller must hold limiter.mu.
func (c *conn) leaveIdle() {
	if c.idle == nil {
		return
	}
	c.limiter.idleCount--
	c.idleOf.conns.Remove(c.idle)
	if c.idleOf.conns.Len() == 0 {
		delete(c.limiter.idle, c.idleOf.name)
	}
	c.idleOf, c.idle = nil, nil
}
