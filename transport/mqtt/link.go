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

// Link is one connection to the hub, from its subscriptions to its end. Its
// methods may be called from any goroutine, also after its end.
type Link struct {
	set       *settings
	log       *zap.Logger
	client    paho.Client
	conn      *linkConn
	in        *inbox
	requests  *requests
	lastError string

	ended chan struct{} // closed when nothing can be sent any more
	once  sync.Once
	why   error // set before ended is closed
}

func newLink(s *settings, conn net.Conn, lastError string) *Link {
	return &Link{
		set: s, log: s.Logger, lastError: lastError,
		conn:     &linkConn{Conn: conn, closed: make(chan struct{})},
		in:       newInbox(s.Logger),
		requests: newRequests(),
		ended:    make(chan struct{}),
	}
}

// Methods delivers the direct methods. It is closed when no more will come on
// this link: because it was lost, or because it is about to be renewed or
// closed, and then those that were delivered can still be answered.
func (l *Link) Methods() <-chan iothub.Method { return l.in.methods }

// Desired delivers the changes of the desired properties, each with its
// $version. Where they come faster than they are taken the oldest are dropped,
// which shows as a gap in the versions. It is never closed.
func (l *Link) Desired() <-chan iothub.Object { return l.in.desired }

// LastError says why the link before this one ended. It is empty on the first
// link, and where the link before ended to be renewed.
func (l *Link) LastError() string { return l.lastError }

// Respond answers a direct method, and returns once the answer is written to
// the connection. It fails if the link has ended (ErrLinkEnded) and if this
// link delivered no such request or it was answered before.
func (l *Link) Respond(ctx context.Context, requestID string, response iothub.MethodResponse) error {
	if err := l.endedError(); err != nil {
		return fmt.Errorf("answer request %s: %w", requestID, err)
	}
	if !l.in.answering(requestID) {
		return fmt.Errorf("answer request %s: this link has no such request that waits for an answer", requestID)
	}
	defer l.in.answered(requestID)
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

// receive takes what the hub sent. It is called by one goroutine, and must not block.
func (l *Link) receive(topic string, payload []byte) {
	if name, rid, err := iothub.ParseMethodRequest(topic); err == nil {
		l.in.addMethod(iothub.Method{RequestID: rid, Name: name, Payload: payload})
		return
	}
	if r, err := iothub.ParseTwinResponse(topic); err == nil {
		l.requests.answer(r, payload)
		return
	}
	if version, err := iothub.ParseDesired(topic); err == nil {
		patch, err := iothub.ParseObject(payload)
		if err != nil {
			l.log.Warn("a change of the desired properties is not a JSON object, and is ignored", zap.Int64("version", version))
			return
		}
		if patch.Version() == 0 {
			patch["$version"] = version
		}
		l.in.addDesired(patch)
		return
	}
	l.log.Warn("the hub sent something that is not understood, and is ignored", zap.String("topic", topic))
}

// publish sends a message at most once, and returns when it is written.
func (l *Link) publish(ctx context.Context, topic string, payload []byte) error {
	_, err := l.await(ctx, func() paho.Token { return l.client.Publish(topic, 0, false, payload) })
	return err
}

// await starts an operation of paho's and waits for its end, the link's or
// ctx's. paho may block in starting it, and may never complete its token.
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
		if err := token.Error(); err != nil { // paho's, which only has errors of the connection
			return nil, fmt.Errorf("%w: %w", ErrLinkEnded, err)
		}
		return token, nil
	case <-l.ended:
		return nil, l.why
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end marks the link as ended for the first reason that is given.
func (l *Link) end(why error) {
	l.once.Do(func() {
		l.why = why
		l.in.discard() // before anybody can know that nothing can be answered any more
		close(l.ended)
	})
}

func (l *Link) endedError() error {
	select {
	case <-l.ended:
		return l.why
	default:
		return nil
	}
}

// close disconnects and marks the link as ended, once DISCONNECT is written and
// the connection closed. What paho runs for it has ended soon after: it may well
// sit out its time, which a device that renews its token would be without a link.
func (l *Link) close(why error) {
	go l.client.Disconnect(quiesce)
	select {
	case <-l.conn.closed:
	case <-time.After(quiesce * time.Millisecond):
		l.conn.Close()
	}
	l.end(why)
}

// linkConn is a connection that says when it was closed.
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
