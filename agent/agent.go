package agent

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// Lock is the door's lock. Package actuator implements it.
type Lock interface {
	Do(ctx context.Context, c actuator.Command) (actuator.Result, error)
	SetLockdown(ctx context.Context, on bool) error
	Tune(ctx context.Context, t actuator.Tuning) error
	Status() actuator.Status
	Changed() <-chan struct{}
}

// Link is one connection to the hub. It begins when the hub has acknowledged all
// subscriptions and ends when the connection is lost.
type Link interface {
	// Twin reads the twin.
	Twin(ctx context.Context) (iothub.DeviceTwin, error)
	// Report patches the reported properties. If the hub refuses the patch, the
	// error is an *iothub.Error.
	Report(ctx context.Context, patch iothub.Object) (version int64, err error)
	// Methods delivers direct methods. It is closed when no more methods will come.
	Methods() <-chan iothub.Method
	// Desired delivers changes of the desired properties, each with its $version.
	Desired() <-chan iothub.Object
	// Respond answers a direct method. It returns when the answer has been written.
	Respond(ctx context.Context, requestID string, response iothub.MethodResponse) error
	// Send sends a device-to-cloud message. It returns when the hub has acknowledged it.
	Send(ctx context.Context, m iothub.Message) error
	// LastError says why the previous link ended. It is empty for the first link.
	LastError() string
}

// ModelID names the agent's IoT Plug and Play model. DoorLock.json describes it in
// DTDL version 2: the desired properties that the agent follows, its reported
// properties, methods and messages.
const ModelID = "dtmi:latchd:DoorLock;2"

// Config holds the parts and settings of an agent.
type Config struct {
	Driver string // name of the lock's driver, as reported in the twin
	Mode   actuator.Mode
	// MaxEnergised is the longest forSeconds that unlockDoor accepts in Pulse mode.
	MaxEnergised time.Duration
	// Egress says that people can always leave: an exit input unlocks the door, or the
	// door opens mechanically from the inside. Without it, the agent refuses lockdown.
	Egress   bool
	Defaults Settings // settings in force where the twin desires nothing
	System   System
	Version  string
	BootID   string // the kernel's id of the current boot
	// Reboot restarts the machine. nil forbids the method reboot.
	Reboot func(context.Context) error
	// Events queues the door's events for the hub. nil disables events.
	Events *events.Log
	// SetLogLevel is called with the log level in force. nil leaves the level alone.
	SetLogLevel func(level string)
	Now         func() time.Time
	Rand        func() float64 // spreads retries; returns a value in [0, 1). nil uses math/rand.
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
	config          Config
	lock            Lock
	state           *Store
	startedAt       time.Time
	intervalChanged chan struct{} // signals that telemetrySeconds may have changed
	reportChanged   chan struct{} // signals a change to report that is not the lock's
	lockSettings    chan struct{} // signals that settings of the lock may have changed

	applying sync.Mutex // guards defaults and latest, and orders the changes of desired
	defaults Settings
	latest   iothub.Object // last known desired properties; nil until the twin was read
	desired  atomic.Pointer[applied]

	link    atomic.Pointer[linkInfo]
	links   atomic.Int64
	methods atomic.Int64
	refused atomic.Int64

	rebooting atomic.Bool
}

// linkInfo is the information about the current link that the agent reports.
type linkInfo struct {
	connectedAt time.Time
	reconnects  int64
	lastError   string
}

// New makes an agent for lock, with its state in store. The settings that the
// previous process accepted are in force at once, those of the lock as soon as Run is
// called.
func New(config Config, lock Lock, store *Store) *Agent {
	a := &Agent{
		config:          config,
		lock:            lock,
		state:           store,
		startedAt:       config.Now(),
		reportChanged:   make(chan struct{}, 1),
		intervalChanged: make(chan struct{}, 1),
		lockSettings:    make(chan struct{}, 1),
	}

	a.SetDefaults(config.Defaults)
	a.recordBoot()
	if config.Events != nil {
		recordStart(config.Events, config.Version, a.startedAt)
	}
	return a
}

// Run puts the settings in force that concern the lock, now and after each change,
// until ctx ends or the lock does. It needs no link.
func (a *Agent) Run(ctx context.Context) {
	var inForce *Settings // nil: what the previous process set is not known
	for {
		wanted := a.settings()
		if err := a.setLock(ctx, inForce, wanted); err != nil {
			return
		}
		inForce = &wanted

		select {
		case <-a.lockSettings:
		case <-ctx.Done():
			return
		}
	}
}

// setLock gives the lock the settings that differ from those in force.
func (a *Agent) setLock(ctx context.Context, inForce *Settings, wanted Settings) error {
	tuning := wanted.tuning()
	if inForce == nil || inForce.tuning() != tuning {
		if err := a.lock.Tune(ctx, tuning); err != nil {
			return err
		}
	}

	if inForce != nil && inForce.Lockdown == wanted.Lockdown {
		return nil
	}
	a.config.Log.Info("setting the lockdown that the twin desires", zap.Bool("lockdown", wanted.Lockdown))
	return a.lock.SetLockdown(ctx, wanted.Lockdown)
}

// tuning returns the part of the settings by which a lock is tuned.
func (s Settings) tuning() actuator.Tuning {
	return actuator.Tuning{
		AutoRelock: time.Duration(s.AutoRelockSeconds) * time.Second,
		HeldOpen:   time.Duration(s.HeldOpenSeconds) * time.Second,
	}
}

// Serve answers the link's methods and keeps the twin up to date. It returns when
// the link delivers no more methods and all delivered ones are answered, or when
// ctx ends.
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
		defer stop() // a link that cannot serve the twin is of no use
		synced <- a.syncTwin(ctx, link)
	}()

	var sending sync.WaitGroup
	sending.Go(func() { a.sendEvents(ctx, link) })
	sending.Go(func() { a.sendTelemetry(ctx, link) })

	a.answerMethods(ctx, link)

	stop()
	sending.Wait()
	return <-synced
}

// SetDefaults changes the settings that are in force where the twin desires nothing.
func (a *Agent) SetDefaults(defaults Settings) {
	defaults.lockdownForbidden = !a.config.Egress
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

// applyDesired puts the desired properties in force, with the defaults below them.
func (a *Agent) applyDesired(desired iothub.Object) applied {
	a.applying.Lock()
	defer a.applying.Unlock()

	a.latest = desired
	result := apply(a.defaults, a.state.Get().Accepted, desired)
	a.enforce(&result)
	return result
}

// enforce puts the settings of result in force.
func (a *Agent) enforce(result *applied) {
	a.desired.Store(result)
	if a.config.SetLogLevel != nil {
		a.config.SetLogLevel(result.settings.LogLevel)
	}
	signal(a.intervalChanged)
	signal(a.lockSettings)
}

// settings returns the settings in force.
func (a *Agent) settings() Settings { return a.desired.Load().settings }

// notify makes the agent compare the twin with its state again.
func (a *Agent) notify() { signal(a.reportChanged) }

// signal wakes the reader of a channel that holds one value. If a value is already
// waiting, signal does nothing.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
