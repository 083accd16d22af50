package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
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
	"github.com/latchd/latchd/cmd/latchd/clock"
	"github.com/latchd/latchd/systemd"
)

// gcPercent makes the garbage collector run after each megabyte of garbage instead of
// each 4 MiB. The agent has less than a megabyte of live data and few allocations, so a
// smaller heap costs little time.
const gcPercent = 25

// run serves the lock, and the hub once it can be reached, until ctx ends. It requests
// the lock's lines before it reads anything that only the hub needs. It ends early only
// if it does not know how to drive the lock, or if another process drives it.
func run(ctx context.Context, file string, stderr io.Writer) error {
	// Without the journal, log entries are lost, but the door keeps its agent.
	signal.Ignore(syscall.SIGPIPE)
	debug.SetGCPercent(gcPercent)

	c, configProblems, err := config.LoadLock(file)
	if err != nil {
		return err
	}
	bootClock, err := actuator.SystemClock()
	if err != nil {
		return err
	}

	level := zap.NewAtomicLevelAt(logLevel(c.LogLevel))
	device := new(deviceName)
	log := newLogger(stderr, level, device)
	defer log.Sync()

	found := newProblems(log)
	found.set(problemConfig, configProblems...)
	state, err := openState(c, found, log)
	if err != nil {
		return err
	}
	defer state.close()

	// The lock and its agent.
	manager := systemd.FromEnvironment()
	record := state.store.Get().Lock
	driver, mockDriver := newDriver(c.Lock, record, manager, log)
	lockConfig := c.Lock.ActuatorConfig()
	lock := actuator.New(lockConfig, driver, agent.Recorder{Store: state.store, Events: state.events}, record, bootClock, log)
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
		Events:       state.events,
		SetLogLevel:  func(name string) { level.SetLevel(logLevel(name)) },
		Now:          time.Now,
		Log:          log,
	}, lock, state.store)

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
	log.Info("starting", zap.String("version", version), zap.String("driver", c.Lock.Driver))

	// SIGHUP, the control socket and systemd. The signal handler comes first: systemd
	// may send SIGHUP as soon as it knows that the agent is ready.
	hub := &hubLink{
		file: file, config: c, agent: a, store: state.store, device: device, problems: found,
		clock: clock.Open(state.dir, clock.System(), log), log: log,
	}
	status := &notifier{manager: manager, interval: watchdogInterval(log), driver: c.Lock.Driver, hub: hub, problems: found, log: log}
	reloads := &reloader{file: file, running: c, applied: c, agent: a, hub: hub, problems: found, manager: manager, log: log}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	tasks.Go(func() { reloads.watch(lockCtx, hangups) })
	if listener, err := listenControl(controlPath(state.dir)); err != nil {
		log.Warn("cannot open the control socket; 'latchd status', 'latchd lock' and 'latchd unlock' will not work", zap.Error(err))
	} else {
		control := &controlServer{agent: a, hub: hub, problems: found, mock: mockDriver, log: log}
		tasks.Go(func() { control.serve(lockCtx, listener) })
	}
	tasks.Go(func() { status.watch(lockCtx, lock) })
	defer context.AfterFunc(ctx, status.stopping)()

	// The hub, once the lock has requested its lines.
	select {
	case <-lock.Alive():
		hub.run(ctx)
	case <-ctx.Done():
	}
	log.Info("ended")
	return nil
}

// watchdogInterval returns the interval of systemd's watchdog, or 0 if there is none.
func watchdogInterval(log *zap.Logger) time.Duration {
	interval, err := systemd.WatchdogInterval()
	if err != nil {
		log.Error("cannot read the interval of systemd's watchdog from the environment; the agent does not feed the watchdog", zap.Error(err))
	}
	return interval
}

// newDriver returns the lock's driver, which has not requested any line yet. record is
// the lock's record of the previous process. simulated is nil unless the driver is mock.
func newDriver(c config.Lock, record actuator.Record, manager systemd.Manager, log *zap.Logger) (driver actuator.Driver, simulated *mock.Driver) {
	if c.Driver == "gpio" {
		return debugDriver(gpio.New(c.GPIOConfig(), newFDStore(manager), log)), nil
	}

	newFDStore(manager).removeAll(log)
	bolt := cmp.Or(c.ActuatorConfig().AtPowerOn, actuator.Locked)
	if record.Position == actuator.Locked || record.Position == actuator.Unlocked {
		bolt = record.Position // like a real bolt, the mock's bolt stays where it was
	}
	simulated = mock.New(c.MockConfig(), bolt)
	return debugDriver(simulated), simulated
}

// rebooter returns the function that restarts the machine, or nil if that is not
// allowed.
func rebooter(allowed bool) func(context.Context) error {
	if !allowed {
		return nil
	}
	return systemd.Reboot
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
