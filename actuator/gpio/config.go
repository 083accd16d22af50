package gpio

import (
	"fmt"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"github.com/latchd/latchd/actuator"
)

// Config describes the lines of a lock.
type Config struct {
	Mode actuator.Mode
	// Line is what Hold holds and Pulse pulses. In Dual its pulse locks.
	Line Line
	// Unlock is the line of Dual whose pulse unlocks, on the same chip as Line.
	Unlock Line
	// Active is what the active level of Hold's line means: Locked or Unlocked.
	Active actuator.Position
	Drive  Drive
	Bolt   *BoltSensor // nil: there is none
	Door   *DoorSensor // nil: there is none
}

// Line names a line of a chip, and says how it is wired.
type Line struct {
	// Chip is a chip's name (gpiochip0), its path (/dev/gpiochip0, or a link to
	// it) or its label (pinctrl-bcm2711). A label stays where chips are numbered
	// anew.
	Chip string
	// Name is the line's name. If it is empty the line is that at Offset.
	Name   string
	Offset int
	// ActiveLow: the active level is the low one.
	ActiveLow bool
	Bias      Bias
}

// String names the line as messages do.
func (l Line) String() string {
	if l.Name != "" {
		return fmt.Sprintf("line %q of chip %s", l.Name, l.Chip)
	}
	return fmt.Sprintf("line %d of chip %s", l.Offset, l.Chip)
}

// BoltSensor is an input that says where the bolt is.
type BoltSensor struct {
	Line
	Debounce time.Duration     // for how long a level must be stable
	Active   actuator.Position // what its active level means: Locked or Unlocked
}

// DoorSensor is an input that says whether the door is open.
type DoorSensor struct {
	Line
	Debounce time.Duration
	Active   actuator.DoorState // what its active level means: DoorOpen or DoorClosed
}

// Bias is the pull of a line. The zero value leaves it as it is.
type Bias string

// The pulls, as far as the chip has them.
const (
	BiasAsIs     Bias = ""
	BiasDisabled Bias = "disabled"
	BiasPullUp   Bias = "pull-up"
	BiasPullDown Bias = "pull-down"
)

// Drive is how an output drives its line. The zero value is push-pull.
type Drive string

// The drives.
const (
	PushPull   Drive = ""
	OpenDrain  Drive = "open-drain"
	OpenSource Drive = "open-source"
)

// flags returns the line's own flags.
func (l Line) flags() uapi.LineFlagV2 {
	var f uapi.LineFlagV2
	if l.ActiveLow {
		f |= uapi.LineFlagV2ActiveLow
	}
	switch l.Bias {
	case BiasDisabled:
		f |= uapi.LineFlagV2BiasDisabled
	case BiasPullUp:
		f |= uapi.LineFlagV2BiasPullUp
	case BiasPullDown:
		f |= uapi.LineFlagV2BiasPullDown
	}
	return f
}

// outputFlags returns the flags of a line that is driven.
func (c Config) outputFlags(l Line) uapi.LineFlagV2 {
	f := l.flags() | uapi.LineFlagV2Output
	switch c.Drive {
	case OpenDrain:
		f |= uapi.LineFlagV2OpenDrain
	case OpenSource:
		f |= uapi.LineFlagV2OpenSource
	}
	return f
}

// outputs returns the lines that are driven.
func (c Config) outputs() []Line {
	if c.Mode == actuator.Dual {
		return []Line{c.Line, c.Unlock}
	}
	return []Line{c.Line}
}
