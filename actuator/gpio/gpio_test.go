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

// What the kernel says is told with the chip, the line, who holds it and what to
// do, and its own error can still be asked for.
func TestErrorsSayWhatToDo(t *testing.T) {
	line := Line{Chip: "gpiochip0", Offset: 17}
	held := func(by string) (info uapi.LineInfoV2) {
		copy(info.Consumer[:], by)
		return info
	}
	for name, tc := range map[string]struct {
		err   error
		cause error
		want  string
	}{
		"no such chip": {chipError("gpiochip9", noChipError{[]string{"gpiochip0 (pinctrl-rp1)"}}), nil,
			"chip gpiochip9: there is no such chip; there are gpiochip0 (pinctrl-rp1)"},
		"no chip at all": {chipError("gpiochip0", noChipError{}), nil,
			"chip gpiochip0: there is no such chip, nor any other; is the driver of the GPIO controller loaded?"},
		"path to nothing": {chipError("/dev/lock", unix.ENOENT), unix.ENOENT,
			"chip /dev/lock: no such file or directory; see 'gpiodetect' for the chips that there are"},
		"path to something else": {chipError("/dev/null", notChipError{unix.ENOTTY}), unix.ENOTTY,
			"chip /dev/null: it is not a GPIO chip (inappropriate ioctl for device)"},
		"not in the group": {chipError("gpiochip0", unix.EACCES), unix.EACCES,
			"chip gpiochip0: permission denied; the agent's user must be in the group that owns the device, which a udev rule makes gpio"},
		"not in the unit": {chipError("gpiochip0", unix.EPERM), unix.EPERM,
			"chip gpiochip0: operation not permitted; the unit must have DeviceAllow=char-gpiochip rw"},
		"held by a program": {lineError(line, held("gpioset"), unix.EBUSY), unix.EBUSY,
			`line 17 of chip gpiochip0: it is held by "gpioset" (device or resource busy); end that, or configure another line`},
		"held by nobody with a name": {lineError(line, held(""), unix.EBUSY), unix.EBUSY,
			"line 17 of chip gpiochip0: it is held by another process or the kernel (device or resource busy); end that, or configure another line"},
		"held by another latchd": {lineError(line, held("latchd"), unix.EBUSY), unix.EBUSY,
			"it is held by another latchd, or one that systemd still keeps the line for"},
		"kept by the kernel": {lineError(line, held(""), unix.EPERM), unix.EPERM,
			"line 17 of chip gpiochip0: operation not permitted; the kernel does not give this line to programs"},
		"an old kernel": {lineError(line, held(""), errNoV2), errNoV2,
			"line 17 of chip gpiochip0: the kernel's GPIO interface is too old; Linux 5.10 or later is needed (uAPI v2)"},
		"a bias that is not there": {lineError(line, held(""), unix.EOPNOTSUPP), unix.EOPNOTSUPP,
			"line 17 of chip gpiochip0: operation not supported; the chip may not have the bias or drive that is configured"},
		"a chip that went": {lineError(line, held(""), unix.ENODEV), actuator.ErrLinesGone,
			"line 17 of chip gpiochip0: the lines are gone (no such device)"},
		"no such name": {noLine(Line{Chip: "gpiochip0", Name: "LOCK"}, []string{"BOLT", "DOOR"}), nil,
			`line "LOCK" of chip gpiochip0: there is no such line; there are BOLT, DOOR`},
		"an offset in quotes": {noLine(Line{Chip: "gpiochip0", Name: "17"}, nil), nil,
			`line "17" of chip gpiochip0: there is no such line; the chip's lines have no names; name it by its offset; an offset is written without quotes: line = 17`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.err.Error(); !strings.Contains(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if tc.cause != nil && !errors.Is(tc.err, tc.cause) {
				t.Errorf("%v is not %v any more", tc.err, tc.cause)
			}
		})
	}
}

func TestThereIsNoChipHereOfThatName(t *testing.T) {
	if _, err := openChip("no-such-chip"); err == nil || !strings.HasPrefix(err.Error(), "chip no-such-chip: ") {
		t.Errorf("err = %v", err)
	}
	if _, err := openChip("/dev/null"); err == nil || !strings.Contains(err.Error(), "it is not a GPIO chip") {
		t.Errorf("err = %v", err)
	}
}

func TestOutputFlags(t *testing.T) {
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

// A kept line's name says what it is, in characters that systemd stores.
func TestKeptName(t *testing.T) {
	got := keptName(&chip{name: "gpiochip0", label: "soc:gpio é/1"}, 17, uapi.LineFlagV2Output|uapi.LineFlagV2ActiveLow)
	if want := "latchd/hold/gpiochip0/soc_gpio___1/17/0xa"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func event(seq uint32, id uapi.LineEventID) []byte {
	b := make([]byte, eventSize)
	binary.NativeEndian.PutUint64(b, 42)
	binary.NativeEndian.PutUint32(b[8:], uint32(id))
	binary.NativeEndian.PutUint32(b[12:], 5)
	binary.NativeEndian.PutUint32(b[20:], seq)
	return b
}

func TestParseEvents(t *testing.T) {
	text := append(event(1, uapi.LineEventRisingEdge), event(2, uapi.LineEventFallingEdge)...)
	got := parseEvents(append(text, 1, 2, 3))
	if len(got) != 2 || got[0].ID != uapi.LineEventRisingEdge || got[1].LineSeqno != 2 || got[0].Timestamp != 42 || got[0].Offset != 5 {
		t.Errorf("events %+v", got)
	}
}

// Whatever the kernel gives, each whole event is read once, and nothing else is.
func FuzzParseEvents(f *testing.F) {
	f.Add([]byte{})
	f.Add(event(7, uapi.LineEventRisingEdge))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n := len(parseEvents(text)); n != len(text)/eventSize {
			t.Errorf("%d events of %d bytes", n, len(text))
		}
	})
}
