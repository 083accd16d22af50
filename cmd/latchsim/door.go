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

// What a lock has by latchd's default configuration.
const (
	confirmTimeout = 4 * time.Second
	minInterval    = time.Second
)

// runDoor simulates one gateway until ctx ends: agent, lock and link as latchd
// has them, but nothing on disk. ready is called once, when the hub has taken
// the first report.
func (c *common) runDoor(ctx context.Context, device iothub.Device, f fault, ready func()) {
	log := c.log.WithLazy(zap.String("device", device.DeviceID))
	store, err := agent.OpenStore("", log)
	if err != nil {
		log.Error("the door could not be started", zap.Error(err))
		return
	}
	defer store.Close()
	driver := mock.New(mock.Config{Travel: c.travel, Fault: mockFault(f)}, c.start)
	defer driver.Close()
	lock := actuator.New(actuator.Config{
		AtPowerOn: c.start, ConfirmTimeout: confirmTimeout, MinInterval: minInterval,
	}, driver, store, store.Get().Lock, c.clock, log)
	a := agent.New(agent.Config{
		Driver: "mock", Mode: actuator.Hold, System: c.system, Version: "latchsim", Now: time.Now, Log: log,
	}, lock, store)

	// The lock outlives the link: a motion that has begun is followed to its end.
	lockCtx, stopLock := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { lock.Run(lockCtx) })
	defer running.Wait()
	defer stopLock()

	ready = sync.OnceFunc(ready)
	err = mqtt.Run(ctx, mqtt.Options{
		Device: device, Endpoint: c.mqtt, RootCAs: c.roots,
		ModelID: agent.ModelID, ProductInfo: "latchsim", Logger: log,
	}, func(ctx context.Context, link *mqtt.Link) error {
		return a.Serve(ctx, watchedLink{link, ready})
	})
	if err != nil {
		log.Error("the door could not be connected", zap.Error(err))
	}
}

func mockFault(f fault) mock.Fault {
	switch f {
	case jam:
		return mock.Jam
	case late:
		return mock.Slow
	}
	return mock.None
}

// watchedLink is a link that tells of the first report that the hub took.
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
