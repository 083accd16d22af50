// Package mock simulates a lock with a bolt and a bolt sensor, and the door around it.
// It serves demonstrations, simulations and tests. Use [New] to make a [Driver] for an
// actuator.Lock. Methods such as [Driver.OpenDoor] and [Driver.PressExit] simulate the
// people at the door.
//
// Guarantees:
//   - The driver fulfils the contract of [actuator.Driver], like the GPIO driver.
//   - A [Fault] makes the simulated lock fail in the same way as a real lock.
//   - latchd uses the mock only if its configuration file selects it. A missing GPIO
//     chip never makes latchd use the mock.
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
	Slow       Fault = "slow"        // the bolt moves, but needs SlowTravel
	DeadSensor Fault = "dead-sensor" // the bolt moves, but the bolt sensor reports nothing
	Busy       Fault = "busy"        // each drive fails, as if another process used the line
)

// Faults lists all faults except None, for error messages.
var Faults = []Fault{Jam, Slow, DeadSensor, Busy}

// SlowTravel is the time that a bolt with the fault Slow needs for a motion.
const SlowTravel = 3 * time.Second

// Config describes a simulated lock.
type Config struct {
	Travel time.Duration // time that the bolt needs for a motion; 0 moves the bolt at once
	Fault  Fault
	Door   bool // the lock has a door sensor; the door starts closed
	Exit   bool // the lock has an exit input, which starts idle
}

// Driver simulates a lock with a bolt, a bolt sensor and a door. It implements
// [actuator.Driver]. Its methods are safe for concurrent use and do not wait until
// somebody reads the sensors.
type Driver struct {
	config Config
	bolt   chan actuator.Reading
	door   chan actuator.DoorReading // nil without a door sensor
	exit   chan actuator.ExitReading // nil without an exit input

	mu         sync.Mutex
	position   actuator.Position // position of the bolt
	doorOpen   bool
	exitActive bool
	unreadable map[Input]bool
	travel     *time.Timer // ends the current motion of the bolt; nil before the first motion
	drives     int
}

var _ actuator.Driver = (*Driver)(nil)

// errBusy is the error with which Open and Drive fail if the lock has the fault Busy.
var errBusy = errors.New(`mock line: in use by another process (simulated by fault = "busy")`)

// unreadReadings is the number of unread readings that the channels of the door sensor
// and the exit input keep. A slow reader therefore sees even a short press of the exit
// button. A full channel drops its oldest reading.
const unreadReadings = 16

// New makes a simulated lock. Its bolt starts at position.
func New(config Config, position actuator.Position) *Driver {
	d := &Driver{
		config: config, position: position, unreadable: map[Input]bool{},
		// The channel keeps only the latest reading, because the reader may be slower than
		// the bolt.
		bolt: make(chan actuator.Reading, 1),
	}
	if config.Door {
		d.door = make(chan actuator.DoorReading, unreadReadings)
	}
	if config.Exit {
		d.exit = make(chan actuator.ExitReading, unreadReadings)
	}

	for _, input := range Inputs {
		d.sense(input)
	}
	return d
}

// Open implements [actuator.Driver]. In Hold mode, the bolt then moves to the position
// level, unless it is jammed.
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

// Idle implements [actuator.Driver]. The simulated bolt does not move.
func (d *Driver) Idle() error { return nil }

// Bolt implements [actuator.Driver].
func (d *Driver) Bolt() <-chan actuator.Reading { return d.bolt }

// Door implements [actuator.Driver]. It returns nil if the lock has no door sensor.
func (d *Driver) Door() <-chan actuator.DoorReading { return d.door }

// Exit implements [actuator.Driver]. It returns nil if the lock has no exit input.
func (d *Driver) Exit() <-chan actuator.ExitReading { return d.exit }

// Close implements [actuator.Driver].
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.travel != nil {
		d.travel.Stop()
	}
	return nil
}

// Force moves the bolt without a command, like a person with a key.
func (d *Driver) Force(position actuator.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.position = position
	d.sense(BoltSensor)
}

// Drives returns the number of calls of the method Drive so far.
func (d *Driver) Drives() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drives
}

// move moves the bolt to target. The motion takes the configured travel time.
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
		d.sense(BoltSensor)
		return
	}
	d.travel = time.AfterFunc(travel, func() { d.Force(target) })
}
