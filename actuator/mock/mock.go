// Package mock simulates a lock with a bolt and a bolt sensor, and the door around it,
// for demonstrations, simulations and tests. Use [New] to make a [Driver] for an
// actuator.Lock, and [Driver.OpenDoor], [Driver.PressExit] and so on to be the people at
// the door.
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
	Door   bool // the door has a sensor; the door is closed at first
	Exit   bool // there is an exit input; it is idle at first
}

// Driver simulates a lock with a bolt and a bolt sensor, and its door. It implements
// [actuator.Driver]. Its methods may be called from any goroutine, and none of them
// waits for a reader of the sensors.
type Driver struct {
	config Config
	bolt   chan actuator.Reading
	door   chan actuator.DoorReading // nil without a door sensor
	exit   chan actuator.ExitReading // nil without an exit input

	mu         sync.Mutex
	position   actuator.Position // of the bolt
	doorOpen   bool
	exitActive bool
	unreadable map[Input]bool
	travel     *time.Timer // nil until the bolt has moved for the first time
	drives     int
}

var _ actuator.Driver = (*Driver)(nil)

// errBusy is the error of all drives with the fault Busy.
var errBusy = errors.New(`mock line: in use by another process (simulated by fault = "busy")`)

// unreadReadings is how many unread readings of the door sensor and the exit input are
// kept, so that a slow reader sees a short press of the button. The oldest go first.
const unreadReadings = 16

// New makes a driver whose bolt is at position.
func New(config Config, position actuator.Position) *Driver {
	d := &Driver{
		config: config, position: position, unreadable: map[Input]bool{},
		// The reader may be slower than the bolt, so the channel holds the latest reading.
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

// Door implements [actuator.Driver]. It returns nil without Config.Door.
func (d *Driver) Door() <-chan actuator.DoorReading { return d.door }

// Exit implements [actuator.Driver]. It returns nil without Config.Exit.
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

// Force moves the bolt without a command, as a key or a burglar does.
func (d *Driver) Force(position actuator.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.position = position
	d.sense(BoltSensor)
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
		d.sense(BoltSensor)
		return
	}
	d.travel = time.AfterFunc(travel, func() { d.Force(target) })
}
