package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/gpio"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/cmd/latchd/clock"
	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/mqtt"
)

// run builds the agent and serves until ctx ends. It checks the whole configuration
// before it touches the lock or the network.
func run(ctx context.Context, file string, stderr io.Writer) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	level := zap.NewAtomicLevelAt(logLevel(c.LogLevel))
	log := newLogger(stderr, level)
	defer log.Sync()

	id, err := readIdentity(c, log)
	if err != nil {
		return err
	}
	log = log.With(zap.String("device_id", id.name))

	watchdog, err := systemd.WatchdogInterval()
	if err != nil {
		return fmt.Errorf("read systemd's environment: %w", err)
	}
	bootClock, err := actuator.SystemClock()
	if err != nil {
		return err
	}

	// The state directory.
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	unlock, err := lockStateDir(c.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	store, err := agent.OpenStore(c.StateDir, log)
	if err != nil {
		return err
	}
	defer store.Close()
	eventLog := events.Open(c.StateDir, events.DefaultLimits, log)
	defer eventLog.Close()
	wallClock := clock.Open(c.StateDir, clock.System(), log)
	if err := recordLines(c.Lock, store); err != nil {
		return err
	}

	// The lock and its agent.
	manager := systemd.FromEnvironment()
	record := store.Get().Lock
	driver := debugDriver(newDriver(c.Lock, record, manager, log))
	lockConfig := c.Lock.ActuatorConfig()
	lock := actuator.New(lockConfig, driver, agent.Recorder{Store: store, Events: eventLog}, record, bootClock, log)
	a := agent.New(agent.Config{
		Driver:       c.Lock.Driver,
		Mode:         lockConfig.Mode,
		MaxEnergised: lockConfig.MaxEnergised,
		Egress:       c.Lock.ExitUnlocks() || c.Lock.Egress == "mechanical",
		Defaults:     c.Settings(),
		System:       agent.ReadSystem(time.Now(), bootClock.Uptime()),
		Version:      version,
		BootID:       bootClock.BootID,
		Reboot:       rebooter(c.AllowReboot),
		Events:       eventLog,
		SetLogLevel:  func(name string) { level.SetLevel(logLevel(name)) },
		Now:          time.Now,
		Log:          log,
	}, lock, store)

	// The lock's context outlives ctx, so that a motion in progress is completed.
	lockCtx, stopLock := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	tasks.Go(func() {
		defer driver.Close() // at once: nothing else ends a pulse after Run
		lock.Run(lockCtx)
	})
	tasks.Go(func() { a.Run(lockCtx) })
	defer tasks.Wait()
	defer stopLock()
	log.Info("starting", zap.String("version", version),
		zap.String("hub", id.hub), zap.String("driver", c.Lock.Driver))

	// SIGHUP, the control socket and systemd. The signal handler comes first: systemd
	// may send SIGHUP as soon as it knows that the agent is ready.
	status := &notifier{manager: manager, interval: watchdog, driver: c.Lock.Driver, hub: id.hub, log: log}
	reloads := &reloader{file: file, running: c, applied: c, agent: a, manager: manager, log: log}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	tasks.Go(func() { reloads.watch(lockCtx, hangups) })
	if listener, err := listenControl(c.StateDir); err != nil {
		log.Warn("cannot open the control socket; 'latchd status' will not work", zap.Error(err))
	} else {
		control := &controlServer{agent: a, deviceID: id.name, connected: &status.connected, log: log}
		tasks.Go(func() { control.serve(lockCtx, listener) })
	}
	tasks.Go(func() { status.watch(lockCtx, lock) })
	defer context.AfterFunc(ctx, status.stopping)()

	// The hub. The lock runs while the agent waits for a time that certificates and
	// tokens need.
	wallClock.Wait(ctx)
	err = mqtt.Run(ctx, id.options(store, wallClock.Now, log), func(ctx context.Context, link *mqtt.Link) error {
		status.connected.Store(true)
		defer status.connected.Store(false)
		if err := wallClock.Confirm(); err != nil {
			log.Warn("cannot save the time of this login; a later start without a clock may use an older time", zap.Error(err))
		}
		return a.Serve(ctx, link)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}

	log.Info("ended")
	return nil
}

// newDriver returns the lock's driver, which has not requested any line yet. record is
// the lock's record of the previous process.
func newDriver(c config.Lock, record actuator.Record, manager systemd.Manager, log *zap.Logger) actuator.Driver {
	if c.Driver == "gpio" {
		return gpio.New(c.GPIOConfig(), newFDStore(manager), log)
	}

	newFDStore(manager).removeAll(log)
	bolt := cmp.Or(c.ActuatorConfig().AtPowerOn, actuator.Locked)
	if record.Position == actuator.Locked || record.Position == actuator.Unlocked {
		bolt = record.Position // like a real bolt, the mock's bolt stays where it was
	}
	return mock.New(c.MockConfig(), bolt)
}

// rebooter returns the function that restarts the machine, or nil if that is not
// allowed.
func rebooter(allowed bool) func(context.Context) error {
	if !allowed {
		return nil
	}
	return systemd.Reboot
}

// newLogger returns a logger to the journal if stderr is connected to it, and a logger
// of readable lines otherwise.
func newLogger(stderr io.Writer, least zapcore.LevelEnabler) *zap.Logger {
	if core, ok := systemd.JournalCore(stderr, "latchd", least); ok {
		return zap.New(core)
	}

	encoding := zap.NewDevelopmentEncoderConfig()
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.AddSync(stderr), least))
}

// logLevel returns the log level of a name. An unknown name, which the configuration
// does not allow, means info.
func logLevel(name string) zapcore.Level {
	level, err := zapcore.ParseLevel(name)
	if err != nil {
		return zapcore.InfoLevel
	}
	return level
}
