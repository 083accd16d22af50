package admission

import (
	"cmp"
	"container/list"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/logtext"
)

const (
	// LoginTime is the maximum time from accepting a connection to its authorization. It
	// is enough for a TLS handshake and a login on a slow mobile network.
	LoginTime = 20 * time.Second

	// MinTime is the time for which a connection stays open even if the hub needs its
	// place. In this time, an honest client logs in.
	MinTime = time.Second

	// MaxUnauthorized is the maximum number of connections that are not authorized. Each
	// takes up to 55 KiB of memory.
	MaxUnauthorized = 2048

	// MaxNew is the maximum number of connections that the hub accepts within MinTime and
	// that are not authorized. It makes a fleet that comes back all at once log in one
	// after another: thousands of TLS handshakes side by side would all take longer than
	// MinTime, and their clients would begin again.
	MaxNew = 256

	// reservedDescriptors is the number of file descriptors that the hub keeps for its
	// database, its log and its listeners.
	reservedDescriptors = 64
)

// Options configure a Limiter.
type Options struct {
	MaxConnections int         // maximum number of connections; 0 means MaxConnections()
	Logger         *zap.Logger // nil disables logging
}

// Limiter counts the connections of a hub. Its methods may be called from any goroutine.
type Limiter struct {
	opts Options
	log  *zap.Logger

	admitting sync.Mutex    // held while a connection waits for a place
	freed     chan struct{} // gets an element when a connection has ended or was authorized

	mu           sync.Mutex
	total        int                   // open connections
	unauthorized list.List             // of *conn, the oldest first
	idle         map[string]*idleConns // key: client
	idleCount    int
}

// New returns a Limiter without connections.
func New(opts Options) *Limiter {
	opts.MaxConnections = cmp.Or(opts.MaxConnections, MaxConnections())
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	return &Limiter{opts: opts, log: logtext.Remote(opts.Logger), freed: make(chan struct{}, 1), idle: make(map[string]*idleConns)}
}

// MaxConnections returns the maximum number of connections that the process's limit of
// file descriptors allows. The result is at least 1.
func MaxConnections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = 1024 // the usual limit of Linux
	}

	descriptors := int(min(limit.Cur, 1<<30))
	return max(descriptors-reservedDescriptors, descriptors/2, 1)
}

// Listen returns a listener that accepts connections from inner within the limits. If the
// process has no free file descriptor, Accept closes the oldest connection that is not
// authorized and returns the error; call Accept again after a short pause.
func (l *Limiter) Listen(inner net.Listener) net.Listener {
	return &listener{Listener: inner, limiter: l, closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	limiter *Limiter
	close   sync.Once
	closed  chan struct{} // closed by Close
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			l.limiter.evictOldest()
		}
		if err != nil {
			return nil, err
		}

		if c := l.limiter.admit(accepted, l.closed); c != nil {
			return c, nil
		}
		accepted.Close()
	}
}

func (l *listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// admit counts a new connection. At a limit, it first waits until a connection ends, is
// authorized or is no longer new, or until the oldest connection that is not authorized may
// be closed. It returns nil if all connections are authorized, or if stop is closed.
func (l *Limiter) admit(accepted net.Conn, stop <-chan struct{}) *conn {
	l.admitting.Lock()
	defer l.admitting.Unlock()

	for {
		c, wait := l.tryAdmit(accepted)
		switch {
		case c != nil:
			return c
		case wait < 0:
			l.log.Warn("refused a connection: all connections belong to clients that have logged in; raise the limit of file descriptors",
				zap.Stringer(logtext.Address, accepted.RemoteAddr()), zap.Int("limit", l.opts.MaxConnections))
			return nil
		case wait == 0:
			l.evictOldest()
			continue
		}

		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.freed:
		case <-stop:
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// tryAdmit counts a new connection if there is a place for it. Otherwise, it returns the
// time to wait: -1 if all connections are authorized, and 0 if the oldest connection that is
// not authorized may be closed now.
func (l *Limiter) tryAdmit(accepted net.Conn) (c *conn, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.total >= l.opts.MaxConnections || l.unauthorized.Len() >= MaxUnauthorized {
		oldest := l.unauthorized.Front()
		if oldest == nil {
			return nil, -1
		}
		return nil, max(0, MinTime-age(oldest))
	}
	if wait := MinTime - l.ageOfNewest(MaxNew); wait > 0 {
		return nil, wait
	}

	l.total++
	c = &conn{Conn: accepted, limiter: l, accepted: time.Now()}
	c.place = l.unauthorized.PushBack(c)
	c.expiry = time.AfterFunc(LoginTime, func() {
		if l.isUnauthorized(c) {
			l.log.Debug("closed a connection that did not log in in time", zap.Stringer(logtext.Address, c.RemoteAddr()))
			c.Close()
		}
	})
	return c, 0
}

// age returns how long ago a connection that is not authorized was accepted.
func age(e *list.Element) time.Duration { return time.Since(e.Value.(*conn).accepted) }

// ageOfNewest returns how long ago the last n connections that are not authorized were
// accepted, or MinTime if there are fewer.
func (l *Limiter) ageOfNewest(n int) time.Duration {
	if l.unauthorized.Len() < n {
		return MinTime
	}
	e := l.unauthorized.Back()
	for range n - 1 {
		e = e.Prev()
	}
	return age(e)
}

func (l *Limiter) isUnauthorized(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.place != nil
}

// evictOldest closes the oldest connection that is not authorized.
func (l *Limiter) evictOldest() {
	l.mu.Lock()
	var oldest *conn
	if e := l.unauthorized.Front(); e != nil {
		oldest = e.Value.(*conn)
	}
	l.mu.Unlock()

	if oldest == nil {
		return
	}
	l.log.Warn("too many connections; closed the oldest connection that has not logged in",
		zap.Stringer(logtext.Address, oldest.RemoteAddr()), zap.Int("limit", l.opts.MaxConnections))
	oldest.Close()
}

// leave removes a connection from the connections that are not authorized.
func (l *Limiter) leave(c *conn) {
	if c.place != nil {
		c.expiry.Stop()
		l.unauthorized.Remove(c.place)
		c.place, c.expiry = nil, nil
	}

	select {
	case l.freed <- struct{}{}:
	default:
	}
}
