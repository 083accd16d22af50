package mqtt

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// Link is one connection to the hub. It exists from the moment the hub has granted all
// subscriptions. All methods may be called from any goroutine, even after the link has
// ended.
type Link struct {
	set       *settings
	log       *zap.Logger
	client    paho.Client
	conn      *linkConn
	in        *inbox
	requests  *twinRequests
	lastError string       // why the previous link ended
	sending   atomic.Int64 // number of messages that the hub has not acknowledged

	ended     chan struct{} // closed when the link has ended and can send nothing more
	ending    sync.Mutex    // held while the link ends
	endReason error         // set before ended is closed
}

func newLink(s *settings, conn net.Conn, lastError string) *Link {
	return &Link{
		set:       s,
		log:       s.remote,
		conn:      &linkConn{Conn: conn, closed: make(chan struct{})},
		in:        newInbox(s.remote),
		requests:  newTwinRequests(),
		lastError: lastError,
		ended:     make(chan struct{}),
	}
}

// Methods returns the channel on which direct methods arrive. The channel is closed
// when the link is lost. It is also closed shortly before Run renews or closes the
// link; the device can then still answer the methods that it received.
func (l *Link) Methods() <-chan iothub.Method { return l.in.methods }

// Desired returns the channel on which changes of the desired properties arrive, each
// with its $version. If the device reads too slowly, the oldest changes are dropped and
// the versions have a gap. A nil change stands for one that the link could not read; the
// device should then read its twin. The channel is never closed.
func (l *Link) Desired() <-chan iothub.Object { return l.in.desired }

// LastError returns the reason why the previous link ended. It returns "" if there was
// no previous link or if that link ended for a renewal.
func (l *Link) LastError() string { return l.lastError }

// Replayed returns how many retained messages the device has ignored on this link and
// all earlier links of the same Run.
func (l *Link) Replayed() int64 { return l.set.replayed.Load() }

// Respond answers a direct method. It returns nil once the answer is written to the
// connection. The error is ErrLinkEnded if the link has ended. Respond also fails if
// this link did not deliver the request, or if the request already has an answer.
func (l *Link) Respond(ctx context.Context, requestID string, response iothub.MethodResponse) error {
	if err := l.endedError(); err != nil {
		return fmt.Errorf("answer request %s: %w", requestID, err)
	}
	if !l.in.startAnswer(requestID) {
		return fmt.Errorf("answer request %s: no such request waits for an answer on this link", requestID)
	}
	defer l.in.finishAnswer(requestID)

	payload := []byte(response.Payload)
	if len(payload) == 0 {
		payload = []byte("null")
	}
	if !json.Valid(payload) {
		return fmt.Errorf("answer request %s: the payload is not JSON", requestID)
	}

	if err := l.publish(ctx, iothub.MethodResponseTopic(response.Status, requestID), payload); err != nil {
		return fmt.Errorf("answer request %s: %w", requestID, err)
	}
	return nil
}

// receive handles a message from the hub. The paho client calls receive from one
// goroutine, so receive must not block.
//
// receive ignores retained messages. A server sends a retained message again on each
// new link, so a retained unlock would unlock the door again and again. IoT Hub retains
// no messages (IoT Hub documentation, "Communicate with your IoT hub using the MQTT
// protocol").
func (l *Link) receive(m paho.Message) {
	topic, payload := m.Topic(), m.Payload()
	if m.Retained() {
		l.set.replayed.Add(1)
		l.log.Warn("ignored a retained message from the hub", zap.String("topic", topic))
		return
	}

	if name, rid, err := iothub.ParseMethodRequest(topic); err == nil {
		l.in.addMethod(iothub.Method{RequestID: rid, Name: name, Payload: payload})
		return
	}

	if response, err := iothub.ParseTwinResponse(topic); err == nil {
		l.requests.answer(response, payload)
		return
	}

	if strings.HasPrefix(topic, strings.TrimSuffix(iothub.DesiredFilter, "#")) {
		patch, err := readDesired(topic, payload)
		if err != nil {
			l.log.Warn("cannot read a change of the desired properties", zap.Error(err))
		}
		l.in.addDesired(patch)
		return
	}

	l.log.Warn("ignored a message with an unknown topic from the hub", zap.String("topic", topic))
}

// readDesired reads a change of the desired properties. It returns nil if the change is
// unreadable.
func readDesired(topic string, payload []byte) (iothub.Object, error) {
	version, err := iothub.ParseDesired(topic)
	if err != nil {
		return nil, err
	}
	patch, err := iothub.ParseObject(payload)
	if err != nil {
		return nil, err
	}

	if patch.Version() == 0 {
		patch["$version"] = version
	}
	return patch, nil
}

// publish sends a message with QoS 0. It returns after it has written the message to
// the connection.
func (l *Link) publish(ctx context.Context, topic string, payload []byte) error {
	_, err := l.await(ctx, func() paho.Token { return l.client.Publish(topic, 0, false, payload) })
	return err
}

// await calls start, which begins an operation of the paho client. await returns when
// the operation, the link or ctx ends. The paho client may block in start and may
// never complete the operation's token, so await calls start in a goroutine.
func (l *Link) await(ctx context.Context, start func() paho.Token) (paho.Token, error) {
	if err := l.endedError(); err != nil {
		return nil, err
	}

	done := make(chan paho.Token, 1)
	go func() {
		token := start()
		select {
		case <-token.Done():
			done <- token
		case <-l.ended:
		}
	}()

	select {
	case token := <-done:
		if token.Error() == nil {
			return token, nil
		}
		// Paho reports only errors of the connection, and it fails the tokens before it
		// tells the link why the connection was lost.
		select {
		case <-l.ended:
			return nil, l.endReason
		case <-ctx.Done():
			// A lost link ends ctx, too, so both cases may be ready.
			if err := l.endedError(); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %w", ErrLinkEnded, token.Error())
		}
	case <-l.ended:
		return nil, l.endReason
	case <-ctx.Done():
		return nil, l.cancelled(ctx)
	}
}

// waiting says what the hub has not done yet, for lossError. It returns "" if no
// request is waiting for the hub.
func (l *Link) waiting() string {
	switch {
	case l.sending.Load() > 0:
		return "acknowledged a message"
	case l.requests.count() > 0:
		return "answered a request for the twin"
	}
	return ""
}

// end marks the link as ended for the given reason. Only the first call has an effect.
func (l *Link) end(reason error) {
	l.ending.Lock()
	defer l.ending.Unlock()

	if l.endReason != nil {
		return
	}
	l.endReason = reason
	l.in.discard() // drop the queued methods before anyone can see that the link has ended
	close(l.ended)
}

// cancelled returns the error for a request whose context has ended. A lost link ends
// the contexts of its requests, too. The error is then the reason for the loss, so that
// the device knows that the hub did not answer.
func (l *Link) cancelled(ctx context.Context) error {
	l.ending.Lock()
	defer l.ending.Unlock()

	if l.endReason != nil {
		return l.endReason
	}
	return ctx.Err()
}

// endedError returns the reason why the link ended, or nil if it has not ended.
func (l *Link) endedError() error {
	select {
	case <-l.ended:
		return l.endReason
	default:
		return nil
	}
}

// close disconnects from the hub and marks the link as ended. It returns when
// DISCONNECT is written and the connection is closed. It does not wait for paho's
// goroutines: they may need the whole quiesce time, and a device that renews its token
// would be offline for that time.
func (l *Link) close(reason error) {
	go l.client.Disconnect(quiesce)

	select {
	case <-l.conn.closed:
	case <-time.After(quiesce * time.Millisecond):
		l.conn.Close()
	}
	l.end(reason)
}

// linkConn is a connection that also closes its channel closed when the connection is
// closed.
type linkConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *linkConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}
