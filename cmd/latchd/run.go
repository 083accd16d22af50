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
	wallclock "github.com/latchd/latchd/cmd/latchd/clock"
	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/mqtt"
)

// run wires the agent and serves until ctx ends. All of the configuration is
// checked before the lock or the network is touched.
func run(ctx context.Context, file string, stderr io.Writer) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	level := zap.NewAtomicLevelAt(logLevel(c.LogLevel))
	log := newLogger(stderr, level)
	defer log.Sync()
	who, err := readIdentity(c, log)
	if err != nil {
		return err
	}
	log = log.With(zap.String("device_id", who.name))
	watchdog, err := systemd.WatchdogInterval()
	if err != nil {
		return fmt.Errorf("read systemd's environment: %w", err)
	}
	clock, err := actuator.SystemClock()
	if err != nil {
		return err
	}
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
	events := agent.OpenEvents(c.StateDir, agent.MaxEvents, log)
	defer events.Close()
	wall := wallclock.Open(c.StateDir, wallclock.System(), log)

	manager := systemd.FromEnvironment()
	if err := noteLines(c.Lock, store); err != nil {
		return err
	}
	old := store.Get().Lock
	driver := debugDriver(newDriver(c.Lock, old, manager, log))
	set := c.Lock.ActuatorConfig()
	set.Observe = events.Observe
	lock := actuator.New(set, driver, store, old, clock, log)
	a := agent.New(agent.Config{
		Driver:       c.Lock.Driver,
		Mode:         set.Mode,
		MaxEnergised: set.MaxEnergised,
		Defaults:     c.Settings(),
		System:       agent.ReadSystem(time.Now(), clock.Uptime()),
		Version:      version,
		BootID:       clock.BootID,
		Reboot:       reboot(c.AllowReboot),
		Events:       events,
		SetLogLevel:  func(name string) { level.SetLevel(logLevel(name)) },
		Now:          time.Now,
		Log:          log,
	}, lock, store)

	// The lock outlives the link: a motion that has begun is followed to its end.
	lockCtx, stopLock := context.WithCancel(context.WithoutCancel(ctx))
	var locks sync.WaitGroup
	locks.Go(func() {
		defer driver.Close() // at once: nobody ends a pulse any more
		lock.Run(lockCtx)
	})
	defer locks.Wait()
	defer stopLock()

	log.Info("starting", zap.String("version", version),
		zap.String("hub", who.hub), zap.String("driver", c.Lock.Driver))
	told := &service{manager: manager, interval: watchdog, driver: c.Lock.Driver, hub: who.hub, log: log}
	again := &reloader{file: file, running: c, applied: c, agent: a, manager: manager, log: log}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // before systemd is told that a reload is possible
	defer signal.Stop(hangups)
	locks.Go(func() { again.watch(lockCtx, hangups) })
	if listener, err := listenControl(c.StateDir); err != nil {
		log.Warn("'latchd status' will not work", zap.Error(err)) // the door will
	} else {
		local := &control{agent: a, device: who.name, linked: &told.linked, log: log}
		locks.Go(func() { local.serve(lockCtx, listener) })
	}
	locks.Go(func() { told.watch(lockCtx, lock) })
	defer context.AfterFunc(ctx, told.stopping)()
	wall.Wait(ctx) // for a time by which certificates and tokens are good; the lock runs
	err = mqtt.Run(ctx, who.options(store, wall.Now, log), func(ctx context.Context, link *mqtt.Link) error {
		told.linked.Store(true)
		defer told.linked.Store(false)
		if err := wall.Confirm(); err != nil {
			log.Warn("the time of this login is not kept for a start without a clock", zap.Error(err))
		}
		return a.Serve(ctx, link)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("ended")
	return nil
}

// newDriver makes what drives the lock. It takes no line yet.
func newDriver(c config.Lock, old actuator.Record, manager systemd.Manager, log *zap.Logger) actuator.Driver {
	if c.Driver == "gpio" {
		return gpio.New(c.GPIOConfig(), newFDStore(manager), log)
	}
	newFDStore(manager).removeAll(log)
	stands := cmp.Or(c.ActuatorConfig().AtPowerOn, actuator.Locked)
	if old.Position == actuator.Locked || old.Position == actuator.Unlocked {
		stands = old.Position // a mock's bolt stays where it was while the process is down
	}
	return mock.New(c.MockConfig(), stands)
}

// reboot returns what restarts the machine, or nil.
func reboot(allowed bool) func(context.Context) error {
	if !allowed {
		return nil
	}
	return systemd.Reboot
}

// newLogger writes to the journal if stderr leads there, else lines that a
// person can read.
func newLogger(stderr io.Writer, least zapcore.LevelEnabler) *zap.Logger {
	if core, ok := systemd.JournalCore(stderr, "latchd", least); ok {
		return zap.New(core)
	}
	encoding := zap.NewDevelopmentEncoderConfig()
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.AddSync(stderr), least))
}

// logLevel returns the level of that name, which the configuration has checked.
func logLevel(name string) zapcore.Level {
	level, err := zapcore.ParseLevel(name)
	if err != nil {
		return zapcore.InfoLevel
	}
	return level
}
