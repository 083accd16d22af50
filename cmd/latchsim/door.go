package main

import (
	"context"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// The times of a simulated lock, the same as latchd's defaults.
const (
	confirmTimeout = 4 * time.Second
	minInterval    = time.Second
	settle         = time.Second
	exitTime       = 5 * time.Second
)

// dialer returns the function with which the device with index i opens its connections.
// It returns nil if the kernel chooses the source address.
func (o options) dialer(i int) func(ctx context.Context, network, address string) (net.Conn, error) {
	if len(o.sources) == 0 {
		return nil
	}

	source := &net.TCPAddr{IP: o.sources[i%len(o.sources)]}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{KeepAlive: -1, LocalAddr: source}).DialContext(ctx, network, address)
	}
}

// runDoor simulates the gateway of the door with index i until ctx ends. It connects
// agent, lock and hub in the same way as latchd, but stores nothing on disk. It calls
// ready once, when the hub has accepted the door's first report.
func (f *fleet) runDoor(ctx context.Context, i int, device iothub.Device, fault fault, ready func()) {
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

	// The lock must outlive the connection to the hub, so that the bolt can finish a
	// motion.
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
		ModelID: agent.ModelID, ProductInfo: "latchsim", Logger: log, Dial: f.dialer(i),
	}, func(ctx context.Context, link *mqtt.Link) error {
		a.Serve(ctx, watchedLink{link, reported})
		return nil
	})
	if err != nil {
		log.Error("cannot connect the door", zap.Error(err))
	}
}

// mockFault returns the fault of the mock lock for the fault f. It returns mock.None
// for faults that do not concern the lock.
func mockFault(f fault) mock.Fault {
	switch f {
	case jam:
		return mock.Jam
	case late:
		return mock.Slow
	}
	return mock.None
}

// watchedLink is a link that calls the function reported each time the hub has accepted
// a report.
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
