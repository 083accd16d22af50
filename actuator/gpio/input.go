package gpio

import (
	"errors"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// PollInterval is the time between two readings of an input whose chip delivers no
// edges.
const PollInterval = 50 * time.Millisecond

// requestInput requests a line as an input. If edges is true, the kernel debounces the
// line and delivers its edges. If edges is false, the caller must read and debounce
// the line.
func requestInput(line Line, debounce time.Duration) (fd int, edges bool, err error) {
	c, err := openChip(line.Chip)
	if err != nil {
		return -1, false, err
	}
	defer c.close()

	info, err := c.findLine(line)
	if err != nil {
		return -1, false, err
	}

	offsets := []int{int(info.Offset)}
	flags := line.flags() | uapi.LineFlagV2Input
	var attributes []uapi.LineAttribute
	if debounce > 0 {
		attributes = append(attributes, uapi.DebouncePeriod(debounce).Encode())
	}

	fd, err = c.requestLines(offsets, []uapi.LineFlagV2{flags | uapi.LineFlagV2EdgeBoth}, 0, attributes...)
	if err == nil {
		return fd, true, nil
	}
	if !deniesEdges(err, info) {
		return -1, false, lineError(line, info, err)
	}

	fd, err = c.requestLines(offsets, []uapi.LineFlagV2{flags}, 0)
	if err != nil {
		return -1, false, lineError(line, info, err)
	}
	return fd, false, nil
}

// errNotSupported is the kernel's internal error ENOTSUPP, which some drivers return to
// programs, too.
const errNotSupported = unix.Errno(524)

// deniesEdges reports whether a request without edges and debouncing may succeed after
// a request with them has failed. err is the error of the failed request. info
// describes the line before that request.
func deniesEdges(err error, info uapi.LineInfoV2) bool {
	switch {
	case errors.Is(err, unix.ENXIO): // the line has no interrupt, as on an expander without its interrupt line
		return true
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // the interrupt cannot detect both edges
		return true
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, errNotSupported): // the chip cannot debounce for this long
		return true
	case errors.Is(err, unix.EBUSY): // the line is in use, or only its interrupt is
		return !info.Flags.IsUsed()
	}
	return false
}

// debouncer debounces the levels of a line that is read at intervals. It accepts a new
// level after all readings during the time period have shown that level.
type debouncer struct {
	period time.Duration
	active bool          // the accepted level
	since  time.Duration // time at which readings began to differ from active
	differ bool
}

// read processes a reading from the time now. It reports whether the accepted level
// has changed.
func (d *debouncer) read(active bool, now time.Duration) bool {
	if active == d.active {
		d.differ = false
		return false
	}

	if !d.differ {
		d.differ, d.since = true, now
	}
	if now-d.since < d.period {
		return false
	}
	d.active, d.differ = active, false
	return true
}
