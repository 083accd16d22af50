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
	"github.com/latchd/latchd/transport/logtext"
)

// Lock is the interface through which the agent uses a door's lock. Package actuator
// implements it.
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
	// Twin reads the device twin, the hub's copy of the device's settings and state.
	Twin(ctx context.Context) (iothub.DeviceTwin, error)
	// Report patches the twin's reported properties. If the hub refuses the patch, the
	// error is an *iothub.Error.
	Report(ctx context.Context, patch iothub.Object) (version int64, err error)
	// Methods returns the channel of incoming direct methods. The channel is closed
	// after the last method.
	Methods() <-chan iothub.Method
	// Desired returns the channel of changes to the desired properties. Each change
	// includes the property $version. A nil change means that the hub has sent a change
	// that the link could not read.
	Desired() <-chan iothub.Object
	// Respond sends the answer to a direct method. It waits until the answer has been
	// written to the connection.
	Respond(ctx context.Context, requestID string, response iothub.MethodResponse) error
	// Send sends a device-to-cloud message. It waits until the hub has acknowledged the
	// message.
	Send(ctx context.Context, m iothub.Message) error
	// LastError returns the reason why the previous link ended. It is empty for the
	// first link.
	LastError() string
	// Replayed returns how many retained messages this link and the earlier ones have
	// ignored.
	Replayed() int64
}

// ModelID names the agent's IoT Plug and Play model. The file DoorLock.json describes
// the model in DTDL version 2: the agent's properties, methods and messages.
const ModelID = "dtmi:latchd:DoorLock;2"

// Config holds the settings of an agent and the functions that it calls.
type Config struct {
	Driver string // name of the lock's driver, as reported in the twin
	Mode   actuator.Mode
	// MaxEnergised is the longest unlock time (forSeconds) that unlockDoor accepts in
	// Pulse mode.
	MaxEnergised time.Duration
	// Egress reports whether people can always leave: an exit input unlocks the door,
	// or the door opens mechanically from the inside. If Egress is false, the agent
	// refuses lockdown.
	Egress   bool
	Defaults Settings // values of the settings that the twin does not set
	System   System
	Version  string
	BootID   string // the kernel's id of the current boot
	// Reboot restarts the machine. If Reboot is nil, the agent refuses the method
	// reboot.
	Reboot func(context.Context) error
	// Events queues the door's events for the hub. nil disables events.
	Events *events.Log
	// SetLogLevel sets the level of the log. The agent calls it at each change of the
	// settings. nil leaves the level unchanged.
	SetLogLevel func(level string)
	Now         func() time.Time
	// Rand returns a random number in [0, 1). The agent uses it so that many devices do
	// not retry at the same moment. nil selects math/rand.
	Rand func() float64
	Log  *zap.Logger
}

func (c Config) random() float64 {
	if c.Rand == nil {
		return rand.Float64()
	}
	return c.Rand()
}

// Agent serves one door: it runs methods from the hub and keeps the door's twin up to
// date.
type Agent struct {
	config          Config
	lock            Lock
	state           *Store
	remote          *zap.Logger // for entries that the hub can cause
	startedAt       time.Time
	intervalChanged chan struct{} // signals that telemetrySeconds may have changed
	reportChanged   chan struct{} // signals that the agent must update its reported properties
	lockSettings    chan struct{} // signals that settings of the lock may have changed

	applying sync.Mutex // guards defaults and latest; held while desired changes
	defaults Settings
	latest   iothub.Object // last known desired properties; nil until the agent has read the twin
	desired  atomic.Pointer[applied]

	messages *pace // for device-to-cloud messages
	twin     *pace // for reads and reports of the twin

	link    atomic.Pointer[linkInfo]
	trouble atomic.Pointer[twinTrouble] // nil while the twin is up to date
	links   atomic.Int64
	methods atomic.Int64
	refused atomic.Int64

	rebooting atomic.Bool
}

// linkInfo describes the current connection to the hub, for the agent's reports.
type linkInfo struct {
	connectedAt time.Time
	reconnects  int64
	lastError   string
	replayed    func() int64
}

// New makes an agent that controls lock and keeps its state in store. The agent starts
// with the settings that the previous process saved in store. [Agent.Run] passes them
// to the lock.
func New(config Config, lock Lock, store *Store) *Agent {
	a := &Agent{
		config:          config,
		lock:            lock,
		state:           store,
		remote:          logtext.Remote(config.Log),
		startedAt:       config.Now(),
		reportChanged:   make(chan struct{}, 1),
		intervalChanged: make(chan struct{}, 1),
		lockSettings:    make(chan struct{}, 1),
		messages:        newPace(maxMessagePause, config.random),
		twin:            newPace(maxTwinPause, config.random),
	}

	a.SetDefaults(config.Defaults)
	a.recordBoot()
	if config.Events != nil {
		recordStart(config.Events, config.Version, a.startedAt)
	}
	return a
}

// Run passes the lock's settings to the lock, now and after each change, until ctx or
// the lock ends. Run works without a connection to the hub.
func (a *Agent) Run(ctx context.Context) {
	var inForce *Settings // nil at first: the lock's current settings are unknown
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

// setLock passes to the lock the settings in wanted that differ from inForce, its
// current settings.
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

// tuning returns the settings for [Lock.Tune]: the relock time and the held-open time.
func (s Settings) tuning() actuator.Tuning {
	return actuator.Tuning{
		AutoRelock: time.Duration(s.AutoRelockSeconds) * time.Second,
		HeldOpen:   time.Duration(s.HeldOpenSeconds) * time.Second,
	}
}

// Serve answers methods from the hub, keeps the twin up to date and sends events. It
// ends when ctx ends, or when the link is lost and all its methods are answered. No
// refusal by the hub ends it: the agent repeats refused requests.
func (a *Agent) Serve(ctx context.Context, link Link) {
	a.link.Store(&linkInfo{
		connectedAt: a.config.Now(),
		reconnects:  a.links.Add(1) - 1,
		lastError:   link.LastError(),
		replayed:    link.Replayed,
	})
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	var tasks sync.WaitGroup
	tasks.Go(func() { a.syncTwin(ctx, link) })
	tasks.Go(func() { a.sendEvents(ctx, link) })
	tasks.Go(func() { a.sendTelemetry(ctx, link) })

	a.answerMethods(ctx, link)

	stop()
	tasks.Wait()
}

// SetDefaults changes the default values of the settings. A setting has its default
// value unless the twin has a desired property for it.
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

// applyDesired applies the twin's desired properties. A setting without a desired
// property gets its default value.
func (a *Agent) applyDesired(desired iothub.Object) applied {
	a.applying.Lock()
	defer a.applying.Unlock()

	a.latest = desired
	result := apply(a.defaults, a.state.Get().Accepted, desired)
	a.enforce(&result)
	return result
}

// enforce makes the given settings the agent's current ones.
func (a *Agent) enforce(result *applied) {
	a.desired.Store(result)
	if a.config.SetLogLevel != nil {
		a.config.SetLogLevel(result.settings.LogLevel)
	}
	signal(a.intervalChanged)
	signal(a.lockSettings)
}

func (a *Agent) settings() Settings { return a.desired.Load().settings }

// notify makes the agent check whether the twin's reported properties need an update.
func (a *Agent) notify() { signal(a.reportChanged) }

// signal puts a value into a channel of capacity 1, to wake its reader. If the channel
// is full, signal does nothing.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
