package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/actuator"
)

// Messages name the chip, the line, who holds it and what to do about it. The
// kernel's error number stays in the chain.

// errNoV2 says that the kernel knows chips, but not the calls of this package.
var errNoV2 = errors.New("the kernel's GPIO interface is too old; Linux 5.10 or later is needed (uAPI v2)")

// noChipError says that no chip has that name or label.
type noChipError struct{ there []string }

func (e noChipError) Error() string {
	if len(e.there) == 0 {
		return "there is no such chip, nor any other; is the driver of the GPIO controller loaded?"
	}
	return "there is no such chip; there are " + strings.Join(e.there, ", ")
}

func (e noChipError) Is(target error) bool { return target == fs.ErrNotExist }

// notChipError says that a path is no GPIO chip.
type notChipError struct{ err error }

func (e notChipError) Error() string { return fmt.Sprintf("it is not a GPIO chip (%v)", e.err) }
func (e notChipError) Unwrap() error { return e.err }

func chipError(which string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("chip %s: %w; the agent's user must be in the group that owns the device, which a udev rule makes gpio", which, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("chip %s: %w; the unit must have DeviceAllow=char-gpiochip rw", which, err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("chip %s: %w; see 'gpiodetect' for the chips that there are", which, err)
	}
	return fmt.Errorf("chip %s: %w", which, err)
}

// lineError explains why a line cannot be requested; info is what the kernel
// says of it.
func lineError(l Line, info uapi.LineInfoV2, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		holder := uapi.BytesToString(info.Consumer[:])
		switch holder {
		case "":
			holder = "another process or the kernel"
		case consumer:
			holder = "another latchd, or one that systemd still keeps the line for"
		default:
			holder = fmt.Sprintf("%q", holder)
		}
		return fmt.Errorf("%s: it is held by %s (%w); end that, or configure another line", l, holder, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w; the kernel does not give this line to programs", l, err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%s: %w (%w)", l, actuator.ErrLinesGone, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s: %w; the chip may not have the bias or drive that is configured", l, err)
	}
	return fmt.Errorf("%s: %w", l, err)
}

func noLine(l Line, named []string) error {
	there := "the chip's lines have no names; name it by its offset"
	if len(named) > 12 {
		named = append(named[:12:12], "...")
	}
	if len(named) > 0 {
		there = "there are " + strings.Join(named, ", ")
	}
	if l.Name != "" && strings.Trim(l.Name, "0123456789") == "" {
		there += fmt.Sprintf("; an offset is written without quotes: line = %s", l.Name)
	}
	return fmt.Errorf("%s: there is no such line; %s", l, there)
}
