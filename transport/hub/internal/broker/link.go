package broker

import (
	"bufio"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// link is the connection of one device. The MQTT library reads from it and writes to it
// as a net.Conn.
//
// Fields without a mutex are safe for one of two reasons: only the goroutines that read
// the connection use them, one after the other, or they do not change after the device
// has logged in.
type link struct {
	net.Conn
	buffered     *bufio.Reader // reads from Conn
	client       *mqtt.Client  // reads and writes packets; set after the TLS handshake
	writeTimeout time.Duration

	deviceID string
	modelID  string
	userName string // as in CONNECT; empty after the login
	login    Login

	registrationLogin RegistrationLogin // used instead of login if the device registers itself
	registration      Registration      // set when the device has been admitted to register

	clean bool // the device requested a clean session

	will    *will
	expires time.Time   // time at which the login expires; zero means never
	expiry  *time.Timer // closes the connection when the login expires

	connectSeen    bool          // CONNECT was read
	refusal        byte          // CONNACK return code that refuses the device, or 0
	sessionPresent bool          // CONNACK's "session present" flag
	established    bool          // CONNACK with code 0 was sent
	disconnectSeen bool          // DISCONNECT was read, so the will must not be sent
	subs           subscriptions // current subscriptions of the device

	inbound      inbound
	outbox       outbox
	maxSilence   time.Duration // time without a packet after which the connection ends; set by CONNECT
	readDeadline time.Time

	reason atomic.Pointer[string] // why the connection was closed; nil while it is open
	ended  chan struct{}          // closed when the connection has ended and cleanUp has returned

	mu          sync.Mutex // keeps desired patches and twin answers in their order
	desiredSent int64      // highest $version among the desired patches sent; guarded by mu
}

// will is the message that the hub records as an event if the connection ends without
// DISCONNECT.
type will struct {
	request request
	payload []byte
	retain  bool
}

// close starts to close the connection and returns at once. The reason of the first call
// is kept. After close, the hub writes nothing to the device and handles no more
// packets.
func (l *link) close(reason string) {
	if l.reason.CompareAndSwap(nil, &reason) {
		go l.Conn.Close() // in a goroutine, because TLS sends a close message and may wait for a peer that does not read
	}
}

func (l *link) closed() bool { return l.reason.Load() != nil }

// Write sends data to the device within writeTimeout. If that fails, Write closes the
// connection, because the device may have received only a part of a packet.
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
