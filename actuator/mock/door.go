package mock

import (
	"errors"
	"fmt"

	"github.com/latchd/latchd/actuator"
)

// Input names a simulated sensor or the simulated exit input.
type Input string

// The simulated inputs.
const (
	BoltSensor Input = "bolt sensor"
	DoorSensor Input = "door sensor"
	ExitInput  Input = "exit input"
)

// Inputs lists all simulated inputs.
var Inputs = []Input{BoltSensor, DoorSensor, ExitInput}

// ErrLocked is the error of [Driver.OpenDoor] for a closed door whose bolt is locked.
var ErrLocked = errors.New("the door is locked; unlock it first, or pry it open")

// OpenDoor opens the simulated door. If the door is closed and its bolt is locked,
// OpenDoor returns ErrLocked and the door stays closed.
func (d *Driver) OpenDoor() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.doorOpen && d.position == actuator.Locked {
		return ErrLocked
	}
	return d.moveDoor(true)
}

// PryDoor opens the simulated door even if its bolt is locked, as a burglar does. The
// bolt does not move. A handle on the inside can have the same effect.
func (d *Driver) PryDoor() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moveDoor(true)
}

// CloseDoor closes the simulated door.
func (d *Driver) CloseDoor() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moveDoor(false)
}

// PressExit presses the simulated exit button: the exit input becomes active.
func (d *Driver) PressExit() error { return d.setExit(true) }

// ReleaseExit releases the simulated exit button: the exit input becomes idle.
func (d *Driver) ReleaseExit() error { return d.setExit(false) }

// State returns where the simulated bolt is, and whether the simulated door is open.
func (d *Driver) State() (bolt actuator.Position, doorOpen bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.position, d.doorOpen
}

// SetReadable makes a simulated sensor fail or work again. A sensor that works again
// reports its current state.
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

// moveDoor opens or closes the simulated door. The caller must hold d.mu.
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

// checkFitted returns an error if the simulated lock is configured without the input.
func (d *Driver) checkFitted(input Input) error {
	missing := input == DoorSensor && d.door == nil || input == ExitInput && d.exit == nil
	if missing {
		return fmt.Errorf("the mock lock has no %s; configure one", input)
	}
	return nil
}

// sense makes a sensor report its current state. It does nothing if the simulated lock
// has no such sensor. The caller must hold d.mu.
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

// keepLatest sends a reading to a channel. If the channel is full, keepLatest first
// removes the oldest reading. Only one goroutine at a time may send to the channel.
func keepLatest[R any](to chan R, reading R) {
	for {
		select {
		case to <- reading:
			return
		default:
		}

		select {
		case <-to:
		default: // a reader has just emptied the channel
		}
	}
}
