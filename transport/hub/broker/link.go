package broker

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is one device's connection. It is the net.Conn that the MQTT server
// reads and writes, so that each hook finds the link in its client.
//
// Fields without a note are set while CONNECT is handled and only read by the
// link's own reading goroutine, or after the link has been registered.
type link struct {
	net.Conn
	writeTimeout time.Duration

	deviceID string
	prefix   string // of the device's topics in the topic tree
	modelID  string
	login    Login

	registrationLogin RegistrationLogin // of a device that registers, in place of login
	registration      Registration      // after it was let in

	clean bool

	will    *will
	expires time.Time   // of the login; zero: never
	expiry  *time.Timer // closes the link then

	connectSeen bool          // a CONNECT was read
	refusal     byte          // CONNACK code, if the device may not come in
	present     bool          // for CONNACK: there is a session
	established bool          // CONNACK with code 0 was sent
	farewell    bool          // DISCONNECT was read: no will is sent
	subs        subscriptions // what the device is subscribed to
	incoming    request       // the request of the PUBLISH at hand

	inbound      inbound
	readDeadline time.Time

	reason atomic.Pointer[string] // why the link was closed; nil while it is open
	ended  chan struct{}          // closed when the link is gone and cleaned up

	mu          sync.Mutex // puts desired patches and twin answers in order
	desiredSent int64      // highest $version of the desired patches sent; guarded by mu
}

// will is what is sent as an event when a link ends without DISCONNECT.
type will struct {
	request request
	payload []byte
	retain  bool
}

// close begins to close the link and returns at once. The first reason counts.
// No byte is written and no packet taken any more.
func (l *link) close(reason string) {
	if l.reason.CompareAndSwap(nil, &reason) {
		go l.Conn.Close() // telling TLS to end may wait for a peer that does not read
	}
}

func (l *link) closed() bool { return l.reason.Load() != nil }

// Close is called by the MQTT server when it is through with the link.
func (l *link) Close() error {
	l.close("the device closed it, was silent for too long or broke the protocol")
	return nil
}

// Write bounds the time that a device may take to read. After a failed write
// the stream cannot go on.
func (l *link) Write(p []byte) (int, error) {
	if l.closed() {
		return 0, net.ErrClosed
	}
	if err := l.Conn.SetWriteDeadline(time.Now().Add(l.writeTimeout)); err != nil {
		return 0, err
	}
	n, err := l.Conn.Write(p)
	if err != nil {
		l.close("a write failed: " + err.Error())
	}
	return n, err
}
