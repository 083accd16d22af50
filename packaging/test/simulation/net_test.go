package simulation

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxUnread is the number of bytes that a stalled connection buffers. A connection that
// is written to further is reset, as a kernel does after its retransmissions. No write
// ever waits: a goroutine that waited here could hold a mutex for which another one
// waits, and simulated time would stop.
const maxUnread = 1 << 20

// usualDelay is the shortest travel time of a packet while nothing disturbs the network.
const usualDelay = 10 * time.Millisecond

// network connects the gateways and the technician with the hub. Its connections exist
// in memory and use the bubble's time.
type network struct {
	mu        sync.Mutex
	listeners map[string]*listener // by the HOST:PORT of their names
	paths     []*path
	onWrite   func() // called after each write of the hub; may be nil
}

func newNetwork() *network { return &network{listeners: map[string]*listener{}} }

// listen opens a listener at the name address.
func (n *network) listen(_, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, syscall.EADDRINUSE
	}

	l := &listener{network: n, address: address, accepted: make(chan net.Conn, 256), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// move gives the hub another address. The old address answers no more: its connections
// are stalled until one end gives up.
func (n *network) move() {
	n.mu.Lock()
	paths := n.paths
	n.mu.Unlock()
	for _, p := range paths {
		p.abandon()
	}
}

// cutAll resets all connections and closes the hub's listeners, as the end of the hub's
// process does.
func (n *network) cutAll() {
	n.mu.Lock()
	paths := n.paths
	var listeners []*listener
	for _, l := range n.listeners {
		if !l.isFront() {
			listeners = append(listeners, l)
		}
	}
	n.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	for _, p := range paths {
		p.cut()
	}
}

type listener struct {
	network  *network
	address  string
	accepted chan net.Conn
	once     sync.Once
	closed   chan struct{}
}

func (l *listener) isFront() bool {
	return l.address == frontMQTTAddress || l.address == frontHTTPSAddress
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Close resets the connections that the server has not accepted yet.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.address)
		l.network.mu.Unlock()
		close(l.closed)
	})
	for {
		select {
		case c := <-l.accepted:
			c.(*end).conn.reset()
		default:
			return nil
		}
	}
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return simAddr(l.address) }

// wrote calls the function that waits for a write of the hub.
func (n *network) wrote() {
	n.mu.Lock()
	do := n.onWrite
	n.mu.Unlock()
	if do != nil {
		do()
	}
}

func (n *network) setOnWrite(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onWrite = do
}

type simAddr string

func (simAddr) Network() string  { return "tcp" }
func (a simAddr) String() string { return string(a) }

// path is the way of one client to the hub. The chaos source disturbs it.
type path struct {
	network *network
	name    string

	mu      sync.Mutex
	random  *rand.Rand
	down    bool          // packets of new connections vanish
	stalled bool          // packets of all connections wait
	delay   time.Duration // of each packet, plus up to as much again
	conns   map[*conn]struct{}
}

func (n *network) newPath(name string, seed uint64) *path {
	p := &path{network: n, name: name, random: rand.New(rand.NewPCG(seed, 1)), delay: usualDelay, conns: map[*conn]struct{}{}}
	n.mu.Lock()
	n.paths = append(n.paths, p)
	n.mu.Unlock()
	return p
}

// dial connects to a listener, like net.Dialer.DialContext.
func (p *path) dial(ctx context.Context, _, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: simAddr(address), Err: err}
	}

	p.mu.Lock()
	down, delay := p.down || p.stalled, p.delay
	p.mu.Unlock()
	if down {
		<-ctx.Done()
		return fail(ctx.Err())
	}

	select {
	case <-time.After(2 * delay):
	case <-ctx.Done():
		return fail(ctx.Err())
	}

	p.network.mu.Lock()
	l := p.network.listeners[address]
	p.network.mu.Unlock()
	if l == nil {
		return fail(syscall.ECONNREFUSED)
	}

	c := p.newConn(address)
	c.server.isHub = !l.isFront()
	select {
	case <-l.closed:
		c.reset()
		return fail(syscall.ECONNREFUSED)
	case l.accepted <- c.server:
		return c.client, nil
	}
}

func (p *path) each(do func(*conn)) {
	p.mu.Lock()
	var all []*conn
	for c := range p.conns {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		do(c)
	}
}

// cut resets all connections.
func (p *path) cut() { p.each((*conn).reset) }

// halfOpen ends all connections for one side. The other side hears nothing of that, and
// its packets vanish.
func (p *path) halfOpen(clientKnows bool) { p.each(func(c *conn) { c.halfOpen(clientKnows) }) }

// abandon lets all packets of the present connections vanish.
func (p *path) abandon() { p.each((*conn).abandon) }

// setStalled holds back all packets, or delivers them.
func (p *path) setStalled(stalled bool) {
	p.mu.Lock()
	p.stalled = stalled
	p.mu.Unlock()
	p.each((*conn).notify)
}

func (p *path) isStalled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stalled
}

func (p *path) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *path) setDelay(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// packetDelay returns the travel time of one packet.
func (p *path) packetDelay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay + time.Duration(p.random.Float64()*float64(p.delay))
}

// conn is a connection with its two ends.
type conn struct {
	path           *path
	client, server *end
	up, down       *stream // to the server and to the client
}

func (p *path) newConn(address string) *conn {
	c := &conn{path: p}
	c.up, c.down = newStream(p), newStream(p)
	c.client = &end{conn: c, in: c.down, out: c.up, local: simAddr(p.name + ":1"), remote: simAddr(address)}
	c.server = &end{conn: c, in: c.up, out: c.down, local: simAddr(address), remote: simAddr(p.name + ":1")}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	return c
}

func (c *conn) notify() {
	c.up.change(func() {})
	c.down.change(func() {})
}

func (c *conn) reset() {
	c.up.change(func() { c.up.broken = syscall.ECONNRESET })
	c.down.change(func() { c.down.broken = syscall.ECONNRESET })
	c.forget()
}

func (c *conn) abandon() {
	c.up.change(func() { c.up.void = true })
	c.down.change(func() { c.down.void = true })
	c.forget()
}

func (c *conn) halfOpen(clientKnows bool) {
	c.abandon()
	known := c.server
	if clientKnows {
		known = c.client
	}
	known.in.change(func() { known.in.broken = syscall.ECONNRESET })
	known.fail(syscall.ECONNRESET)
}

func (c *conn) forget() {
	c.path.mu.Lock()
	defer c.path.mu.Unlock()
	delete(c.path.conns, c)
}

// stream carries bytes in one direction.
type stream struct {
	path *path

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	packets []packet
	unread  int
	last    time.Time // arrival of the newest packet
	eof     bool      // the writer has closed its end
	void    bool      // new packets vanish
	broken  error     // both the reader and the writer fail with this error
}

type packet struct {
	at   time.Time // arrival
	data []byte
}

func newStream(p *path) *stream { return &stream{path: p, changed: make(chan struct{})} }

// change calls do and wakes the readers.
func (s *stream) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	close(s.changed)
	s.changed = make(chan struct{})
}

// put sends bytes.
func (s *stream) put(p []byte) error {
	delay := s.path.packetDelay()
	var err error
	s.change(func() {
		switch {
		case s.broken != nil:
			err = s.broken
		case s.void:
		case s.unread+len(p) > maxUnread:
			s.broken, err = syscall.ETIMEDOUT, syscall.ETIMEDOUT
		default:
			at := time.Now().Add(delay)
			if at.Before(s.last) {
				at = s.last
			}
			s.last, s.unread = at, s.unread+len(p)
			s.packets = append(s.packets, packet{at, append([]byte(nil), p...)})
		}
	})
	return err
}

// take returns bytes that have arrived. If none have, it returns the channel that is
// closed at the next change and the time after which to look again, 0 for never.
func (s *stream) take(p []byte) (n int, changed <-chan struct{}, wait time.Duration, err error) {
	stalled := s.path.isStalled()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return 0, nil, 0, s.broken
	case stalled:
	case len(s.packets) > 0:
		first := &s.packets[0]
		if wait = time.Until(first.at); wait > 0 {
			break
		}
		n = copy(p, first.data)
		s.unread -= n
		if first.data = first.data[n:]; len(first.data) == 0 {
			s.packets = s.packets[1:]
		}
		return n, nil, 0, nil
	case s.eof:
		return 0, nil, 0, io.EOF
	}
	return 0, s.changed, wait, nil
}

// end is one end of a connection. It implements net.Conn.
type end struct {
	conn          *conn
	in, out       *stream
	local, remote net.Addr
	isHub         bool

	mu            sync.Mutex
	closed        bool
	failure       error
	readDeadline  time.Time
	writeDeadline time.Time
}

func (e *end) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failure = err
}

// state returns the error of an end that can no longer be used, and its deadlines.
func (e *end) state() (read, write time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return e.readDeadline, e.writeDeadline, net.ErrClosed
	}
	return e.readDeadline, e.writeDeadline, e.failure
}

// Read implements net.Conn.
func (e *end) Read(p []byte) (int, error) {
	for {
		n, changed, wait, err := e.in.take(p)
		deadline, _, failure := e.state()
		switch {
		case failure != nil:
			return 0, failure
		case !deadline.IsZero() && !time.Now().Before(deadline):
			if n > 0 {
				return n, nil
			}
			return 0, os.ErrDeadlineExceeded
		case n > 0 || err != nil || len(p) == 0:
			return n, err
		}

		if left := time.Until(deadline); !deadline.IsZero() && (wait == 0 || left < wait) {
			wait = left
		}
		if wait == 0 {
			<-changed
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Write implements net.Conn. It never waits.
func (e *end) Write(p []byte) (int, error) {
	_, deadline, failure := e.state()
	if failure != nil {
		return 0, failure
	}
	if !deadline.IsZero() && !time.Now().Before(deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	if err := e.out.put(p); err != nil {
		return 0, err
	}
	if e.isHub {
		e.conn.path.network.wrote()
	}
	return len(p), nil
}

// Close implements net.Conn.
func (e *end) Close() error {
	e.mu.Lock()
	already := e.closed
	e.closed = true
	e.mu.Unlock()
	if already {
		return net.ErrClosed
	}

	e.out.change(func() { e.out.eof = true })
	e.in.change(func() {})
	if _, _, other := e.other().state(); errors.Is(other, net.ErrClosed) {
		e.conn.forget()
	}
	return nil
}

func (e *end) other() *end {
	if e == e.conn.client {
		return e.conn.server
	}
	return e.conn.client
}

// LocalAddr implements net.Conn.
func (e *end) LocalAddr() net.Addr { return e.local }

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return e.remote }

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (e *end) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	e.readDeadline = t
	e.mu.Unlock()
	e.in.change(func() {})
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *end) SetWriteDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writeDeadline = t
	return nil
}
