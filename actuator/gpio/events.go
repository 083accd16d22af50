package gpio

import (
	"encoding/binary"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// eventSize is the size of the kernel's struct gpio_v2_line_event in bytes.
const eventSize = 48

// parseEvents decodes the edge events in text, which was read from the kernel. It
// ignores an incomplete event at the end.
func parseEvents(text []byte) []uapi.LineEvent {
	var events []uapi.LineEvent
	for ; len(text) >= eventSize; text = text[eventSize:] {
		n := binary.NativeEndian
		events = append(events, uapi.LineEvent{
			Timestamp: n.Uint64(text),
			ID:        uapi.LineEventID(n.Uint32(text[8:])),
			Offset:    n.Uint32(text[12:]),
			Seqno:     n.Uint32(text[16:]),
			LineSeqno: n.Uint32(text[20:]),
		})
	}
	return events
}

// bootTime converts the time of an event, in nanoseconds, from the monotonic clock to
// the boot-time clock. Unlike the monotonic clock, the boot-time clock also runs while
// the machine is asleep.
func bootTime(monotonic uint64) time.Duration {
	var m, b unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &m) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &b) != nil {
		return 0
	}
	return time.Duration(monotonic) + time.Duration(b.Nano()-m.Nano())
}

// uptime returns the time of the boot-time clock.
func uptime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}
