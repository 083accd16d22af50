package mqtt

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// Link is one connection to the hub, from its subscriptions to its end. All methods may
// be called from any goroutine, even after the end of the link.
type Link struct {
	set       *settings
	log       *zap.Logger
	client    paho.Client
	conn      *linkConn
	in        *inbox
	requests  *twinRequests
	lastError string // why the previous link ended

	ended     chan struct{} // closed when nothing can be sent any more
	endOnce   sync.Once
	endReason error // set before ended is closed
}

func newLink(s *settings, conn net.Conn, lastError string) *Link {
	return &Link{
		set:       s,
		log:       s.Logger,
		conn:      &linkConn{Conn: conn, closed: make(chan struct{})},
		in:        newInbox(s.Logger),
		requests:  newTwinRequests(),
		lastError: lastError,
		ended:     make(chan struct{}),
	}
}

// Methods delivers the direct methods. The channel is closed when no more methods will
// arrive on this link: after the link is lost, or before it is renewed or closed. In
// the second case the device can still answer the methods that it received.
func (l *Link) Methods() <-chan iothub.Method { return l.in.methods }

// Desired delivers the changes of the desired properties, each with its $version. If
// the device does not take them fast enough, the oldest changes are dropped, which
// leaves a gap in the versions. The channel is never closed.
func (l *Link) Desired() <-chan iothub.Object { return l.in.desired }

// LastError returns why the previous link ended. It is empty for the first link, and if
// the previous link ended to be renewed.
func (l *Link) LastError() string { return l.lastError }

// Respond answers a direct method. It returns when the answer is written to the
// connection. It returns ErrLinkEnded if the link has ended, and another error if the
// link did not deliver the request or the request has its answer already.
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

// receive handles a message from the hub. Paho calls it from one goroutine; it must not
// block.
func (l *Link) receive(topic string, payload []byte) {
	if name, rid, err := iothub.ParseMethodRequest(topic); err == nil {
		l.in.addMethod(iothub.Method{RequestID: rid, Name: name, Payload: payload})
		return
	}

	if response, err := iothub.ParseTwinResponse(topic); err == nil {
		l.requests.answer(response, payload)
		return
	}

	if version, err := iothub.ParseDesired(topic); err == nil {
		patch, err := iothub.ParseObject(payload)
		if err != nil {
			l.log.Warn("ignored a change of the desired properties that is not a JSON object", zap.Int64("version", version))
			return
		}
		if patch.Version() == 0 {
			patch["$version"] = version
		}
		l.in.addDesired(patch)
		return
	}

	l.log.Warn("ignored a message with an unknown topic from the hub", zap.String("topic", topic))
}

// publish sends a message with QoS 0. It returns when the message is written.
func (l *Link) publish(ctx context.Context, topic string, payload []byte) error {
	_, err := l.await(ctx, func() paho.Token { return l.client.Publish(topic, 0, false, payload) })
	return err
}

// await calls start, which starts an operation of the paho client, and waits until the
// operation, the link or ctx ends. It calls start in a goroutine because paho may block
// there, and may never complete the returned token.
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
		if err := token.Error(); err != nil { // paho reports only errors of the connection
			return nil, fmt.Errorf("%w: %w", ErrLinkEnded, err)
		}
		return token, nil
	case <-l.ended:
		return nil, l.endReason
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end marks the link as ended. Only the first call has an effect.
func (l *Link) end(reason error) {
	l.endOnce.Do(func() {
		l.endReason = reason
		l.in.discard() // before anyone can see that the link has ended
		close(l.ended)
	})
}

// endedError returns why the link ended, or nil if it has not ended.
func (l *Link) endedError() error {
	select {
	case <-l.ended:
		return l.endReason
	default:
		return nil
	}
}

// close disconnects and marks the link as ended. It returns when DISCONNECT is written
// and the connection is closed, but does not wait for paho's goroutines: they may take
// the whole quiesce time, and a device that renews its token would have no link so long.
func (l *Link) close(reason error) {
	go l.client.Disconnect(quiesce)

	select {
	case <-l.conn.closed:
	case <-time.After(quiesce * time.Millisecond):
		l.conn.Close()
	}
	l.end(reason)
}

// linkConn is a connection whose channel closed tells that it was closed.
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
