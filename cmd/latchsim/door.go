package main

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// The lock's timing in latchd's default configuration.
const (
	confirmTimeout = 4 * time.Second
	minInterval    = time.Second
	settle         = time.Second
	exitTime       = 5 * time.Second
)

// runDoor simulates one gateway until ctx ends. It wires agent, lock and connection as
// latchd does, but stores nothing on disk. It calls ready once, when the hub has
// accepted the door's first report.
func (f *fleet) runDoor(ctx context.Context, device iothub.Device, fault fault, ready func()) {
	log := f.log.WithLazy(zap.String("device_id", device.DeviceID))
	store, err := agent.OpenStore("", log)
	if err != nil {
		log.Error("cannot start the door", zap.Error(err))
		return
	}
	defer store.Close()

	driver := mock.New(mock.Config{
		Travel: f.travel, Fault: mockFault(fault), Door: f.hasPeople(), Exit: f.hasPeople(),
	}, f.start)
	defer driver.Close()
	lock := actuator.New(actuator.Config{
		AtPowerOn: f.start, ConfirmTimeout: confirmTimeout, MinInterval: minInterval,
		RelockOnClose: f.hasPeople(), Settle: settle, ExitTime: exitTime,
	}, driver, agent.Recorder{Store: store}, store.Get().Lock, f.clock, log)
	a := agent.New(agent.Config{
		Driver: "mock", Mode: actuator.Hold, System: f.system, Version: "latchsim", Now: time.Now, Log: log,
	}, lock, store)

	// The lock must outlive the connection, so that a motion in progress can end.
	lockCtx, stopLock := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { lock.Run(lockCtx) })
	running.Go(func() { a.Run(lockCtx) })
	defer running.Wait()
	defer stopLock()

	reported := sync.OnceFunc(func() {
		ready()
		if f.hasPeople() {
			running.Go(func() { newPeople(driver, lock, f.seed, device.DeviceID).use(lockCtx, fault, f.exits) })
		}
	})
	err = mqtt.Run(ctx, mqtt.Options{
		Device: device, Endpoint: f.mqtt, RootCAs: f.roots,
		ModelID: agent.ModelID, ProductInfo: "latchsim", Logger: log,
	}, func(ctx context.Context, link *mqtt.Link) error {
		return a.Serve(ctx, watchedLink{link, reported})
	})
	if err != nil {
		log.Error("cannot connect the door", zap.Error(err))
	}
}

// mockFault returns the mock lock's fault for a door. The other faults are not the lock's.
func mockFault(f fault) mock.Fault {
	switch f {
	case jam:
		return mock.Jam
	case late:
		return mock.Slow
	}
	return mock.None
}

// watchedLink is a link that calls reported after each report that the hub has accepted.
type watchedLink struct {
	*mqtt.Link
	reported func()
}

func (l watchedLink) Report(ctx context.Context, patch iothub.Object) (int64, error) {
	version, err := l.Link.Report(ctx, patch)
	if err == nil {
		l.reported()
	}
	return version, err
}
