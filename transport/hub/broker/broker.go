package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/latchd/latchd/transport/iothub"
)

// maxBody is the greatest message that IoT Hub takes from a device, in bytes.
const maxBody = 256 << 10

// maxPacket leaves room for a topic of the greatest length.
const maxPacket = maxBody + 66<<10

// Options are the broker's settings. The zero value is good for production.
type Options struct {
	Logger *zap.Logger      // nil: none
	Now    func() time.Time // nil: time.Now; decides how long a login has until it expires

	Provisioner Provisioner // nil: no device can register itself

	ConnectTimeout time.Duration // from accept to the device's CONNECT; 0: 30 s
	WriteTimeout   time.Duration // for one write to a device; 0: 30 s
	MaxPending     int           // messages that may wait for one device before its link is closed; 0: 128
}

// Broker is the hub's device front. Make one with New; its methods may be
// called from any goroutine.
type Broker struct {
	backend  Backend
	opts     Options
	log      *zap.Logger
	server   *mqtt.Server
	origin   *mqtt.Client // what the hub itself publishes comes from here
	registry *registry
	calls    *calls
	room     *semaphore.Weighted // for large packets on their way
	lobby    *semaphore.Weighted // for those of strangers

	ctx    context.Context // ends when the broker is closed
	cancel context.CancelFunc
	wg     sync.WaitGroup // links, listeners

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	closed    chan struct{} // closed when Close is through
}

// New makes a broker and loads the stored sessions from backend.
func New(backend Backend, opts Options) (*Broker, error) {
	opts.ConnectTimeout = cmp.Or(opts.ConnectTimeout, 30*time.Second)
	opts.WriteTimeout = cmp.Or(opts.WriteTimeout, 30*time.Second)
	opts.MaxPending = cmp.Or(opts.MaxPending, 128)
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	b := &Broker{
		backend:   backend,
		opts:      opts,
		log:       opts.Logger,
		registry:  newRegistry(),
		calls:     newCalls(rand.Text()[:13] + "."),
		room:      semaphore.NewWeighted(largePackets),
		lobby:     semaphore.NewWeighted(firstPackets),
		listeners: make(map[net.Listener]struct{}),
		closed:    make(chan struct{}),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	stored, err := backend.Sessions(b.ctx)
	if err != nil {
		b.cancel()
		return nil, fmt.Errorf("read the stored sessions: %w", err)
	}
	for clientID, filters := range stored {
		b.registry.setSession(clientID, parseSubscriptions(filters, clientID))
	}
	b.server = newServer(opts)
	// Not Options.InlineClient: that one is registered under an id which a
	// device might have.
	b.origin = b.server.NewClient(nil, mqtt.LocalListener, "", true)
	if err := b.server.AddHook(&hook{b: b}, nil); err != nil {
		b.cancel()
		return nil, fmt.Errorf("set up the MQTT server: %w", err)
	}
	return b, nil
}

// newServer makes the MQTT server. Its Serve is never called: links come in
// through EstablishConnection, and the loop that Serve starts would publish
// $SYS topics and let sessions expire.
func newServer(opts Options) *mqtt.Server {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClientWritesPending = int32(min(opts.MaxPending, math.MaxInt32))
	c.MaximumPacketSize = maxPacket
	c.MaximumMessageExpiryInterval = 0
	c.MaximumInflight = 64
	c.ReceiveMaximum = 64
	c.MaximumQos = 1
	c.RetainAvailable = 0
	c.SharedSubAvailable = 0
	c.SubIDAvailable = 0
	c.TopicAliasMaximum = 0
	c.MinimumProtocolVersion = 4
	return mqtt.New(&mqtt.Options{
		Capabilities:            c,
		ClientNetReadBufferSize: 512,
		Logger:                  slog.New(slog.DiscardHandler), // it logs whole packets; the broker logs for itself
		SysTopicResendInterval:  math.MaxInt64 / int64(time.Second),
	})
}

// Disconnect closes the device's link, if it has one, and any login of it that
// is under way: for a device that was disabled, or whose keys were changed.
// Make the change known to Login first.
func (b *Broker) Disconnect(deviceID string) {
	for _, l := range b.registry.linksOf(deviceID) {
		l.close("the hub disconnected the device")
	}
}

// Forget disconnects a device that was deleted, waits until its link is gone,
// and drops its session.
func (b *Broker) Forget(ctx context.Context, deviceID string) error {
	links := b.registry.linksOf(deviceID)
	b.Disconnect(deviceID)
	for _, l := range links {
		select {
		case <-l.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if _, ok := b.registry.session(deviceID); !ok {
		return nil
	}
	if err := b.backend.DeleteSession(ctx, deviceID); err != nil {
		return fmt.Errorf("delete the session of the device %s: %w", deviceID, err)
	}
	b.registry.dropSession(deviceID)
	return nil
}

// Wait returns nil as soon as the device is connected and subscribed to
// methods. If ctx's deadline passes first, it returns DeviceNotOnline.
func (b *Broker) Wait(ctx context.Context, deviceID string) error {
	return b.registry.wait(ctx, deviceID)
}

// Invoke calls a direct method and returns at once. done is called exactly
// once, never from within Invoke, and must not block: with the device's answer,
// or with an *iothub.Error: ArgumentInvalid if the request breaks its bounds,
// DeviceNotOnline if the device is not connected or not subscribed to methods,
// GatewayTimeout if it does not answer in time (also after its link was lost),
// InvalidResponse if its answer is no JSON, ServiceUnavailable if the broker is
// closed first (whether the device acted is then not known).
func (b *Broker) Invoke(deviceID string, m iothub.MethodRequest, done func(iothub.MethodResponse, error)) {
	refuse := func(err error) { go done(iothub.MethodResponse{}, err) }
	if err := m.Check(); err != nil {
		refuse(iothub.Errorf(iothub.CodeArgumentInvalid, "direct method: %v", err))
		return
	}
	l := b.registry.of(deviceID, methods)
	if l == nil {
		refuse(notOnline(deviceID))
		return
	}
	seconds := cmp.Or(m.ResponseTimeoutInSeconds, iothub.DefaultResponseTimeout)
	rid, ok := b.calls.add(deviceID, time.Duration(seconds)*time.Second, done)
	if !ok {
		refuse(stopping())
		return
	}
	b.send(l, iothub.MethodRequestTopic(m.MethodName, rid), orNull(m.Payload))
}

// Close closes listeners and links, ends the pending calls, and returns when
// all of it has ended. Wills are not sent.
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

	for _, l := range b.registry.shut() {
		l.close("the hub is stopping")
	}
	b.calls.close()
	b.wg.Wait()
	err := b.server.Close()
	close(b.closed)
	return err
}
