package mock

import (
	"errors"
	"fmt"

	"github.com/latchd/latchd/actuator"
)

// Input names a simulated sensor.
type Input string

// The simulated sensors.
const (
	BoltSensor Input = "bolt sensor"
	DoorSensor Input = "door sensor"
	ExitInput  Input = "exit input"
)

// Inputs lists all simulated sensors.
var Inputs = []Input{BoltSensor, DoorSensor, ExitInput}

// ErrLocked is the error of OpenDoor if the bolt holds the door.
var ErrLocked = errors.New("the door is locked; unlock it first, or pry it open")

// OpenDoor opens the door. A locked bolt holds a closed door: the error is then
// ErrLocked, and the door stays closed.
func (d *Driver) OpenDoor() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.doorOpen && d.position == actuator.Locked {
		return ErrLocked
	}
	return d.moveDoor(true)
}

// PryDoor opens the door although its bolt may be locked, as a burglar does, or a handle
// that withdraws the latch but not the bolt. The bolt does not move.
func (d *Driver) PryDoor() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moveDoor(true)
}

// CloseDoor closes the door.
func (d *Driver) CloseDoor() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moveDoor(false)
}

// PressExit makes the exit input active, until ReleaseExit.
func (d *Driver) PressExit() error { return d.setExit(true) }

// ReleaseExit makes the exit input idle.
func (d *Driver) ReleaseExit() error { return d.setExit(false) }

// SetReadable makes a sensor fail to read, or work again. A sensor that works again
// reports its present state.
func (d *Driver) SetReadable(input Input, readable bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	if err := d.checkFitted(input); err != nil {
		return err
	}
	if d.unreadable[input] == readable {
		d.unreadable[input] = !readable
		d.sense(input)
	}
	return nil
}

// moveDoor opens or closes the door. The caller must hold d.mu.
func (d *Driver) moveDoor(open bool) error {
	if err := d.checkFitted(DoorSensor); err != nil {
		return err
	}
	if d.doorOpen != open {
		d.doorOpen = open
		d.sense(DoorSensor)
	}
	return nil
}

func (d *Driver) setExit(active bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	if err := d.checkFitted(ExitInput); err != nil {
		return err
	}
	if d.exitActive != active {
		d.exitActive = active
		d.sense(ExitInput)
	}
	return nil
}

// checkFitted returns an error if the configuration has no such sensor. Nobody would see
// it change.
func (d *Driver) checkFitted(input Input) error {
	missing := input == DoorSensor && d.door == nil || input == ExitInput && d.exit == nil
	if missing {
		return fmt.Errorf("the mock lock has no %s; configure one", input)
	}
	return nil
}

// sense makes a sensor report its present state, if the sensor is fitted. The caller must
// hold d.mu.
func (d *Driver) sense(input Input) {
	switch {
	case input == BoltSensor && d.config.Fault != DeadSensor:
		keepLatest(d.bolt, actuator.Reading{Position: choose(d.unreadable[input], actuator.Unknown, d.position)})

	case input == DoorSensor && d.door != nil:
		state := choose(d.doorOpen, actuator.DoorOpen, actuator.DoorClosed)
		keepLatest(d.door, actuator.DoorReading{Door: choose(d.unreadable[input], actuator.DoorUnknown, state)})

	case input == ExitInput && d.exit != nil:
		state := choose(d.exitActive, actuator.ExitActive, actuator.ExitIdle)
		keepLatest(d.exit, actuator.ExitReading{Exit: choose(d.unreadable[input], actuator.ExitUnknown, state)})
	}
}

func choose[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// keepLatest puts a reading into a channel. If the channel is full, the oldest reading
// goes. There must be one writer at a time.
func keepLatest[R any](to chan R, reading R) {
	for {
		select {
		case to <- reading:
			return
		default:
		}

		select {
		case <-to:
		default: // the reader took it meanwhile
		}
	}
}
