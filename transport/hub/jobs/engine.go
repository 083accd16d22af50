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

// Devices is the way to the devices: the broker.
type Devices interface {
	// Invoke calls a method and returns at once; done is called exactly once.
	Invoke(deviceID string, m iothub.MethodRequest, done func(iothub.MethodResponse, error))
	// SendDesired tells a device of a change, if it is connected.
	SendDesired(deviceID string, desired iothub.Object)
}

// Options are what an engine needs.
type Options struct {
	Store   *store.Store
	Devices Devices
	Logger  *zap.Logger      // nil: none
	Now     func() time.Time // nil: time.Now
	Window  int              // calls under way at most, over all jobs; 0: 1,500

	Throttle *throttle.Throttle // nil: as many jobs and as fast as can be
	Watch    func(iothub.Job)   // is told of each job whenever it has come further; must not block. nil: nobody
}

const (
	defaultWindow = 1500
	retention     = 30 * 24 * time.Hour // as IoT Hub's documentation has it
	purgeInterval = 24 * time.Hour
	// While a time of day is waited for, the clock is read this often: it can be
	// set meanwhile, and a timer does not notice.
	clockInterval = time.Minute
	retryInterval = time.Second // after a write that failed
	// After a restart devices have this long to come back before a job counts
	// them as offline, and are looked for this often.
	returnTime     = 30 * time.Second
	returnInterval = time.Second
)

// Engine runs jobs. Its methods can be called from any goroutine.
type Engine struct {
	store   *store.Store
	devices Devices
	log     *zap.Logger
	now     func() time.Time
	window  int

	throttle *throttle.Throttle
	watch    func(iothub.Job)

	mail  mailbox
	board board
	stop  chan struct{}
	ended chan struct{}

	// What follows belongs to the goroutine in run.
	active   map[string]*activeJob
	underWay int // calls and updates whose end is awaited, and those being marked as running
	purgeAt  time.Time
	purging  bool
	draining chan struct{} // closed once nothing is under way; nil: not draining
}

// Start takes up the jobs that had not ended when the hub did, and runs the
// engine until Close. It calls devices at once.
func Start(ctx context.Context, opts Options) (*Engine, error) {
	e := &Engine{
		store: opts.Store, devices: opts.Devices, log: opts.Logger, now: opts.Now, window: opts.Window, throttle: opts.Throttle, watch: opts.Watch,
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
		return nil, fmt.Errorf("take up the jobs of before: %w", err)
	}
	go e.run()
	return e, nil
}

// Close stops the engine. No further device is called; answers that come before
// ctx ends are stored. The store and the way to the devices must outlive it.
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
		err = errors.New("calls were under way when the hub stopped, their rows end as unknown at the next start")
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
		if e.draining != nil && e.quiet() {
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

// untilNext returns how long there is nothing to do unless something happens.
func (e *Engine) untilNext(now time.Time) time.Duration {
	wait := clockInterval
	if e.draining != nil {
		return wait
	}
	for _, j := range e.active {
		if at, ok := j.wakeAt(); ok {
			wait = min(wait, at.Sub(now))
		}
		if j.phase == running && !j.writing && len(j.pending) > 0 && e.underWay < e.window {
			// It was held up by the throttle, or by a write that failed.
			wait = min(wait, max(e.throttle.Until(throttle.JobDevices), j.retryAt.Sub(now)))
		}
	}
	if len(e.active) == 0 && !e.purging {
		// Only the daily purge is left, which is in no hurry.
		wait = e.purgeAt.Sub(now)
	}
	return max(wait, 0)
}

// quiet reports whether nothing is under way and nothing waits to be stored.
func (e *Engine) quiet() bool {
	for _, j := range e.active {
		if j.phase == starting || j.phase == ending || j.writing || len(j.called) > 0 || len(j.results) > 0 {
			return false
		}
	}
	return true
}

// purge removes jobs that ended long ago, one a write, so that nothing else waits long.
func (e *Engine) purge(now time.Time) {
	if e.purging || e.draining != nil || now.Before(e.purgeAt) {
		return
	}
	e.purging = true
	e.store.PurgeJobAsync(now.Add(-retention), func(id string, err error) {
		e.mail.post(func() {
			e.purging = false
			if err != nil {
				e.log.Error("remove old jobs", zap.Error(err))
			}
			if err != nil || id == "" {
				e.purgeAt = now.Add(purgeInterval)
				return
			}
			e.board.remove(id)
		})
	})
}
