package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/textfile"
	"github.com/latchd/latchd/transport/trust"
)

const (
	// maxConnecting limits how many devices connect at the same time.
	maxConnecting = 64
	// connectTimeout limits how long a connecting device counts towards maxConnecting.
	// After this time, another device may start to connect.
	connectTimeout = 10 * time.Second
	// progressInterval is the time between two progress messages.
	progressInterval = 5 * time.Second
)

// simulate registers and connects the fleet and runs it until ctx ends.
func simulate(ctx context.Context, o options, p plan, stdout, stderr io.Writer) error {
	fleet, service, err := o.open(stderr)
	if err != nil {
		return err
	}
	if err := checkFileLimit(len(p.doors)); err != nil {
		return err
	}

	keys, err := fleet.prepare(ctx, service, p.doors)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}

	ready := make(chan struct{}, len(p.doors))
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { fleet.runDoors(ctx, service.HostName, p.doors, keys, ready) })

	online := len(p.doors) - p.count(offline)
	if awaitAll(ctx, ready, online, stderr) {
		fmt.Fprintf(stdout, "latchsim ready devices=%d connected=%d\n", len(p.doors), online)
	}
	<-ctx.Done()
	return nil
}

// prepare registers the devices and sets their tags. It returns the devices' keys.
func (f *fleet) prepare(ctx context.Context, service iothub.Service, doors []door) ([]iothub.Key, error) {
	hub := rest.New(service, rest.Options{Endpoint: f.endpoint, RootCAs: f.roots, UserAgent: "latchsim"})
	defer hub.CloseIdleConnections()

	keys, err := register(ctx, hub, service.Key, doors)
	if err == nil && len(f.tags) > 0 {
		err = setTags(ctx, hub, doors, f.tags)
	}
	return keys, err
}

// runDoors runs all doors except those with the fault offline. It returns when all
// doors have ended. It sends one value to ready when the hub has accepted a door's
// first report.
func (f *fleet) runDoors(ctx context.Context, hostName string, doors []door, keys []iothub.Key, ready chan<- struct{}) {
	var running sync.WaitGroup
	defer running.Wait()

	connecting := make(chan struct{}, maxConnecting)
	for i, d := range doors {
		if d.fault == offline {
			continue
		}

		select {
		case connecting <- struct{}{}:
		case <-ctx.Done():
			return
		}

		device := iothub.Device{HostName: hostName, DeviceID: d.id, Key: keys[i]}
		release := sync.OnceFunc(func() { <-connecting })
		timeout := time.AfterFunc(connectTimeout, release)
		running.Go(func() {
			defer release()
			defer timeout.Stop()
			f.runDoor(ctx, i, device, d.fault, func() {
				timeout.Stop()
				release()
				ready <- struct{}{}
			})
		})
	}
}

// awaitAll waits until the given number of doors are ready, and prints the progress at
// intervals. Each ready door sends one value to the channel ready. awaitAll returns
// false if ctx ends first.
func awaitAll(ctx context.Context, ready <-chan struct{}, want int, stderr io.Writer) bool {
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()

	for have := 0; have < want; {
		select {
		case <-ready:
			have++
		case <-progress.C:
			fmt.Fprintf(stderr, "latchsim: %d of %d connected\n", have, want)
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// fleet holds the options and resources that all simulated doors share.
type fleet struct {
	options
	roots  trust.Roots
	clock  actuator.Clock
	system agent.System
	log    *zap.Logger
}

// open reads the files that the options name. It also reads the clock and the system
// data of this machine.
func (o options) open(stderr io.Writer) (*fleet, iothub.Service, error) {
	f := &fleet{options: o, log: newLogger(stderr)}

	text, err := textfile.Read(o.hubFile, 1<<16)
	if err != nil {
		return nil, iothub.Service{}, fmt.Errorf("read the service connection string: %w", err)
	}
	service, err := iothub.ParseService(text)
	if err != nil {
		return nil, service, fmt.Errorf("%s: %w", o.hubFile, err)
	}

	if o.caFile != "" {
		f.roots = trust.CAFile(o.caFile)
		if _, err := f.roots(); err != nil {
			return nil, service, err
		}
	}

	if f.clock, err = actuator.SystemClock(); err != nil {
		return nil, service, err
	}
	f.system = agent.ReadSystem(time.Now(), f.clock.Uptime())
	return f, service, nil
}

// newLogger returns a logger for warnings and errors. Most problems affect all doors,
// so the logger writes the same message at most three times in ten seconds.
func newLogger(to io.Writer) *zap.Logger {
	encoding := zap.NewDevelopmentEncoderConfig()
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.Lock(zapcore.AddSync(to)), zapcore.WarnLevel)
	return zap.New(zapcore.NewSamplerWithOptions(core, 10*time.Second, 3, 0))
}

// checkFileLimit returns an error if the process may not open enough files for one
// connection per device. Go's runtime has already raised the soft limit to the hard
// limit.
func checkFileLimit(devices int) error {
	const otherFiles = 64
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}

	if need := uint64(devices + otherFiles); limit.Cur < need {
		return fmt.Errorf("%d devices need %d open files, but the limit is %d; raise it with: ulimit -n %d",
			devices, need, limit.Cur, need)
	}
	return nil
}
