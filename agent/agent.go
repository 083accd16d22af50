package agent

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// Lock is the door's lock, as package actuator makes it.
type Lock interface {
	Do(ctx context.Context, c actuator.Command) (actuator.Result, error)
	Status() actuator.Status
	Changed() <-chan struct{}
}

// Link is one connection to the hub, from subscribed to lost.
type Link interface {
	// Twin reads the twin.
	Twin(ctx context.Context) (iothub.DeviceTwin, error)
	// Report changes the reported properties; its error is an *iothub.Error if
	// the hub refused.
	Report(ctx context.Context, patch iothub.Object) (version int64, err error)
	// Methods delivers direct methods and is closed when no more will come.
	Methods() <-chan iothub.Method
	// Desired delivers changes of the desired properties, with their $version.
	Desired() <-chan iothub.Object
	// Respond answers a direct method and returns once the answer is written.
	Respond(ctx context.Context, requestID string, response iothub.MethodResponse) error
	// Send sends a device-to-cloud message and returns once the hub has acknowledged it.
	Send(ctx context.Context, m iothub.Message) error
	// LastError says why the link before this one ended; empty for the first.
	LastError() string
}

// ModelID names the agent's IoT Plug and Play model. DoorLock.json describes it in
// DTDL version 2: the desired properties that the agent follows, its reported
// properties, methods and messages.
const ModelID = "dtmi:latchd:DoorLock;1"

// Config is what an agent is made of.
type Config struct {
	Driver string // the lock's driver, as reported
	Mode   actuator.Mode
	// MaxEnergised is the longest that an unlock may ask for in the mode Pulse.
	MaxEnergised time.Duration
	Defaults     Settings // in force where the twin desires nothing
	System       System
	Version      string
	BootID       string // of this boot of the machine
	// Reboot restarts the machine; nil means that it is not allowed.
	Reboot func(context.Context) error
	// Events keeps what happens until the hub has it; nil means that no events are
	// sent.
	Events *Events
	// SetLogLevel takes the level that is in force; nil is nobody.
	SetLogLevel func(level string)
	Now         func() time.Time
	Rand        func() float64 // from 0 up to 1, to spread retries; nil means real chance
	Log         *zap.Logger
}

func (c Config) random() float64 {
	if c.Rand == nil {
		return rand.Float64()
	}
	return c.Rand()
}

// Agent serves one door.
type Agent struct {
	config    Config
	lock      Lock
	state     *Store
	startedAt time.Time
	paced     chan struct{} // telemetrySeconds may have changed
	changed   chan struct{} // what is reported may have changed, besides the lock

	applying sync.Mutex // for what is desired, over what defaults
	defaults Settings
	latest   iothub.Object // desired, as far as known; nil before the twin was read
	desired  atomic.Pointer[applied]

	link    atomic.Pointer[linkInfo]
	links   atomic.Int64
	methods atomic.Int64
	refused atomic.Int64

	rebooting atomic.Bool
}

// linkInfo is what is reported of the link.
type linkInfo struct {
	connectedAt time.Time
	reconnects  int64
	lastError   string
}

// New makes an agent for a lock whose state is kept in store. The settings that
// were accepted before are in force at once.
func New(config Config, lock Lock, store *Store) *Agent {
	a := &Agent{
		config:    config,
		lock:      lock,
		state:     store,
		startedAt: config.Now(),
		changed:   make(chan struct{}, 1),
		paced:     make(chan struct{}, 1),
	}
	a.SetDefaults(config.Defaults)
	a.noteBoot()
	if config.Events != nil {
		config.Events.Started(config.Version, a.startedAt)
	}
	return a
}

// Serve works one link: it answers methods and keeps the twin true until the
// link takes no more methods and all that it took are answered, or ctx ends.
func (a *Agent) Serve(ctx context.Context, link Link) error {
	a.link.Store(&linkInfo{
		connectedAt: a.config.Now(),
		reconnects:  a.links.Add(1) - 1,
		lastError:   link.LastError(),
	})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	synced := make(chan error, 1)
	go func() {
		defer stop() // without its twin the link is of no use
		synced <- a.keepTwin(ctx, link)
	}()
	var sending sync.WaitGroup
	sending.Go(func() { a.sendEvents(ctx, link) })
	sending.Go(func() { a.sendTelemetry(ctx, link) })
	a.answerMethods(ctx, link)
	stop()
	sending.Wait()
	return <-synced
}

// SetDefaults changes what is in force where the twin desires nothing.
func (a *Agent) SetDefaults(defaults Settings) {
	a.applying.Lock()
	a.defaults = defaults
	accepted := a.state.Get().Accepted
	result := restore(defaults, accepted)
	if a.latest != nil {
		result = apply(defaults, accepted, a.latest)
	}
	a.enforce(&result)
	a.applying.Unlock()
	a.notify()
}

// putInForce lays what is desired over the defaults.
func (a *Agent) putInForce(desired iothub.Object) applied {
	a.applying.Lock()
	defer a.applying.Unlock()
	a.latest = desired
	result := apply(a.defaults, a.state.Get().Accepted, desired)
	a.enforce(&result)
	return result
}

// enforce puts settings in force.
func (a *Agent) enforce(result *applied) {
	a.desired.Store(result)
	if a.config.SetLogLevel != nil {
		a.config.SetLogLevel(result.settings.LogLevel)
	}
	select {
	case a.paced <- struct{}{}:
	default:
	}
}

// settings returns the settings in force.
func (a *Agent) settings() Settings { return a.desired.Load().settings }

// notify makes the twin be looked at again.
func (a *Agent) notify() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}
