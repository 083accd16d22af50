package actuator

import (
	"errors"
	"time"
)

// Mode is how the lines of a lock move its bolt.
type Mode string

// The modes. A single line whose every pulse toggles the bolt is none of them:
// where the bolt goes could not be told.
const (
	// Hold has one line whose level means locked or unlocked for as long as it
	// is held.
	Hold Mode = "hold"
	// Pulse has one line that releases a strike while it is energised. The
	// strike locks again by itself.
	Pulse Mode = "pulse"
	// Dual has a line for each direction. A pulse moves the bolt, which then stays.
	Dual Mode = "dual"
)

// Driver sets the lines of one lock and reads its sensors. A Lock calls Open,
// Drive and Idle from one goroutine only.
type Driver interface {
	// Open takes the lines. A line of Hold that was kept open since the process
	// before is taken as it is: Open then returns its level and true. Otherwise
	// the line is requested at level, in the request itself. The lines of Pulse
	// and Dual are requested idle, and level is empty. After an error nothing is
	// taken, and Open may be called again.
	Open(level Position) (found Position, kept bool, err error)
	// Drive sets the lines so that the bolt goes to target, and returns once
	// they are set, without waiting for the bolt. In Pulse, Locked is the idle
	// level. In Dual the line of the other direction is idle before this one is
	// energised. An error that is ErrLinesGone says that Open has to be called
	// before the next drive.
	Drive(target Position) error
	// Idle ends the pulse of a drive.
	Idle() error
	// Bolt delivers the bolt sensor's readings: Locked, Unlocked, or Unknown when
	// it cannot be read. The present one comes first. It is nil if there is no
	// sensor, and never closed.
	Bolt() <-chan Reading
	// Door delivers the door sensor's readings in the same way.
	Door() <-chan DoorReading
	// Close ends pulses and releases the lines.
	Close() error
}

// ErrLinesGone is the error of a drive whose lines are no more, such as those of
// a chip that was unplugged.
var ErrLinesGone = errors.New("the lines are gone")

// Reading is what the bolt sensor said.
type Reading struct {
	Position Position
	// At is when, on the boot-time clock. 0 is when it is read from the channel.
	At time.Duration
}

// DoorReading is what the door sensor said; At is as in Reading.
type DoorReading struct {
	Door DoorState
	At   time.Duration
}

// Journal keeps a lock's record. Save returns at once and calls done, in the
// order of the calls, when the record or a later one is on disk or could not be
// written.
type Journal interface {
	Save(record Record, done func(error))
}
