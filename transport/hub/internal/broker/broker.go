package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// maxBody is the size in bytes of the largest message that IoT Hub accepts from a device.
const maxBody = 256 << 10

// maxPacket is the size in bytes of the largest MQTT packet that the broker accepts. A
// packet holds a message of at most maxBody bytes and a topic.
const maxPacket = maxBody + 66<<10

// Options configure a broker. The defaults (zero values) suit production.
type Options struct {
	Logger *zap.Logger      // nil disables logging
	Now    func() time.Time // the clock that decides when a login expires; nil means time.Now

	Provisioner Provisioner // admits devices that register themselves; nil refuses all registrations

	ConnectTimeout time.Duration // maximum time from accepting a connection to the end of CONNECT; 0 means 30 s
	WriteTimeout   time.Duration // maximum time for one write to a device; 0 means 30 s
	MaxPending     int           // maximum number of messages that wait for one device before its connection is closed; 0 means 128
}

// Broker accepts the connections of devices and exchanges messages with them. Make one
// with New. Its methods may be called from any goroutine.
type Broker struct {
	backend           Backend
	opts              Options
	log               *zap.Logger // for entries that only a logged-in device or the hub itself can cause
	remoteLog         *zap.Logger // for all other entries, see package logtext
	server            *mqtt.Server
	links             *linkTable
	calls             *calls
	largePackets      *semaphore.Weighted // memory, in bytes, for large packets of devices that have logged in
	largeFirstPackets *semaphore.Weighted // memory, in bytes, for large packets of clients that have not logged in

	ctx    context.Context // ends when the broker is closed
	cancel context.CancelFunc
	wg     sync.WaitGroup // counts the goroutines that serve connections and listeners

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	closed    chan struct{} // closed at the end of Close
}

// New makes a broker and loads the stored sessions from backend.
func New(backend Backend, opts Options) (*Broker, error) {
	opts = opts.withDefaults()
	b := &Broker{
		backend:           backend,
		opts:              opts,
		log:               opts.Logger,
		remoteLog:         logtext.Remote(opts.Logger),
		links:             newLinkTable(),
		calls:             newCalls(rand.Text()[:13] + "."),
		largePackets:      semaphore.NewWeighted(maxLargePackets),
		largeFirstPackets: semaphore.NewWeighted(maxLargeFirstPackets),
		listeners:         make(map[net.Listener]struct{}),
		closed:            make(chan struct{}),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())

	stored, err := backend.Sessions(b.ctx)
	if err != nil {
		b.cancel()
		return nil, fmt.Errorf("read the stored sessions: %w", err)
	}
	for clientID, filters := range stored {
		b.links.setSession(clientID, parseSubscriptions(filters, clientID))
	}

	b.server = newServer()
	return b, nil
}

func (opts Options) withDefaults() Options {
	opts.ConnectTimeout = cmp.Or(opts.ConnectTimeout, 30*time.Second)
	opts.WriteTimeout = cmp.Or(opts.WriteTimeout, 30*time.Second)
	opts.MaxPending = cmp.Or(opts.MaxPending, 128)
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return opts
}

// newServer creates the MQTT server. The broker uses only its clients, which read and
// write packets. It does not use EstablishConnection, which would keep two goroutines
// with 24 KiB of stacks for each connection.
func newServer() *mqtt.Server {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClientWritesPending = 0 // not used: the broker has a queue of its own, see outbox
	c.MaximumPacketSize = maxPacket
	c.TopicAliasMaximum = 0

	return mqtt.New(&mqtt.Options{
		Capabilities:            c,
		ClientNetReadBufferSize: 1, // link.Read must decide what is read
		Logger:                  slog.New(slog.DiscardHandler),
	})
}

// Disconnect closes the device's connection, and each connection on which the device is
// logging in. Before you call Disconnect for a disabled device or for changed keys,
// store that change. Otherwise the device could log in again at once.
func (b *Broker) Disconnect(deviceID string) {
	for _, l := range b.links.ofDevice(deviceID) {
		l.close("the hub disconnected the device")
	}
}

// Forget disconnects a deleted device, waits until its connection is gone, and
// deletes its session.
func (b *Broker) Forget(ctx context.Context, deviceID string) error {
	links := b.links.ofDevice(deviceID)
	b.Disconnect(deviceID)
	for _, l := range links {
		select {
		case <-l.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}

	if _, ok := b.links.session(deviceID); !ok {
		return nil
	}
	if err := b.backend.DeleteSession(ctx, deviceID); err != nil {
		return fmt.Errorf("delete the session of device %s: %w", deviceID, err)
	}
	b.links.dropSession(deviceID)
	return nil
}

// Wait waits until the device is connected and subscribed to direct methods. It returns
// DeviceNotOnline if the deadline of ctx passes first, and ctx.Err() if ctx is
// cancelled.
func (b *Broker) Wait(ctx context.Context, deviceID string) error {
	return b.links.wait(ctx, deviceID)
}

// Online reports whether the device is connected and subscribed to direct methods.
func (b *Broker) Online(deviceID string) bool {
	return b.links.subscribedTo(methodTopics, deviceID) != nil
}

// OnReady calls ready once, as soon as the device is connected and subscribed to direct
// methods. It calls ready before it returns if that is already the case. ready must not
// block. The returned function stops the notification, but a call of ready may already be
// in progress.
func (b *Broker) OnReady(deviceID string, ready func()) (cancel func()) {
	return b.links.onReady(deviceID, ready)
}

// Invoke calls a direct method and returns at once. It calls done exactly once, from
// another goroutine, with the device's answer or with an *iothub.Error. done must not
// block. The error has one of these codes:
//
//   - ArgumentInvalid: the request is outside the limits.
//   - DeviceNotOnline: the device is not connected or not subscribed to methods.
//   - GatewayTimeout: the device did not answer in time, or it disconnected and did not
//     answer on a later connection.
//   - InvalidResponse: the device's answer is not JSON, or its size, its nesting or its
//     numbers exceed the limits.
//   - ServiceUnavailable: the broker was closed. If the call was already sent, the
//     device may have executed it.
func (b *Broker) Invoke(deviceID string, m iothub.MethodRequest, done func(iothub.MethodResponse, error)) {
	refuse := func(err error) { go done(iothub.MethodResponse{}, err) }
	if err := m.Check(); err != nil {
		refuse(iothub.Errorf(iothub.CodeArgumentInvalid, "direct method: %v", err))
		return
	}
	l := b.links.subscribedTo(methodTopics, deviceID)
	if l == nil {
		refuse(notOnline(deviceID))
		return
	}

	seconds := cmp.Or(m.ResponseTimeoutInSeconds, iothub.DefaultResponseTimeout)
	requestID, ok := b.calls.add(deviceID, time.Duration(seconds)*time.Second, done)
	if !ok {
		refuse(errStopping())
		return
	}
	b.send(l, iothub.MethodRequestTopic(m.MethodName, requestID), m.Payload)
}

// Close closes all listeners and connections. Direct method calls that still wait for an
// answer end with ServiceUnavailable. Close returns when every goroutine of the broker
// has ended. It does not send the wills of the devices.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closing {
		b.mu.Unlock()
		<-b.closed
		return nil
	}
	b.closing = true
	b.cancel()
	for l := range b.listeners {
		l.Close()
	}
	b.mu.Unlock()

	for _, l := range b.links.shut() {
		l.close("the hub is stopping")
	}
	b.calls.close()
	b.wg.Wait()
	err := b.server.Close()
	close(b.closed)
	return err
}
