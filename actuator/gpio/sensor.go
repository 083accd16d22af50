package gpio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// sensorRetry is how long after a sensor could not be read it is tried again.
const sensorRetry = 5 * time.Second

// armTimeout bounds how long a sensor holds up a drive.
const armTimeout = 300 * time.Millisecond

// edge is what a sensor said.
type edge struct {
	active bool
	failed bool          // it cannot be read
	at     time.Duration // on the boot-time clock; 0 is now
}

// sensor is an input whose levels are delivered as readings of type R. A nil
// sensor is none.
type sensor[R any] struct {
	line     Line
	debounce time.Duration
	log      *zap.Logger
	readings chan R
	reading  func(edge) R
	again    chan struct{} // has a value when it is worth trying now
	tried    chan struct{} // has a value when it was opened, or could not be
	closed   chan struct{}
	ended    chan struct{}

	mu   sync.Mutex
	file *os.File // nil while it is not open
}

func watch[R any](line Line, debounce time.Duration, log *zap.Logger, reading func(edge) R) *sensor[R] {
	s := &sensor[R]{
		line: line, debounce: debounce, log: log, reading: reading,
		readings: make(chan R), again: make(chan struct{}, 1), tried: make(chan struct{}, 1), closed: make(chan struct{}), ended: make(chan struct{}),
	}
	go s.run()
	return s
}

func (s *sensor[R]) channel() <-chan R {
	if s == nil {
		return nil
	}
	return s.readings
}

// run delivers the sensor's levels until it is closed. One that cannot be read
// is said to have failed and is tried again.
func (s *sensor[R]) run() {
	defer close(s.ended)
	for {
		err := s.watchOnce()
		select {
		case <-s.closed:
			return
		default:
		}
		s.log.Error("a sensor cannot be read", zap.Stringer("line", s.line), zap.Error(err), zap.Duration("retry_in", sensorRetry))
		s.deliver(edge{failed: true})
		select {
		case <-s.again: // of before it failed
		default:
		}
		select {
		case <-time.After(sensorRetry):
		case <-s.again:
		case <-s.closed:
			return
		}
	}
}

// watchOnce opens the line, delivers its present level, and then its edges until
// an error.
func (s *sensor[R]) watchOnce() error {
	file, err := s.open()
	if err == nil && !s.setFile(file) {
		err = os.ErrClosed
	}
	select {
	case s.tried <- struct{}{}:
	default:
	}
	if err != nil {
		return err
	}
	defer s.setFile(nil)
	if err := s.deliverLevel(file); err != nil {
		return err
	}
	events := make([]byte, 16*eventSize)
	var seq uint32
	for {
		n, err := file.Read(events)
		if err != nil {
			return fmt.Errorf("read its edges: %w", err)
		}
		lost := false
		for _, e := range parseEvents(events[:n]) {
			lost = lost || seq != 0 && e.LineSeqno != seq+1
			seq = e.LineSeqno
			s.deliver(edge{active: e.ID == uapi.LineEventRisingEdge, at: bootTime(e.Timestamp)})
		}
		if lost {
			s.log.Warn("edges of a sensor were lost; its level is read again", zap.Stringer("line", s.line))
			if err := s.deliverLevel(file); err != nil {
				return err
			}
		}
	}
}

// open requests the line as an input with edges.
func (s *sensor[R]) open() (*os.File, error) {
	c, err := openChip(s.line.Chip)
	if err != nil {
		return nil, err
	}
	defer c.close()
	offset, info, err := c.find(s.line)
	if err != nil {
		return nil, err
	}
	var attributes []uapi.LineAttribute
	if s.debounce > 0 {
		attributes = append(attributes, uapi.DebouncePeriod(s.debounce).Encode())
	}
	flags := s.line.flags() | uapi.LineFlagV2Input | uapi.LineFlagV2EdgeBoth
	fd, err := c.request([]int{offset}, []uapi.LineFlagV2{flags}, 0, attributes...)
	if err != nil {
		return nil, lineError(s.line, info, err)
	}
	// Non-blocking, so that the runtime's poller waits and no thread does.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", s.line, err)
	}
	return os.NewFile(uintptr(fd), s.line.String()), nil
}

// setFile takes the file that is read, or closes the one before for nil. It
// returns false, and closes the file, if the sensor was closed.
func (s *sensor[R]) setFile(file *os.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		if file != nil {
			file.Close()
		}
		return false
	default:
	}
	if file == nil && s.file != nil {
		s.file.Close()
	}
	s.file = file
	return true
}

func (s *sensor[R]) deliver(e edge) {
	select {
	case s.readings <- s.reading(e):
	case <-s.closed:
	}
}

func (s *sensor[R]) deliverLevel(file *os.File) error {
	active, err := level(file)
	if err != nil {
		return fmt.Errorf("read its level: %w", err)
	}
	s.deliver(edge{active: active})
	return nil
}

// level reads an input. It goes by the raw connection, as the file's own Fd would
// take it from the poller.
func level(file *os.File) (active bool, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return false, err
	}
	v := uapi.LineValues{Mask: uapi.NewLineBits(0)}
	if controlErr := raw.Control(func(fd uintptr) { err = uapi.GetLineValuesV2(fd, &v) }); controlErr != nil {
		return false, controlErr
	}
	return v.Get(0) == 1, err
}

// arm waits until a sensor hears edges, or cannot be opened now: the kernel can miss
// an edge in the moment in which it takes the line, and tells of none until the next.
func (s *sensor[R]) arm() {
	if s == nil {
		return
	}
	select {
	case <-s.tried: // of before
	default:
	}
	s.mu.Lock()
	open := s.file != nil
	s.mu.Unlock()
	if open {
		return
	}
	s.retry()
	select {
	case <-s.tried:
	case <-time.After(armTimeout):
	case <-s.closed:
	}
}

// retry has a sensor that cannot be read tried again at once.
func (s *sensor[R]) retry() {
	if s == nil {
		return
	}
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// check opens the sensor anew if its chip is gone, which not every kernel tells
// who waits for an edge.
func (s *sensor[R]) check() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return
	}
	if _, err := level(s.file); errors.Is(err, unix.ENODEV) {
		s.file.Close() // the read ends, and it is opened again
		s.file = nil
	}
}

func (s *sensor[R]) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	close(s.closed)
	if s.file != nil {
		s.file.Close()
	}
	s.mu.Unlock()
	<-s.ended
}

// eventSize is the size of the kernel's struct gpio_v2_line_event.
const eventSize = 48

// parseEvents reads the events that the kernel gave, whole ones only.
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

// bootTime converts an event's time, which is on the monotonic clock, to the
// boot-time clock: that one also counts what the machine slept.
func bootTime(monotonic uint64) time.Duration {
	var m, b unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &m) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &b) != nil {
		return 0
	}
	return time.Duration(monotonic) + time.Duration(b.Nano()-m.Nano())
}
