package gpio

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/actuator"
)

// Errors name the chip, the line, the program that uses the line and a remedy. They
// wrap the kernel's error number.
func TestErrorsNameARemedy(t *testing.T) {
	t.Parallel()

	line := Line{Chip: "gpiochip0", Offset: 17}
	usedBy := func(program string) (info uapi.LineInfoV2) {
		copy(info.Consumer[:], program)
		return info
	}

	for name, tc := range map[string]struct {
		err   error
		cause error
		want  string
	}{
		"no such chip": {chipError("gpiochip9", chipNotFoundError{[]string{"gpiochip0 (pinctrl-rp1)"}}), nil,
			"chip gpiochip9: not found; this machine has gpiochip0 (pinctrl-rp1)"},
		"no chip at all": {chipError("gpiochip0", chipNotFoundError{}), nil,
			"chip gpiochip0: not found; this machine has no GPIO chip; load the driver of its GPIO controller"},
		"path to nothing": {chipError("/dev/lock", unix.ENOENT), unix.ENOENT,
			"chip /dev/lock: no such file or directory; run 'gpiodetect' to list the chips"},
		"path to something else": {chipError("/dev/null", notAChipError{unix.ENOTTY}), unix.ENOTTY,
			"chip /dev/null: not a GPIO chip (inappropriate ioctl for device)"},
		"not in the group": {chipError("gpiochip0", unix.EACCES), unix.EACCES,
			"chip gpiochip0: permission denied; add the agent's user to the group that owns the device, which latchd's udev rule sets to gpio"},
		"not in the unit": {chipError("gpiochip0", unix.EPERM), unix.EPERM,
			"chip gpiochip0: operation not permitted; add DeviceAllow=char-gpiochip rw to the unit"},
		"used by a program": {lineError(line, usedBy("gpioset"), unix.EBUSY), unix.EBUSY,
			`line 17 of chip gpiochip0: in use by "gpioset" (device or resource busy); free the line or configure another one`},
		"used by a nameless program": {lineError(line, usedBy(""), unix.EBUSY), unix.EBUSY,
			"line 17 of chip gpiochip0: in use by another process or the kernel (device or resource busy); free the line or configure another one"},
		"used by another latchd": {lineError(line, usedBy("latchd"), unix.EBUSY), unix.EBUSY,
			"in use by another latchd process, or by systemd, which stores the line for latchd"},
		"reserved by the kernel": {lineError(line, usedBy(""), unix.EPERM), unix.EPERM,
			"line 17 of chip gpiochip0: operation not permitted; the kernel does not let programs use this line"},
		"an old kernel": {lineError(line, usedBy(""), errOldKernel), errOldKernel,
			"line 17 of chip gpiochip0: the kernel's GPIO interface is too old; latchd needs Linux 5.10 or later (GPIO uAPI v2)"},
		"unsupported bias": {lineError(line, usedBy(""), unix.EOPNOTSUPP), unix.EOPNOTSUPP,
			"line 17 of chip gpiochip0: operation not supported; the chip may not support the configured bias or drive"},
		"unplugged chip": {lineError(line, usedBy(""), unix.ENODEV), actuator.ErrLinesGone,
			"line 17 of chip gpiochip0: the lines are gone (no such device)"},
		"unknown line name": {lineNotFound(Line{Chip: "gpiochip0", Name: "LOCK"}, []string{"BOLT", "DOOR"}), nil,
			`line "LOCK" of chip gpiochip0: not found; the chip has the lines BOLT, DOOR`},
		"an offset in quotes": {lineNotFound(Line{Chip: "gpiochip0", Name: "17"}, nil), nil,
			`line "17" of chip gpiochip0: not found; the chip's lines have no names; configure the line's offset; write an offset without quotes: line = 17`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.err.Error(); !strings.Contains(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if tc.cause != nil && !errors.Is(tc.err, tc.cause) {
				t.Errorf("%v does not wrap %v", tc.err, tc.cause)
			}
		})
	}
}

func TestOpenChipFails(t *testing.T) {
	t.Parallel()
	if _, err := openChip("no-such-chip"); err == nil || !strings.HasPrefix(err.Error(), "chip no-such-chip: ") {
		t.Errorf("err = %v", err)
	}
	if _, err := openChip("/dev/null"); err == nil || !strings.Contains(err.Error(), "not a GPIO chip") {
		t.Errorf("err = %v", err)
	}
}

func TestOutputFlags(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		line  Line
		drive Drive
		want  uapi.LineFlagV2
	}{
		{Line{}, PushPull, uapi.LineFlagV2Output},
		{Line{ActiveLow: true}, OpenDrain, uapi.LineFlagV2Output | uapi.LineFlagV2ActiveLow | uapi.LineFlagV2OpenDrain},
		{Line{Bias: BiasPullUp}, OpenSource, uapi.LineFlagV2Output | uapi.LineFlagV2BiasPullUp | uapi.LineFlagV2OpenSource},
		{Line{Bias: BiasPullDown}, PushPull, uapi.LineFlagV2Output | uapi.LineFlagV2BiasPullDown},
		{Line{Bias: BiasDisabled}, PushPull, uapi.LineFlagV2Output | uapi.LineFlagV2BiasDisabled},
	} {
		if got := (Config{Drive: tc.drive}).outputFlags(tc.line); got != tc.want {
			t.Errorf("%+v %s: %#x, want %#x", tc.line, tc.drive, uint64(got), uint64(tc.want))
		}
	}
}

// The name of a stored line identifies the line and has only characters that systemd
// accepts.
func TestStoredName(t *testing.T) {
	t.Parallel()
	got := storedName(&chip{name: "gpiochip0", label: "soc:gpio é/1"}, 17, uapi.LineFlagV2Output|uapi.LineFlagV2ActiveLow)
	if want := "latchd/hold/gpiochip0/soc_gpio___1/17/0xa"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// event returns an edge event in the kernel's binary form.
func event(seq uint32, id uapi.LineEventID) []byte {
	b := make([]byte, eventSize)
	binary.NativeEndian.PutUint64(b, 42)
	binary.NativeEndian.PutUint32(b[8:], uint32(id))
	binary.NativeEndian.PutUint32(b[12:], 5)
	binary.NativeEndian.PutUint32(b[20:], seq)
	return b
}

func TestParseEvents(t *testing.T) {
	t.Parallel()
	text := append(event(1, uapi.LineEventRisingEdge), event(2, uapi.LineEventFallingEdge)...)
	got := parseEvents(append(text, 1, 2, 3))
	if len(got) != 2 || got[0].ID != uapi.LineEventRisingEdge || got[1].LineSeqno != 2 || got[0].Timestamp != 42 || got[0].Offset != 5 {
		t.Errorf("events %+v", got)
	}
}

// parseEvents returns one event for each complete record of its input.
func FuzzParseEvents(f *testing.F) {
	f.Add([]byte{})
	f.Add(event(7, uapi.LineEventRisingEdge))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n := len(parseEvents(text)); n != len(text)/eventSize {
			t.Errorf("got %d events from %d bytes", n, len(text))
		}
	})
}
