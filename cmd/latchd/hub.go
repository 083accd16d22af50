package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/cmd/latchd/clock"
	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

const (
	// hubRetry is the pause before the agent reads unusable credentials again.
	hubRetry = 30 * time.Second
	// copiesTimeout bounds how long the agent waits at its start for the copies of the
	// credentials that 'latchd grant' makes.
	copiesTimeout = 5 * time.Second
	// copiesPoll is the time between two looks at these copies.
	copiesPoll = 100 * time.Millisecond
)

// hubLink connects the agent to the hub. It reads the device's credentials before each
// attempt to connect, so that corrected files take effect without a restart.
type hubLink struct {
	file     string        // of the configuration
	config   config.Config // its tables hub and provisioning are used as soon as they are valid
	agent    *agent.Agent
	store    *agent.Store
	device   *deviceName
	problems *problems
	clock    *clock.Clock
	log      *zap.Logger

	connected atomic.Bool
	settled   atomic.Bool // the tables hub and provisioning in use have led to an identity
	hubName   atomic.Pointer[string]
	failure   atomic.Pointer[string] // why the last attempt to connect failed, or why the link was lost; nil while connected

	mu      sync.Mutex
	restart context.CancelFunc // ends the present attempts to connect; nil while there are none
}

// name returns the hub's name for messages.
func (h *hubLink) name() string {
	if name := h.hubName.Load(); name != nil {
		return *name
	}
	return "the hub"
}

// why returns the reason why the agent is not connected. It is empty while the agent is
// connected, before its first attempt has failed, and if the reason is one of the problems.
func (h *hubLink) why() string {
	if failure := h.failure.Load(); failure != nil {
		return *failure
	}
	return ""
}

// failed records why the agent is not connected, unless that is one of the problems.
func (h *hubLink) failed(reason error) {
	text := reason.Error()
	if slices.Contains(h.problems.all(), text) {
		h.failure.Store(nil)
		return
	}
	h.failure.Store(&text)
}

// run connects to the hub until ctx ends. No error ends it earlier.
func (h *hubLink) run(ctx context.Context) {
	// Certificates and tokens need the right time.
	h.clock.Wait(ctx)
	h.awaitCopies(ctx)
	log := h.log // warns of files that others can read, but only once

	for ctx.Err() == nil {
		id, err := h.readIdentity(log)
		if err == nil {
			log = zap.NewNop()
			err = h.connect(ctx, id)
		}
		if err != nil {
			h.pause(ctx)
		}
	}
}

// awaitCopies waits until the credentials are usable or systemd has had them copied. The
// copies are made after the agent has reported that it is ready.
func (h *hubLink) awaitCopies(ctx context.Context) {
	copies := systemd.CopiedCredentials()
	if copies == "" {
		return
	}

	for end := time.Now().Add(copiesTimeout); time.Now().Before(end) && ctx.Err() == nil; {
		if _, err := os.Stat(copies); err == nil {
			return
		}
		if _, errs := readIdentity(h.config, zap.NewNop()); len(errs) == 0 {
			return
		}
		sleep(ctx, copiesPoll)
	}
}

// readIdentity reads the device's credentials and reports whether they are usable. As
// long as they are not, it reads the tables hub and provisioning of the configuration
// again, too.
func (h *hubLink) readIdentity(log *zap.Logger) (identity, error) {
	if !h.settled.Load() {
		if err := h.readConfig(); err != nil {
			return identity{}, err
		}
	}

	id, errs := readIdentity(h.config, log)
	h.problems.set(problemHub, errs...)
	h.settled.Store(len(errs) == 0)
	if len(errs) > 0 {
		return identity{}, errs[0] // the problems contain them all
	}

	h.device.set(id.name)
	h.hubName.Store(&id.hub)
	return id, nil
}

// readConfig reads the tables hub and provisioning again.
func (h *hubLink) readConfig() error {
	c, errs, err := config.LoadLock(h.file)
	if err != nil {
		errs = []error{err}
	}
	h.problems.set(problemConfig, errs...)

	if c.HasHub() {
		h.config.Hub, h.config.Provisioning = c.Hub, c.Provisioning
	}
	if !h.config.HasHub() {
		return errors.New("the configuration does not say how to reach the hub")
	}
	return nil
}

// connect connects as id until ctx ends, the credentials have changed, or retryNow is
// called. The error means that id cannot work.
func (h *hubLink) connect(ctx context.Context, id identity) error {
	ctx, restart := context.WithCancel(ctx)
	defer restart()
	h.setRestart(restart)
	defer h.setRestart(nil)
	h.log.Info("connecting to the hub", zap.String("hub", id.hub))

	o := id.options(h.store, h.clock.Now, h.log)
	o.Failed = h.failed
	locate := o.Locate
	o.Locate = func(ctx context.Context, refusals int) (iothub.Device, error) {
		present, err := h.readIdentity(zap.NewNop())
		switch {
		case err != nil:
			return iothub.Device{}, err
		case !present.equal(id):
			restart()
			return iothub.Device{}, errors.New("the device's credentials have changed")
		case locate != nil:
			return locate(ctx, refusals)
		}
		return id.mqtt.Device, nil
	}

	err := mqtt.Run(ctx, o, func(ctx context.Context, link *mqtt.Link) error {
		h.connected.Store(true)
		h.failure.Store(nil)
		defer h.connected.Store(false)
		if err := h.clock.Confirm(); err != nil {
			h.log.Warn("cannot save the time of this login; a later start without a clock may use an older time", zap.Error(err))
		}
		h.agent.Serve(ctx, link)
		return nil
	})
	if err != nil {
		h.problems.set(problemHub, err)
	}
	return err
}

func (h *hubLink) setRestart(restart context.CancelFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restart = restart
}

// retryNow makes the agent read its credentials and connect at once, unless it is
// connected.
func (h *hubLink) retryNow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.restart != nil && !h.connected.Load() {
		h.restart()
	}
}

// pause waits before the next attempt, until retryNow is called.
func (h *hubLink) pause(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	h.setRestart(end)
	defer h.setRestart(nil)
	sleep(ctx, hubRetry)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
