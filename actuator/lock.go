package actuator

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Config says how a lock behaves, whatever drives it.
type Config struct {
	Mode Mode // Hold if it is empty
	// AtPowerOn is what the line of Hold is requested at where none was kept: Locked,
	// Unlocked, or empty for the level of the process before.
	AtPowerOn Position
	// ConfirmTimeout is how long the bolt sensor may take. IoT Hub's shortest
	// answer time is 5 s, so it is 4 s or less.
	ConfirmTimeout time.Duration
	// MinInterval is the least time from one motion's begin to the next one's.
	MinInterval time.Duration
	// Pulse is how long a line of Pulse or Dual is energised.
	Pulse time.Duration
	// MaxEnergised bounds how long an unlock may ask a line of Pulse to be energised.
	MaxEnergised time.Duration
	// Observe, if it is not nil, gets each new status, none left out, in the lock's
	// own goroutine: it must not block.
	Observe func(Status)
}

// Lock is a door's lock. Its methods may be called from any goroutine, once Run
// has been started.
type Lock struct {
	set      settings
	old      Record
	driver   Driver
	journal  Journal
	clock    Clock
	log      *zap.Logger
	requests chan request
	onDisk   atomic.Int64  // generation of the last save that ended
	saved    chan struct{} // onDisk has risen
	changed  chan struct{}
	alive    chan struct{} // unbuffered: a value taken is the loop's answer
	ended    chan struct{}
	status   atomic.Pointer[Status]
	observe  func(Status)
}

type request struct {
	cmd   Command
	reply chan<- reply
}

type reply struct {
	result Result
	err    error
}

// New makes a lock of a driver that is not open yet. old is the record that the
// journal kept from the process before.
func New(config Config, driver Driver, journal Journal, old Record, clock Clock, log *zap.Logger) *Lock {
	l := &Lock{
		set: settings{
			mode:           cmp.Or(config.Mode, Hold),
			atPowerOn:      config.AtPowerOn,
			sensor:         driver.Bolt() != nil,
			doorSensor:     driver.Door() != nil,
			confirmTimeout: config.ConfirmTimeout,
			minInterval:    config.MinInterval,
			pulse:          config.Pulse,
			maxEnergised:   max(config.MaxEnergised, config.Pulse),
			bootID:         clock.BootID,
		},
		old: old, driver: driver, journal: journal, clock: clock, log: log,
		requests: make(chan request),
		saved:    make(chan struct{}, 1),
		changed:  make(chan struct{}, 1),
		alive:    make(chan struct{}),
		ended:    make(chan struct{}),
		observe:  config.Observe,
	}
	l.status.Store(&Status{Position: Unknown})
	return l
}

// ErrEnded is the error of a command that came when the lock was being shut down.
var ErrEnded = errors.New("the lock's process is ending")

// Do carries out a command and returns when it has ended and is on disk. Its
// error is a *Refusal, ErrEnded, or ctx's; a command that has begun goes on when
// ctx ends.
func (l *Lock) Do(ctx context.Context, c Command) (Result, error) {
	answered := make(chan reply, 1)
	select {
	case l.requests <- request{c, answered}:
	case <-l.ended:
		return Result{}, ErrEnded
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	select {
	case r := <-answered:
		return r.result, r.err
	case <-l.ended:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	select {
	case r := <-answered: // just before the end
		return r.result, r.err
	default:
		return Result{}, ErrEnded
	}
}

// Status returns what is known of the lock now.
func (l *Lock) Status() Status { return *l.status.Load() }

// Changed has a value whenever the status may have changed since the last
// value was taken.
func (l *Lock) Changed() <-chan struct{} { return l.changed }

// Alive gives a value to who receives as soon as the lock's own goroutine is free
// to work: so it has not been stuck since.
func (l *Lock) Alive() <-chan struct{} { return l.alive }

// Run opens the driver and owns the lock until ctx ends. It neither moves the
// lock at the end nor closes the driver.
func (l *Lock) Run(ctx context.Context) {
	defer close(l.ended)
	o := &owner{Lock: l, waiting: make(map[int64]chan<- reply), timer: time.NewTimer(time.Hour)}
	defer o.timer.Stop()
	var acts []action
	o.state, acts = start(l.set, l.old, o.moment())
	o.step(o.carryOut(acts))
	for {
		o.arm()
		select {
		case r := <-l.requests:
			o.sense()
			o.lastID++
			o.waiting[o.lastID] = r.reply
			o.step(command{o.lastID, r.cmd})
		case r := <-l.driver.Bolt():
			o.stepAt(reading{r.Position}, r.At)
		case r := <-l.driver.Door():
			o.stepAt(doorReading{r.Door}, r.At)
		case <-o.timer.C:
			o.sense()
			o.step(tick{})
		case <-l.saved:
			o.release()
		case l.alive <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// owner is the goroutine's own part of a lock.
type owner struct {
	*Lock
	state   state
	timer   *time.Timer
	lastID  int64
	waiting map[int64]chan<- reply // commands by id

	generation int64 // of the last save asked for
	held       []heldAnswer
}

// heldAnswer waits for the save of its generation.
type heldAnswer struct {
	answer
	generation int64
}

func (o *owner) moment() moment { return moment{o.clock.Uptime(), o.clock.Now()} }

// step makes a step, and those that what it drives leads to.
func (o *owner) step(e event) { o.stepAt(e, 0) }

// stepAt is step for an event of an earlier time; 0 is now.
func (o *owner) stepAt(e event, uptime time.Duration) {
	for e != nil {
		at := o.moment()
		if late := at.uptime - uptime; uptime != 0 && late > 0 {
			at = moment{uptime, at.wall.Add(-late)}
		}
		var acts []action
		o.state, acts = step(o.set, o.state, e, at)
		e, uptime = o.carryOut(acts), 0
	}
}

// sense takes the readings that have come. They go before a command and a
// deadline: what was sensed before is neither confirmation nor jam.
func (o *owner) sense() {
	for {
		select {
		case r := <-o.driver.Bolt():
			o.stepAt(reading{r.Position}, r.At)
		case r := <-o.driver.Door():
			o.stepAt(doorReading{r.Door}, r.At)
		default:
			return
		}
	}
}

// carryOut does what the machine asks for and returns what came of a drive, or nil.
func (o *owner) carryOut(acts []action) (outcome event) {
	for _, a := range acts {
		switch a := a.(type) {
		case open:
			outcome = o.open(a.level)
		case drive:
			outcome = driven{o.driver.Drive(a.target)}
			o.log.Info("lock driven", zap.String("target", string(a.target)), zap.Error(outcome.(driven).err))
		case idle:
			outcome = idled{o.driver.Idle()}
		case save:
			o.generation++
			generation := o.generation
			o.journal.Save(a.record, func(err error) { o.onSaved(generation, err) })
		case answer:
			o.held = append(o.held, heldAnswer{a, o.generation})
		}
	}
	o.publish() // who is answered can see what it was answered
	o.release()
	return outcome
}

func (o *owner) open(level Position) opened {
	found, kept, err := o.driver.Open(level)
	switch {
	case err != nil:
		o.log.Error("the lock's lines cannot be taken", zap.Error(err), zap.Duration("retry_in", openRetry))
	case kept:
		o.log.Info("the lock's line was kept, and is as it was", zap.String("level", string(found)))
	case level != "":
		o.log.Info("the lock's line is taken", zap.String("level", string(level)))
	default:
		o.log.Info("the lock's lines are taken, idle")
	}
	return opened{found, kept, err}
}

// onSaved is called from the journal's goroutine.
func (l *Lock) onSaved(generation int64, err error) {
	if err != nil {
		// The bolt has moved all the same: the answer must say so.
		l.log.Error("the lock's state is not on disk; a promised relock may be lost with the process", zap.Error(err))
	}
	l.onDisk.Store(generation)
	select {
	case l.saved <- struct{}{}:
	default:
	}
}

// release gives the answers whose saves have ended.
func (o *owner) release() {
	for len(o.held) > 0 && o.held[0].generation <= o.onDisk.Load() {
		a := o.held[0].answer
		o.held = o.held[1:]
		r := reply{result: a.result}
		if a.refusal != nil {
			r.err = a.refusal
		}
		o.waiting[a.id] <- r
		delete(o.waiting, a.id)
	}
}

func (o *owner) publish() {
	status := o.state.status()
	if *o.status.Load() == status {
		return
	}
	o.status.Store(&status)
	if o.observe != nil {
		o.observe(status)
	}
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// longestTimer bounds how late a deadline is noticed that passed in sleep.
const longestTimer = time.Minute

func (o *owner) arm() {
	at, ok := o.state.next(o.set)
	if !ok {
		o.timer.Stop()
		return
	}
	// Timers stand still while the machine sleeps, the boot-time clock goes on.
	o.timer.Reset(min(max(0, at-o.clock.Uptime()), longestTimer))
}
