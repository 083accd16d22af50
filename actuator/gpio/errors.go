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

// This file makes the errors of the package. They name the chip or the line, the
// problem and a remedy, and they wrap the kernel's error number.

// errOldKernel means that the kernel has GPIO chips but not the GPIO uAPI v2.
var errOldKernel = errors.New("the kernel's GPIO interface is too old; latchd needs Linux 5.10 or later (GPIO uAPI v2)")

// chipNotFoundError means that no chip of the machine has the configured name or
// label.
type chipNotFoundError struct{ others []string }

func (e chipNotFoundError) Error() string {
	if len(e.others) == 0 {
		return "not found; this machine has no GPIO chip; load the driver of its GPIO controller"
	}
	return "not found; this machine has " + strings.Join(e.others, ", ")
}

func (e chipNotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// notAChipError means that the configured path exists but is not a GPIO chip.
type notAChipError struct{ err error }

func (e notAChipError) Error() string { return fmt.Sprintf("not a GPIO chip (%v)", e.err) }
func (e notAChipError) Unwrap() error { return e.err }

// chipError adds the chip and a remedy to an error from opening the chip.
func chipError(ref string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("chip %s: %w; add the agent's user to the group that owns the device, which latchd's udev rule sets to gpio", ref, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("chip %s: %w; add DeviceAllow=char-gpiochip rw to the unit", ref, err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("chip %s: %w; run 'gpiodetect' to list the chips", ref, err)
	}
	return fmt.Errorf("chip %s: %w", ref, err)
}

// lineError adds the line, its user and a remedy to an error from requesting the
// line. info is the kernel's information about the line.
func lineError(l Line, info uapi.LineInfoV2, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%s: in use by %s (%w); free the line or configure another one", l, userOf(info), err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w; the kernel does not let programs use this line", l, err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%s: %w (%w)", l, actuator.ErrLinesGone, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s: %w; the chip may not support the configured bias or drive", l, err)
	}
	return fmt.Errorf("%s: %w", l, err)
}

// userOf names the program that uses a line, for messages.
func userOf(info uapi.LineInfoV2) string {
	switch name := uapi.BytesToString(info.Consumer[:]); name {
	case "":
		return "another process or the kernel"
	case consumer:
		return "another latchd process, or by systemd, which stores the line for latchd"
	default:
		return fmt.Sprintf("%q", name)
	}
}

// maxNames limits the number of line names in an error message.
const maxNames = 12

// lineNotFound returns the error for a line name that the chip does not have. others
// are the names of the chip's lines.
func lineNotFound(l Line, others []string) error {
	remedy := "the chip's lines have no names; configure the line's offset"
	if len(others) > maxNames {
		others = append(others[:maxNames:maxNames], "...")
	}
	if len(others) > 0 {
		remedy = "the chip has the lines " + strings.Join(others, ", ")
	}
	if l.Name != "" && strings.Trim(l.Name, "0123456789") == "" {
		remedy += fmt.Sprintf("; write an offset without quotes: line = %s", l.Name)
	}
	return fmt.Errorf("%s: not found; %s", l, remedy)
}
