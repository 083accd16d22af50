package actuator

import (
	"errors"
	"time"
)

// Mode is the way in which the lines of a lock move its bolt.
type Mode string

// The modes. latchd does not support a line that toggles the bolt with each pulse,
// because nobody could tell whether a pulse locks or unlocks.
const (
	// Hold uses one line, whose level keeps the bolt locked or unlocked.
	Hold Mode = "hold"
	// Pulse uses one line, which releases a strike while it is energised. Afterwards
	// the strike locks by itself.
	Pulse Mode = "pulse"
	// Dual uses one line to lock and another to unlock. A pulse on a line moves the
	// bolt, which then stays in place.
	Dual Mode = "dual"
)

// Driver sets the GPIO lines of one lock and reads its sensors. A Lock calls Open,
// Drive and Idle from one goroutine only.
type Driver interface {
	// Open requests the lines.
	//
	//   - In Hold mode, the request itself sets the line to level. If the line has
	//     been kept since the previous process, Open does not change it, returns its
	//     actual level and sets kept.
	//   - In Pulse and Dual modes, level is empty and the lines start idle.
	//
	// After an error the driver holds no lines, and Open may be called again.
	Open(level Position) (found Position, kept bool, err error)
	// Drive sets the lines so that the bolt moves to target. It does not wait for the
	// bolt. In Pulse mode, a drive to Locked makes the line idle. In Dual mode, Drive
	// first makes the other line idle. After ErrLinesGone, the caller must call Open
	// again.
	Drive(target Position) error
	// Idle ends the pulse that Drive started.
	Idle() error
	// Bolt delivers the bolt sensor's readings, the present one first. It returns nil
	// if no sensor is fitted. The channel is never closed.
	Bolt() <-chan Reading
	// Door delivers the door sensor's readings. It works like Bolt.
	Door() <-chan DoorReading
	// Exit delivers the exit input's readings. It works like Bolt.
	Exit() <-chan ExitReading
	// Close ends all pulses and releases the lines.
	Close() error
}

// ErrLinesGone is returned by Drive and Idle when the lines no longer exist, for
// example after their chip was unplugged.
var ErrLinesGone = errors.New("the lines are gone")

// Reading is one reading of the bolt sensor: Locked, Unlocked, or Unknown if the
// sensor cannot be read.
type Reading struct {
	Position Position
	// Time is the time since boot at which the sensor was read. 0 means that the Lock
	// must use the time at which it receives the reading.
	Time time.Duration
}

// DoorReading is one reading of the door sensor. Its Time has the same meaning as in
// Reading.
type DoorReading struct {
	Door DoorState
	Time time.Duration
}

// ExitReading is one reading of the exit input. Its Time has the same meaning as in
// Reading.
type ExitReading struct {
	Exit ExitState
	Time time.Duration
}

// DoorState is a reading of the door sensor. It is empty before the first reading, and
// if no sensor is fitted.
type DoorState string

// The states of a door.
const (
	DoorOpen    DoorState = "open"
	DoorClosed  DoorState = "closed"
	DoorUnknown DoorState = "unknown" // the sensor cannot be read
)

// ExitState is a reading of the exit input: a button, a bar or a motion sensor on the
// inside of the door. It is empty before the first reading, and if no input is fitted.
type ExitState string

// The states of an exit input.
const (
	ExitActive  ExitState = "active" // somebody asks to leave
	ExitIdle    ExitState = "idle"
	ExitUnknown ExitState = "unknown" // the input cannot be read
)

// Saver keeps a lock's record and its events on disk. Save does not wait for the disk.
// When the events and then the record (or a newer one) are on disk, the Saver calls
// done with nil. If writing fails, it calls done with the error. It calls these
// functions in the order of the calls of Save.
type Saver interface {
	Save(record Record, events []Event, done func(error))
}
