// Package mock simulates a lock with a bolt and a bolt sensor, for demonstrations,
// simulations and tests. Use [New] to make a [Driver] for an actuator.Lock.
//
// Guarantees:
//   - The driver honours the contract of [actuator.Driver], as the GPIO driver does.
//   - A [Fault] makes the driver fail in a way in which real locks fail.
//   - latchd uses the mock only if its configuration selects it, and never because a
//     GPIO chip is missing.
package mock

import (
	"errors"
	"sync"
	"time"

	"github.com/latchd/latchd/actuator"
)

// Fault selects how the simulated lock fails.
type Fault string

// The values of [Fault].
const (
	None       Fault = ""
	Jam        Fault = "jam"         // the bolt does not move
	Slow       Fault = "slow"        // the bolt needs SlowTravel to move
	DeadSensor Fault = "dead-sensor" // the bolt moves, but its sensor reports nothing
	Busy       Fault = "busy"        // another process seems to use the line
)

// Faults lists all faults except None. Error messages use it.
var Faults = []Fault{Jam, Slow, DeadSensor, Busy}

// SlowTravel is the time that a bolt with the fault Slow needs to move.
const SlowTravel = 3 * time.Second

// Config describes a simulated lock.
type Config struct {
	Travel time.Duration // the time that the bolt needs to move; 0 moves it at once
	Fault  Fault
}

// Driver simulates a lock with a bolt and a bolt sensor. It implements
// [actuator.Driver].
type Driver struct {
	config Config
	bolt   chan actuator.Reading

	mu       sync.Mutex
	position actuator.Position // of the bolt
	travel   *time.Timer       // nil until the bolt has moved for the first time
	drives   int
}

var _ actuator.Driver = (*Driver)(nil)

// errBusy is the error of all drives with the fault Busy.
var errBusy = errors.New(`mock line: in use by another process (simulated by fault = "busy")`)

// New makes a driver whose bolt is at position.
func New(config Config, position actuator.Position) *Driver {
	// The reader may be slower than the bolt, so the channel holds the latest reading.
	d := &Driver{config: config, bolt: make(chan actuator.Reading, 1), position: position}
	d.Force(position)
	return d
}

// Open implements [actuator.Driver]. In Hold mode the bolt moves to level, unless it
// is jammed.
func (d *Driver) Open(level actuator.Position) (found actuator.Position, adopted bool, err error) {
	if d.config.Fault == Busy {
		return "", false, errBusy
	}

	d.mu.Lock()
	moves := level != "" && d.position != level
	d.mu.Unlock()
	if moves {
		d.move(level)
	}
	return level, false, nil
}

// Drive implements [actuator.Driver].
func (d *Driver) Drive(target actuator.Position) error {
	d.mu.Lock()
	d.drives++
	d.mu.Unlock()

	if d.config.Fault == Busy {
		return errBusy
	}
	d.move(target)
	return nil
}

// Idle implements [actuator.Driver]. In Dual mode the bolt stays where it is.
func (d *Driver) Idle() error { return nil }

// Bolt implements [actuator.Driver].
func (d *Driver) Bolt() <-chan actuator.Reading { return d.bolt }

// Door implements [actuator.Driver]. It returns nil: the mock has no door sensor.
func (d *Driver) Door() <-chan actuator.DoorReading { return nil }

// Exit implements [actuator.Driver]. It returns nil: the mock has no exit input.
func (d *Driver) Exit() <-chan actuator.ExitReading { return nil }

// Close implements [actuator.Driver].
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.travel != nil {
		d.travel.Stop()
	}
	return nil
}

// Force moves the bolt without a command, as a key or a burglar does.
func (d *Driver) Force(position actuator.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.position = position
	d.sense()
}

// Drives returns the number of calls of Drive.
func (d *Driver) Drives() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drives
}

// move moves the bolt to target. The bolt arrives after its travel time.
func (d *Driver) move(target actuator.Position) {
	travel := d.config.Travel
	switch d.config.Fault {
	case Jam:
		return
	case Slow:
		travel = SlowTravel
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.travel != nil {
		d.travel.Stop()
	}

	if travel == 0 {
		d.position = target
		d.sense()
		return
	}
	d.travel = time.AfterFunc(travel, func() { d.Force(target) })
}

// sense makes the sensor report the bolt's position. The caller must hold d.mu.
func (d *Driver) sense() {
	if d.config.Fault == DeadSensor {
		return
	}

	select {
	case <-d.bolt: // the new reading replaces an unread one
	default:
	}
	d.bolt <- actuator.Reading{Position: d.position}
}
