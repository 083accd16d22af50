package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/hub/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// Devices sends messages to devices. The hub's broker implements it.
type Devices interface {
	// Invoke calls a direct method on a device and returns at once. It calls done
	// exactly once, with the answer or an error.
	Invoke(deviceID string, m iothub.MethodRequest, done func(iothub.MethodResponse, error))
	// SendDesired sends a change of the desired properties to a device if it is connected.
	SendDesired(deviceID string, desired iothub.Object)
}

// Options configure an engine. Store and Devices are required.
type Options struct {
	Store   *store.Store
	Devices Devices
	Logger  *zap.Logger      // nil disables logging
	Now     func() time.Time // nil means time.Now
	Window  int              // maximum number of concurrent calls of all jobs together; 0 means 1,500

	Throttle *throttle.Throttle // limits the number of active jobs and of devices per second; nil means no limits
	Watch    func(iothub.Job)   // called with a job when its status or statistics have changed; must not block; may be nil
}

const (
	defaultWindow = 1500
	retention     = 30 * 24 * time.Hour // how long IoT Hub keeps ended jobs, according to its documentation
	purgeInterval = 24 * time.Hour
	// clockInterval is the longest time that the engine sleeps while a job is active. A
	// timer does not notice that someone sets the clock, so the engine must read the
	// clock regularly.
	clockInterval = time.Minute
	retryInterval = time.Second // pause after a failed write
	// After a restart of the hub, devices have reconnectTime to reconnect before a job
	// treats them as offline. Until then the engine repeats its calls to them every
	// reconnectInterval.
	reconnectTime     = 30 * time.Second
	reconnectInterval = time.Second
)

// Engine runs jobs. Make one with Start. Its methods may be called from any goroutine.
type Engine struct {
	store   *store.Store
	devices Devices
	log     *zap.Logger
	now     func() time.Time
	window  int

	throttle *throttle.Throttle
	watch    func(iothub.Job)

	mail       mailbox
	statistics statisticsCache
	stop       chan struct{}
	ended      chan struct{}

	// Only the goroutine in run uses the following fields.
	active   map[string]*activeJob
	inFlight int // number of devices that are being called, updated or stored as running
	purgeAt  time.Time
	purging  bool
	draining chan struct{} // closed when no call and no write is in progress; nil before Close
}

// Start returns an engine that runs until Close is called. It loads the jobs that have
// not ended, and may call devices at once.
func Start(ctx context.Context, opts Options) (*Engine, error) {
	e := &Engine{
		store: opts.Store, devices: opts.Devices, log: opts.Logger,
		now: opts.Now, window: opts.Window,
		throttle: opts.Throttle, watch: opts.Watch,
		mail:   mailbox{signal: make(chan struct{}, 1)},
		stop:   make(chan struct{}),
		ended:  make(chan struct{}),
		active: make(map[string]*activeJob),
	}
	if e.log == nil {
		e.log = zap.NewNop()
	}
	if e.watch == nil {
		e.watch = func(iothub.Job) {}
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.window <= 0 {
		e.window = defaultWindow
	}

	e.purgeAt = e.now()
	if err := e.recover(ctx); err != nil {
		return nil, fmt.Errorf("load the unfinished jobs: %w", err)
	}
	go e.run()
	return e, nil
}

// Close stops the engine. The engine calls no more devices, and it stores the answers
// that arrive before ctx ends. Close the engine before you close the store and the
// broker.
func (e *Engine) Close(ctx context.Context) error {
	idle := make(chan struct{})
	e.mail.post(func() {
		if e.draining == nil {
			e.draining = idle
		}
	})

	var err error
	select {
	case <-idle:
	case <-e.ended:
		return nil
	case <-ctx.Done():
		err = errors.New("the hub stopped during calls to devices; their rows will fail with an unknown outcome at the next start")
	}

	e.mail.post(func() {
		select {
		case <-e.stop:
		default:
			close(e.stop)
		}
	})
	<-e.ended
	return err
}

func (e *Engine) run() {
	defer close(e.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()

	for {
		for _, f := range e.mail.take() {
			f()
		}

		now := e.now()
		for _, j := range e.active {
			e.advance(j, now)
		}
		e.purge(now)

		if e.draining != nil && e.idle() {
			select {
			case <-e.draining:
			default:
				close(e.draining)
			}
		}
		select {
		case <-e.stop:
			return
		default:
		}

		timer.Reset(e.untilNext(now))
		select {
		case <-e.mail.signal:
		case <-timer.C:
		}
	}
}

// untilNext returns how long the engine may sleep if its mailbox stays empty.
func (e *Engine) untilNext(now time.Time) time.Duration {
	wait := clockInterval
	if e.draining != nil {
		return wait
	}

	for _, j := range e.active {
		if wake, ok := j.wakeAt(); ok {
			wait = min(wait, wake.Sub(now))
		}
		if j.phase == running && !j.writing && len(j.pending) > 0 && e.inFlight < e.window {
			// The job has devices to call, but the throttle or a failed write delays it.
			wait = min(wait, max(e.throttle.Until(throttle.JobDevices), j.retryAt.Sub(now)))
		}
	}
	if len(e.active) == 0 && !e.purging {
		// Without active jobs, the daily purge is the only work. The purge may be late
		// if someone sets the clock.
		wait = e.purgeAt.Sub(now)
	}
	return max(wait, 0)
}

// idle reports whether the engine may stop: no call and no write is in progress, and all
// results are stored.
func (e *Engine) idle() bool {
	for _, j := range e.active {
		if j.phase == starting || j.phase == ending || j.writing || len(j.called) > 0 || len(j.results) > 0 {
			return false
		}
	}
	return true
}

// purge removes jobs that ended longer ago than the retention time. It removes only one
// job per write, so that other writes need not wait long.
func (e *Engine) purge(now time.Time) {
	if e.purging || e.draining != nil || now.Before(e.purgeAt) {
		return
	}

	e.purging = true
	e.store.PurgeJobAsync(now.Add(-retention), func(id string, err error) {
		e.mail.post(func() {
			e.purging = false
			if err != nil {
				e.log.Error("cannot remove old jobs", zap.Error(err))
			}
			if err != nil || id == "" {
				e.purgeAt = now.Add(purgeInterval)
				return
			}
			e.statistics.remove(id)
		})
	})
}
