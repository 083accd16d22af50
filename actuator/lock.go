package actuator

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Config describes how a lock behaves. It applies to every driver.
type Config struct {
	Mode Mode // empty means Hold
	// AtPowerOn is the level at which the line of Hold mode is requested, unless the line
	// was kept since the previous process: Locked, Unlocked, or empty for the last level.
	AtPowerOn Position
	// ConfirmTimeout is the time in which the bolt sensor must confirm a motion. Use 4 s
	// or less: IoT Hub's shortest response timeout is 5 s.
	ConfirmTimeout time.Duration
	// MinInterval is the minimum time between the starts of two motions. In Pulse mode
	// it is the minimum time from the end of a pulse to the next pulse.
	MinInterval time.Duration
	// Pulse is the time for which a line is energised in Pulse and Dual modes.
	Pulse time.Duration
	// MaxEnergised is the longest time for which unlock commands may keep the line
	// energised in Pulse mode.
	MaxEnergised time.Duration

	// RelockOnClose makes the lock relock as soon as the door has opened and closed,
	// without waiting for the time limit. It needs a door sensor.
	RelockOnClose bool
	// Settle is the time for which the door must stay closed before it is locked
	// automatically.
	Settle time.Duration
	// ExitTime is the time after an unlock or an exit during which an opening raises no
	// alarm. If AutoRelock is 0, it is also the time after which the door locks behind
	// a person who leaves.
	ExitTime time.Duration
	// Manual means that a handle, a thumb-turn or a key can open the locked door. It
	// disables the forced-door alarm.
	Manual bool
	// ExitShunts means that the exit input does not unlock the door. It only announces
	// that the door will open.
	ExitShunts bool
}

// Tuning holds the settings that can change while a lock runs.
type Tuning struct {
	AutoRelock time.Duration // time for which the exit input unlocks the door; 0 means Config.ExitTime
	HeldOpen   time.Duration // how long the door may stay open without an alarm; 0 disables it
}

// Lock is the lock of one door. Its methods may be called from any goroutine once Run
// has been started.
type Lock struct {
	set      settings
	past     Record
	driver   Driver
	saver    Saver
	clock    Clock
	log      *zap.Logger
	requests chan request
	onDisk   atomic.Int64  // number of the last write that has ended
	saved    chan struct{} // signals that onDisk has increased
	changed  chan struct{}
	alive    chan struct{} // unbuffered: receiving a value proves that the loop runs
	ended    chan struct{}
	current  atomic.Pointer[Status]
}

// request asks the lock's goroutine to process an event and to send the answer to reply.
type request struct {
	event func(id int64) event
	reply chan<- reply
}

type reply struct {
	result Result
	err    error
}

// New makes a lock. The driver must not be open yet. past is the record that the
// previous process saved.
func New(config Config, driver Driver, saver Saver, past Record, clock Clock, log *zap.Logger) *Lock {
	l := &Lock{
		set: settings{
			mode:           cmp.Or(config.Mode, Hold),
			atPowerOn:      config.AtPowerOn,
			bootID:         clock.BootID,
			sensor:         driver.Bolt() != nil,
			doorSensor:     driver.Door() != nil,
			manual:         config.Manual,
			exitShunts:     config.ExitShunts,
			relockOnClose:  config.RelockOnClose,
			confirmTimeout: config.ConfirmTimeout,
			minInterval:    config.MinInterval,
			pulse:          config.Pulse,
			maxEnergised:   max(config.MaxEnergised, config.Pulse),
			exitTime:       config.ExitTime,
			settle:         config.Settle,
			waits:          standardWaits,
		},
		past: past, driver: driver, saver: saver, clock: clock, log: log,
		requests: make(chan request),
		saved:    make(chan struct{}, 1),
		changed:  make(chan struct{}, 1),
		alive:    make(chan struct{}),
		ended:    make(chan struct{}),
	}
	l.current.Store(&Status{Position: Unknown})
	return l
}

// ErrEnded is returned for a command that arrives while the lock shuts down.
var ErrEnded = errors.New("the agent is shutting down; try again when it has restarted")

// Do carries out a command. It waits until the command has ended and its outcome is on
// disk. The error is a *Refusal, ErrEnded or ctx's error. A started command continues
// even if ctx ends.
func (l *Lock) Do(ctx context.Context, c Command) (Result, error) {
	return l.ask(ctx, func(id int64) event { return command{id, c} })
}

// SetLockdown switches lockdown on or off. It waits until the change is on disk, but
// not until the bolt has moved. The error is ErrEnded or ctx's error.
func (l *Lock) SetLockdown(ctx context.Context, on bool) error {
	_, err := l.ask(ctx, func(id int64) event { return lockdownSet{id, on} })
	return err
}

// Tune changes the tuning. The error is ErrEnded or ctx's error.
func (l *Lock) Tune(ctx context.Context, t Tuning) error {
	_, err := l.ask(ctx, func(id int64) event { return tuned{id, t} })
	return err
}

func (l *Lock) ask(ctx context.Context, e func(id int64) event) (Result, error) {
	answered := make(chan reply, 1)
	select {
	case l.requests <- request{e, answered}:
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
	case r := <-answered: // the answer came just before the end
		return r.result, r.err
	default:
		return Result{}, ErrEnded
	}
}

// Status returns the current status.
func (l *Lock) Status() Status { return *l.current.Load() }

// Changed returns a channel that receives a value whenever the status may have changed.
func (l *Lock) Changed() <-chan struct{} { return l.changed }

// Alive returns a channel that delivers a value as soon as the lock's own goroutine is
// free. A value therefore proves that the goroutine is not stuck.
func (l *Lock) Alive() <-chan struct{} { return l.alive }

// Run opens the driver and controls the lock until ctx ends. When ctx ends, Run does
// not move the bolt and does not close the driver.
func (l *Lock) Run(ctx context.Context) {
	defer close(l.ended)
	o := &owner{Lock: l, waiting: make(map[int64]chan<- reply), timer: time.NewTimer(time.Hour)}
	defer o.timer.Stop()

	var acts []action
	o.state, acts = start(l.set, l.past, o.moment())
	o.step(o.carryOut(acts))

	for {
		o.arm()
		select {
		case r := <-l.requests:
			o.readInputs()
			o.lastID++
			o.waiting[o.lastID] = r.reply
			o.step(r.event(o.lastID))
		case r := <-l.driver.Bolt():
			o.onBolt(r)
		case r := <-l.driver.Door():
			o.onDoor(r)
		case r := <-l.driver.Exit():
			o.onExit(r)
		case <-o.timer.C:
			o.readInputs()
			o.step(o.contacts.calm(o.clock.Uptime()))
			o.step(tick{})
		case <-l.saved:
			o.giveAnswers()
		case l.alive <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// owner is the state of the lock's goroutine.
type owner struct {
	*Lock
	state    state
	contacts contacts
	timer    *time.Timer
	lastID   int64
	waiting  map[int64]chan<- reply // the commands without an answer, by id

	generation int64 // number of the last write
	held       []heldAnswer
}

// heldAnswer is an answer that waits until the write with the number generation has ended.
type heldAnswer struct {
	answer
	generation int64
}

func (o *owner) moment() moment { return moment{o.clock.Uptime(), o.clock.Now()} }

// step passes an event to the state machine, and then the result of each action on the
// lines. It does nothing if e is nil.
func (o *owner) step(e event) { o.stepAt(e, 0) }

// stepAt is like step, but takes the time since boot at which the event happened. An
// uptime of 0 means now.
func (o *owner) stepAt(e event, uptime time.Duration) {
	for e != nil {
		now := o.moment()
		if late := now.uptime - uptime; uptime != 0 && late > 0 {
			now = moment{uptime, now.wall.Add(-late)}
		}

		var acts []action
		o.state, acts = step(o.set, o.state, e, now)
		e, uptime = o.carryOut(acts), 0
	}
}

func (o *owner) onBolt(r Reading) {
	o.step(o.contacts.note(boltInput, o.clock.Uptime()))
	o.stepAt(reading{r.Position}, r.Time)
}

func (o *owner) onDoor(r DoorReading) {
	o.step(o.contacts.note(doorInput, o.clock.Uptime()))
	o.stepAt(doorReading{r.Door}, r.Time)
}

func (o *owner) onExit(r ExitReading) {
	o.step(o.contacts.note(exitInput, o.clock.Uptime()))
	o.stepAt(exitReading{r.Exit}, r.Time)
}

// readInputs processes all readings that have arrived. The loop calls it before commands
// and deadlines, so that an old reading is not taken for the result of a new command.
func (o *owner) readInputs() {
	for {
		select {
		case r := <-o.driver.Bolt():
			o.onBolt(r)
		case r := <-o.driver.Door():
			o.onDoor(r)
		case r := <-o.driver.Exit():
			o.onExit(r)
		default:
			return
		}
	}
}

// carryOut carries out the actions of the state machine. It returns the result of the
// action on the lines, or nil if there was none.
func (o *owner) carryOut(acts []action) (outcome event) {
	for _, a := range acts {
		switch a := a.(type) {
		case openLines:
			outcome = o.openLines(a.level)
		case setLines:
			err := o.driver.Drive(a.target)
			o.log.Info("lock driven", zap.String("target", string(a.target)), zap.Error(err))
			outcome = driven{err}
		case idleLines:
			outcome = idled{o.driver.Idle()}
		case save:
			o.save(a.record, a.events)
		case remember:
			o.save(a.record, a.events)
		case answer:
			o.held = append(o.held, heldAnswer{a, o.generation})
		}
	}

	o.publish() // update Status before the callers receive their answers
	o.giveAnswers()
	return outcome
}

func (o *owner) openLines(level Position) opened {
	found, kept, err := o.driver.Open(level)
	switch {
	case err != nil:
		o.log.Error("cannot request the lock's lines", zap.Error(err), zap.Duration("retry_in", o.set.waits.openRetry))
	case kept:
		o.log.Info("adopted the lock's line, which was kept open", zap.String("level", string(found)))
	case level != "":
		o.log.Info("requested the lock's line", zap.String("level", string(level)))
	default:
		o.log.Info("requested the lock's lines, idle")
	}
	return opened{found, kept, err}
}

func (o *owner) save(record Record, events []Event) {
	o.generation++
	generation := o.generation
	o.saver.Save(record, events, func(err error) { o.onSaved(generation, err) })
}

// onSaved records that a write has ended. The saver's goroutine calls it.
func (l *Lock) onSaved(generation int64, err error) {
	if err != nil {
		// The bolt has moved although the write failed, and the answer must say so.
		l.log.Error("the lock's state is not on disk; if the agent ends now, promised locks and events may be lost", zap.Error(err))
	}
	l.onDisk.Store(generation)

	select {
	case l.saved <- struct{}{}:
	default:
	}
}

// giveAnswers sends the answers that waited for writes which have ended.
func (o *owner) giveAnswers() {
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
	if *o.current.Load() == status {
		return
	}
	o.current.Store(&status)

	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// longestTimer is the maximum delay with which the lock notices a deadline after a
// suspend. Timers stop during a suspend, but the boot-time clock does not.
const longestTimer = time.Minute

func (o *owner) arm() {
	at, ok := o.state.next(o.set)
	if calm := o.contacts.next(); !ok || calm < at {
		at, ok = calm, calm != never
	}
	if !ok {
		o.timer.Stop()
		return
	}
	o.timer.Reset(min(max(0, at-o.clock.Uptime()), longestTimer))
}
