package broker

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is the connection of one device. The MQTT server reads and writes it as a
// net.Conn, so each hook can find the link in the server's client.
//
// Fields without a mutex are safe for one of two reasons: only the goroutine that reads the
// connection uses them, or they do not change after the device has logged in.
type link struct {
	net.Conn
	writeTimeout time.Duration

	deviceID string
	prefix   string // prefix of the device's topics in the topic tree
	modelID  string
	login    Login

	registrationLogin RegistrationLogin // replaces login if the device registers itself
	registration      Registration      // set when a device that registers has been admitted

	clean bool // the device asked for a clean session

	will    *will
	expires time.Time   // end of the login; zero means that it does not expire
	expiry  *time.Timer // closes the connection at the end of the login

	connectSeen    bool          // CONNECT was read
	refusal        byte          // CONNACK code of a refused device, else 0
	sessionPresent bool          // CONNACK's "session present" flag
	established    bool          // CONNACK with code 0 was sent
	disconnectSeen bool          // DISCONNECT was read, so the will must not be sent
	subs           subscriptions // current subscriptions of the device
	incoming       request       // parsed topic of the PUBLISH that is being handled

	inbound      inbound
	readDeadline time.Time

	reason atomic.Pointer[string] // why the connection was closed; nil while it is open
	ended  chan struct{}          // closed when the connection is gone and cleaned up

	mu          sync.Mutex // keeps desired patches and twin answers in order
	desiredSent int64      // highest $version of the desired patches sent; guarded by mu
}

// will is the event that the hub records if the connection ends without DISCONNECT.
type will struct {
	request request
	payload []byte
	retain  bool
}

// close starts to close the connection and returns at once. If it is called more
// than once, the first reason is kept. After close, nothing is written and no packet
// is handled.
func (l *link) close(reason string) {
	if l.reason.CompareAndSwap(nil, &reason) {
		go l.Conn.Close() // TLS sends a close message, which may wait for a peer that does not read
	}
}

func (l *link) closed() bool { return l.reason.Load() != nil }

// Close is called by the MQTT server when it has finished with the connection.
func (l *link) Close() error {
	l.close("the device closed it, was silent for too long or violated the protocol")
	return nil
}

// Write writes to the device within writeTimeout. It closes the connection after a
// failed write, because the device may have received part of a packet.
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
