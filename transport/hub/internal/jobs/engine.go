package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// Devices sends method calls and twin changes to devices. The hub's broker implements it.
type Devices interface {
	// Invoke calls a direct method on a device and does not wait for the answer. It calls
	// done exactly once, with the answer or an error.
	Invoke(deviceID string, m iothub.MethodRequest, done func(iothub.MethodResponse, error))
	// Online reports whether a device can receive method calls now.
	Online(deviceID string) bool
	// OnReady calls ready once, as soon as the device can receive method calls. ready does
	// not block. The returned function stops the notification.
	OnReady(deviceID string, ready func()) (cancel func())
	// SendDesired sends changed desired properties to a device, if it is connected.
	SendDesired(deviceID string, desired iothub.Object)
}

// Options configures an engine. Store and Devices are required.
type Options struct {
	Store   *store.Store
	Devices Devices
	Logger  *zap.Logger      // nil disables logging
	Now     func() time.Time // nil means time.Now
	Window  int              // maximum number of recent calls for all jobs together; 0 means 1,500

	MaxEnded int64 // maximum size of all ended jobs with their results, in bytes; 0 means 1 GiB

	Throttle *throttle.Throttle // limits the number of active jobs and of devices per second; nil means no limits
	Watch    func(iothub.Job)   // called after every change of a job's status or statistics; must not block; may be nil
}

const (
	defaultWindow = 1500
	retention     = 30 * 24 * time.Hour // IoT Hub keeps ended jobs this long, according to its documentation
	purgeInterval = 24 * time.Hour
	purgePause    = 10 * time.Second // shortest time from the end of a job to the next purge

	// Limits on the ended jobs. Beyond them, the engine removes the oldest ones earlier than
	// IoT Hub does.
	maxEndedJobs  = 50_000
	maxEndedBytes = 1 << 30 // with the results
	// clockInterval is the longest sleep of the engine while a job is active. Timers do
	// not notice when someone sets the clock, so the engine must read the clock
	// regularly.
	clockInterval = time.Minute
	retryInterval = time.Second      // pause after a failed write
	reconnectTime = 30 * time.Second // time that devices have to reconnect after a restart of the hub

	// A call without an answer after recentTime no longer counts in the window. So
	// devices that do not answer cannot delay the calls to other devices.
	recentTime = 2 * time.Second
	// unansweredFactor limits all unanswered calls, in multiples of the window.
	unansweredFactor = 8
	// A job may always have window/reserveFactor recent calls, even if the other jobs
	// fill the window.
	reserveFactor = 100
)

// Engine runs jobs. Make one with Start. Its methods may be called from any goroutine.
type Engine struct {
	store    *store.Store
	devices  Devices
	log      *zap.Logger
	now      func() time.Time
	window   int
	maxEnded int64

	throttle *throttle.Throttle
	watch    func(iothub.Job)

	failures   *zap.Logger // for failed writes, which the engine repeats; bounded, because a full disk fails all of them
	mail       mailbox
	statistics statisticsCache
	stop       chan struct{}
	ended      chan struct{}

	// Only the engine's goroutine, which runs the method run, uses the following fields.
	active   map[string]*activeJob
	recent   int     // number of recent calls, and of devices that are being stored as running before a call
	calls    []*call // recent calls, oldest first, and some that have been answered
	purgeAt  time.Time
	purging  bool
	draining chan struct{} // closed when no call and no write is in progress; nil before Close
}

// Start loads the stored jobs that have not ended, and returns an engine that continues
// them and runs new jobs. The engine may call devices at once. If it cannot write, for
// example because the disk is full, it repeats the write until that succeeds. The engine
// runs until Close is called.
func Start(ctx context.Context, opts Options) (*Engine, error) {
	e := &Engine{
		store: opts.Store, devices: opts.Devices, log: opts.Logger,
		now: opts.Now, window: opts.Window, maxEnded: cmp.Or(opts.MaxEnded, maxEndedBytes),
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

	e.failures = logtext.Remote(e.log)
	e.purgeAt = e.now()
	if err := e.recover(ctx); err != nil {
		return nil, fmt.Errorf("load the unfinished jobs: %w", err)
	}
	go e.run()
	return e, nil
}

// Close stops the engine. The engine calls no more devices, but stores the answers that
// arrive before ctx ends. Close the engine before the store and the broker.
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
		e.forgetOldCalls(now)
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

// untilNext returns the time that the engine may sleep if its mailbox stays empty.
func (e *Engine) untilNext(now time.Time) time.Duration {
	wait := clockInterval
	if e.draining != nil {
		return wait
	}

	for _, j := range e.active {
		if wake, ok := j.wakeAt(); ok {
			wait = min(wait, wake.Sub(now))
		}
		if !j.hasDevices() || j.writing {
			continue
		}
		if e.room(j) > 0 {
			// The job has devices to call, but the throttle or a failed write delays
			// their calls.
			wait = min(wait, max(e.throttle.Until(throttle.JobDevices), j.retryAt.Sub(now)))
		} else if len(e.calls) > 0 {
			wait = min(wait, e.calls[0].at.Add(recentTime).Sub(now))
		}
	}
	if len(e.active) == 0 && !e.purging {
		// Without active jobs, only the next purge remains. It does no harm if the purge is
		// late because someone has set the clock.
		wait = e.purgeAt.Sub(now)
	}
	return max(wait, 0)
}

// idle reports whether the engine may stop, because no call and no write is in progress
// and all results are stored.
func (e *Engine) idle() bool {
	for _, j := range e.active {
		if j.phase == ending || j.writing || len(j.called)+len(j.again)+len(j.results) > 0 {
			return false
		}
	}
	return true
}

// purge removes ended jobs when their retention time is over, or when there are too many. To
// keep other writes from waiting, it removes only one job per write.
func (e *Engine) purge(now time.Time) {
	if e.purging || e.draining != nil || now.Before(e.purgeAt) {
		return
	}

	e.purging = true
	e.purgeAt = now.Add(purgeInterval) // a job that ends in the meantime makes it earlier
	e.store.PurgeJobAsync(store.JobLimits{Ended: now.Add(-retention), Jobs: maxEndedJobs, Bytes: e.maxEnded}, func(id string, err error) {
		e.mail.post(func() {
			e.purging = false
			if err != nil {
				e.log.Error("cannot remove old jobs", zap.Error(err))
			}
			if err != nil || id == "" {
				return
			}
			e.statistics.remove(id)
			e.purgeAt = e.now() // there may be more
		})
	})
}

// purgeSoon makes the next purge happen soon, because a job has ended.
func (e *Engine) purgeSoon() {
	if soon := e.now().Add(purgePause); soon.Before(e.purgeAt) {
		e.purgeAt = soon
	}
}
