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

// requestInput requests a line as an input. edges reports whether the kernel delivers
// the line's edges, debounced. Otherwise the caller must read and debounce the line.
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

// deniesEdges reports whether err, from a request of an input with edges, may come from
// the edges or the debouncing, so that a plain request may succeed. info describes the
// line before the request.
func deniesEdges(err error, info uapi.LineInfoV2) bool {
	switch {
	case errors.Is(err, unix.ENXIO): // the line has no interrupt, as on an expander without its interrupt line
		return true
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // the interrupt cannot detect both edges
		return true
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, errNotSupported): // the chip cannot debounce so long
		return true
	case errors.Is(err, unix.EBUSY): // another line uses the interrupt, if no program uses the line
		return !info.Flags.IsUsed()
	}
	return false
}

// debouncer debounces the levels of a line that is read at intervals. A new level counts
// once all readings of the time period have shown it.
type debouncer struct {
	period time.Duration
	active bool          // the level that counts
	since  time.Duration // when readings began to differ from active
	differ bool
}

// read takes a reading of the time now and reports whether the level that counts has
// changed.
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
