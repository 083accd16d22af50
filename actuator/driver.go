package actuator

import (
	"errors"
	"time"
)

// Mode is the way in which the lines of a lock move its bolt.
type Mode string

// The modes. A single line that toggles the bolt with each pulse is not supported,
// because nobody could tell where the bolt goes.
const (
	// Hold uses one line. Its level means locked or unlocked while it is held.
	Hold Mode = "hold"
	// Pulse uses one line that releases a strike while the line is energised. The
	// strike locks again by itself.
	Pulse Mode = "pulse"
	// Dual uses one line for each direction. A pulse moves the bolt, which then stays.
	Dual Mode = "dual"
)

// Driver sets the lines of one lock and reads its sensors. A Lock calls Open,
// Drive and Idle from one goroutine only.
type Driver interface {
	// Open requests the lines. In Hold mode it requests the line at level, in the
	// request itself; if the line was kept open since the previous process, Open
	// writes nothing and returns the line's level with kept set. In Pulse and Dual
	// modes, level is empty and Open requests the lines idle. After an error no line
	// is held, and Open may be called again.
	Open(level Position) (found Position, kept bool, err error)
	// Drive sets the lines so that the bolt goes to target. It returns when the lines
	// are set and does not wait for the bolt. In Pulse mode, Locked is the idle level.
	// In Dual mode, Drive idles the line of the other direction first. If the error is
	// ErrLinesGone, the next Drive needs an Open first.
	Drive(target Position) error
	// Idle ends the pulse that Drive started.
	Idle() error
	// Bolt delivers the bolt sensor's readings, the present one first. It returns nil
	// if no sensor is fitted. The channel is never closed.
	Bolt() <-chan Reading
	// Door delivers the door sensor's readings in the same way.
	Door() <-chan DoorReading
	// Exit delivers the exit input's readings in the same way.
	Exit() <-chan ExitReading
	// Close ends pulses and releases the lines.
	Close() error
}

// ErrLinesGone is returned by Drive and Idle when the lines no longer exist, for
// example after their chip was unplugged.
var ErrLinesGone = errors.New("the lines are gone")

// Reading is one reading of the bolt sensor: Locked, Unlocked, or Unknown if the
// sensor cannot be read.
type Reading struct {
	Position Position
	// Time is the time of the reading on the boot-time clock. 0 means the time at
	// which the Lock receives the reading.
	Time time.Duration
}

// DoorReading is one reading of the door sensor. Time is as in Reading.
type DoorReading struct {
	Door DoorState
	Time time.Duration
}

// ExitReading is one reading of the exit input. Time is as in Reading.
type ExitReading struct {
	Exit ExitState
	Time time.Duration
}

// DoorState is a reading of the door sensor. It is empty before the first reading
// and where no sensor is fitted.
type DoorState string

// The states of a door.
const (
	DoorOpen    DoorState = "open"
	DoorClosed  DoorState = "closed"
	DoorUnknown DoorState = "unknown" // the sensor cannot be read
)

// ExitState is a reading of the exit input: a button, a bar or a motion sensor on the
// inside. It is empty before the first reading and where no input is fitted.
type ExitState string

// The states of an exit input.
const (
	ExitActive  ExitState = "active" // somebody asks to leave
	ExitIdle    ExitState = "idle"
	ExitUnknown ExitState = "unknown" // the input cannot be read
)

// Saver keeps a lock's record and its events on disk. Save returns at once. Later,
// in the order of the calls, it calls done: with nil when the events and then the
// record (or a newer one) are on disk, or with the error that prevented it.
type Saver interface {
	Save(record Record, events []Event, done func(error))
}
