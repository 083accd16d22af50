package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/trust"
)

const (
	// startsAtOnce bounds the devices that connect at the same time.
	startsAtOnce = 64
	// startPatience is how long a device may take before the next one starts
	// beside it.
	startPatience = 10 * time.Second
	// progressEvery is how often it is said how many are connected.
	progressEvery = 5 * time.Second
)

// simulate registers, connects and runs the fleet until ctx ends.
func simulate(ctx context.Context, o options, p plan, stdout, stderr io.Writer) error {
	common, service, err := o.open(stderr)
	if err != nil {
		return err
	}
	if err := checkFileLimit(len(p.doors)); err != nil {
		return err
	}
	hub := rest.New(service, rest.Options{Endpoint: o.endpoint, RootCAs: common.roots, UserAgent: "latchsim"})
	keys, err := register(ctx, hub, service.Key, p.doors)
	if err == nil && len(o.tags) > 0 {
		err = tag(ctx, hub, p.doors, o.tags)
	}
	hub.CloseIdleConnections()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}

	var running sync.WaitGroup
	defer running.Wait()
	ready := make(chan struct{}, len(p.doors))
	running.Go(func() {
		slots := make(chan struct{}, startsAtOnce)
		for i, d := range p.doors {
			if d.fault == offline {
				continue
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			device := iothub.Device{HostName: service.HostName, DeviceID: d.id, Key: keys[i]}
			release := sync.OnceFunc(func() { <-slots })
			patience := time.AfterFunc(startPatience, release)
			running.Go(func() {
				common.runDoor(ctx, device, d.fault, func() {
					patience.Stop()
					release()
					ready <- struct{}{}
				})
				patience.Stop()
				release()
			})
		}
	})
	if awaitAll(ctx, ready, len(p.doors)-p.count(offline), stderr) {
		fmt.Fprintf(stdout, "latchsim ready devices=%d connected=%d\n", len(p.doors), len(p.doors)-p.count(offline))
	}
	<-ctx.Done()
	return nil
}

// awaitAll waits until want devices are ready, and says how it goes if it takes
// long. It returns false if ctx ends before.
func awaitAll(ctx context.Context, ready <-chan struct{}, want int, stderr io.Writer) bool {
	progress := time.NewTicker(progressEvery)
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

// common is what the doors share.
type common struct {
	options
	roots  *x509.CertPool
	clock  actuator.Clock
	system agent.System
	log    *zap.Logger
}

// open reads the files that the options name.
func (o options) open(stderr io.Writer) (common, iothub.Service, error) {
	c := common{options: o, log: newLogger(stderr)}
	text, err := os.ReadFile(o.hubFile)
	if err != nil {
		return c, iothub.Service{}, fmt.Errorf("read the service connection string: %w", err)
	}
	service, err := iothub.ParseService(string(text))
	if err != nil {
		return c, service, fmt.Errorf("%s: %w", o.hubFile, err)
	}
	if o.caFile != "" {
		if c.roots, err = trust.ReadCAFile(o.caFile); err != nil {
			return c, service, err
		}
	} else if c.roots, err = x509.SystemCertPool(); err != nil {
		return c, service, fmt.Errorf("read the system's certificates: %w", err)
	}
	if c.clock, err = actuator.SystemClock(); err != nil {
		return c, service, err
	}
	c.system = agent.ReadSystem(time.Now(), c.clock.Uptime())
	return c, service, nil
}

// newLogger writes what goes wrong, but no more than three of a kind in ten
// seconds: what happens to one of a fleet mostly happens to all.
func newLogger(to io.Writer) *zap.Logger {
	encoding := zap.NewDevelopmentEncoderConfig()
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.Lock(zapcore.AddSync(to)), zapcore.WarnLevel)
	return zap.New(zapcore.NewSamplerWithOptions(core, 10*time.Second, 3, 0))
}

// checkFileLimit reports whether the process may have a connection for each
// device. Go has raised the limit as far as it may.
func checkFileLimit(devices int) error {
	const besides = 64
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if need := uint64(devices + besides); limit.Cur < need {
		return fmt.Errorf("%d devices need %d open files, and this process may have %d; raise the limit with ulimit -n %d",
			devices, need, limit.Cur, need)
	}
	return nil
}
