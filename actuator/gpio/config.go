package gpio

import (
	"fmt"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"github.com/latchd/latchd/actuator"
)

// Config describes the lines of one lock.
//
// latchd stores the JSON form of Config in its state directory for the command
// "latchd release", which may belong to another version. Do not rename fields.
type Config struct {
	Mode actuator.Mode
	// Line is the only output in Hold and Pulse modes. In Dual mode it is the line
	// whose pulse locks.
	Line Line
	// Unlock is the line whose pulse unlocks, in Dual mode only. It must be on the
	// same chip as Line.
	Unlock Line
	// Active is the bolt's position while Line is active, in Hold mode only:
	// actuator.Locked or actuator.Unlocked.
	Active actuator.Position
	Drive  Drive
	Bolt   *BoltSensor // nil means that the lock has no bolt sensor
	Door   *DoorSensor // nil means that the door has no sensor
	Exit   *ExitInput  // nil means that the door has no exit input
}

// Line identifies one line of a GPIO chip and describes its wiring.
type Line struct {
	// Chip is the chip's name (gpiochip0), its path (/dev/gpiochip0 or a symbolic
	// link to it) or its label (pinctrl-bcm2711). The label stays the same if the
	// kernel renumbers the chips.
	Chip string
	// Name is the line's name. If Name is empty, Offset identifies the line.
	Name   string
	Offset int
	// ActiveLow means that the line's low level is its active level.
	ActiveLow bool
	Bias      Bias
}

// String returns the line's identity for messages, such as
// `line "LOCK" of chip gpiochip0`.
func (l Line) String() string {
	if l.Name != "" {
		return fmt.Sprintf("line %q of chip %s", l.Name, l.Chip)
	}
	return fmt.Sprintf("line %d of chip %s", l.Offset, l.Chip)
}

// BoltSensor describes the input that shows the bolt's position.
type BoltSensor struct {
	Line
	Debounce time.Duration     // how long a level must be stable before it counts
	Active   actuator.Position // the bolt's position while the line is active: Locked or Unlocked
}

// DoorSensor describes the input that shows whether the door is open.
type DoorSensor struct {
	Line
	Debounce time.Duration      // how long a level must be stable before it counts
	Active   actuator.DoorState // the door's state while the line is active: open or closed
}

// ExitInput describes the input with which somebody asks to leave: a button, a bar or a
// motion sensor on the inside. Its active level means that somebody asks.
type ExitInput struct {
	Line
	Debounce time.Duration // how long a level must be stable before it counts
}

// Bias selects the pull resistor that the chip applies to a line.
type Bias string

// The values of [Bias]. Not every chip supports all of them.
const (
	BiasAsIs     Bias = "" // keep the present setting
	BiasDisabled Bias = "disabled"
	BiasPullUp   Bias = "pull-up"
	BiasPullDown Bias = "pull-down"
)

// Drive selects how the chip drives an output.
type Drive string

// The values of [Drive].
const (
	PushPull   Drive = ""
	OpenDrain  Drive = "open-drain"
	OpenSource Drive = "open-source"
)

// flags returns the kernel's flags for the polarity and bias of a line.
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

// outputFlags returns all kernel flags for an output line.
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

// outputLines returns the lines that the driver sets.
func (c Config) outputLines() []Line {
	if c.Mode == actuator.Dual {
		return []Line{c.Line, c.Unlock}
	}
	return []Line{c.Line}
}

// inputLine is the line of a sensor.
type inputLine struct {
	Line
	name     string // such as "door sensor"
	debounce time.Duration
}

// inputLines returns the lines that the driver reads.
func (c Config) inputLines() []inputLine {
	var lines []inputLine
	if b := c.Bolt; b != nil {
		lines = append(lines, inputLine{b.Line, "bolt sensor", b.Debounce})
	}
	if d := c.Door; d != nil {
		lines = append(lines, inputLine{d.Line, "door sensor", d.Debounce})
	}
	if e := c.Exit; e != nil {
		lines = append(lines, inputLine{e.Line, "exit input", e.Debounce})
	}
	return lines
}
