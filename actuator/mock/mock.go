// Package mock is a lock without hardware, for demonstrations, simulations and
// tests. It honours the same contract as a real one and can be told to fail in
// the ways that real ones do. It is used only where a configuration asks for it.
package mock

import (
	"errors"
	"sync"
	"time"

	"github.com/latchd/latchd/actuator"
)

// Fault is a way to fail.
type Fault string

// The faults.
const (
	None       Fault = ""
	Jam        Fault = "jam"         // the bolt does not move
	Slow       Fault = "slow"        // the bolt takes SlowTravel
	DeadSensor Fault = "dead-sensor" // the bolt moves, its sensor says nothing
	Busy       Fault = "busy"        // the line is refused, as if another process held it
)

// Faults lists the faults by name, for messages.
var Faults = []Fault{Jam, Slow, DeadSensor, Busy}

// SlowTravel is how long a slow bolt takes.
const SlowTravel = 3 * time.Second

// Config describes a mock lock.
type Config struct {
	Travel time.Duration // how long the bolt takes; 0 is at once
	Fault  Fault
}

// Lock is a mock lock with a bolt and a bolt sensor. It implements
// [actuator.Driver].
type Lock struct {
	config Config
	bolt   chan actuator.Reading

	mu     sync.Mutex
	at     actuator.Position
	travel *time.Timer
	drives int
}

var errBusy = errors.New("mock line: it is held by another process (fault \"busy\" is configured)")

// New makes a mock lock whose bolt stands at position.
func New(config Config, position actuator.Position) *Lock {
	// A bolt makes at most one reading a drive, and the reader may lag: the
	// channel holds the latest reading only.
	l := &Lock{config: config, bolt: make(chan actuator.Reading, 1), at: position}
	l.sense()
	return l
}

// Open implements [actuator.Driver]. In Hold the bolt moves to level; a jammed
// one stays where it is.
func (l *Lock) Open(level actuator.Position) (found actuator.Position, kept bool, err error) {
	if l.config.Fault == Busy {
		return "", false, errBusy
	}
	if level != "" && l.position() != level {
		l.move(level)
	}
	return level, false, nil
}

// Drive implements [actuator.Driver].
func (l *Lock) Drive(target actuator.Position) error {
	l.mu.Lock()
	l.drives++
	l.mu.Unlock()
	if l.config.Fault == Busy {
		return errBusy
	}
	l.move(target)
	return nil
}

// Idle implements [actuator.Driver]. A bolt with a line for each direction stays.
func (l *Lock) Idle() error { return nil }

// Bolt implements [actuator.Driver].
func (l *Lock) Bolt() <-chan actuator.Reading { return l.bolt }

// Door implements [actuator.Driver]: there is no door sensor.
func (l *Lock) Door() <-chan actuator.DoorReading { return nil }

// Close implements [actuator.Driver].
func (l *Lock) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.travel != nil {
		l.travel.Stop()
	}
	return nil
}

// Force moves the bolt from outside, as a burglar or a key does.
func (l *Lock) Force(position actuator.Position) {
	l.mu.Lock()
	l.at = position
	l.mu.Unlock()
	l.sense()
}

// Drives returns how often the line was driven.
func (l *Lock) Drives() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drives
}

func (l *Lock) position() actuator.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *Lock) move(target actuator.Position) {
	travel := l.config.Travel
	switch l.config.Fault {
	case Jam:
		return
	case Slow:
		travel = SlowTravel
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.travel != nil {
		l.travel.Stop()
	}
	if travel == 0 {
		l.at = target
		l.senseLocked()
		return
	}
	l.travel = time.AfterFunc(travel, func() { l.Force(target) })
}

func (l *Lock) sense() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.senseLocked()
}

func (l *Lock) senseLocked() {
	if l.config.Fault == DeadSensor {
		return
	}
	select {
	case <-l.bolt: // replace what was not read
	default:
	}
	l.bolt <- actuator.Reading{Position: l.at}
}
