package gpio

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// sensorRetry is the pause after a failure before a sensor is opened again.
const sensorRetry = 5 * time.Second

// openTimeout limits how long Driver.Open waits for a sensor.
const openTimeout = 300 * time.Millisecond

// sample is the state of a sensor's input at one moment.
type sample struct {
	active bool
	failed bool          // the input could not be read; ignore active
	at     time.Duration // time on the boot-time clock; 0 means the time at which the reader receives the sample
}

// sensor watches one input line in its own goroutine and delivers readings of type
// R. All methods of a nil sensor do nothing.
type sensor[R any] struct {
	line     Line
	debounce time.Duration
	log      *zap.Logger
	convert  func(sample) R // converts a sample to a reading
	readings chan R
	retryNow chan struct{} // receives a value to end the pause before the next attempt to open the line
	opened   chan struct{} // has a value after each attempt to open the line, successful or not
	closed   chan struct{} // closed by close
	done     chan struct{} // closed when the goroutine has ended

	mu   sync.Mutex
	file *os.File // nil while the line is not open
}

// startSensor starts to watch a line. The caller must close the sensor.
func startSensor[R any](line Line, debounce time.Duration, log *zap.Logger, convert func(sample) R) *sensor[R] {
	s := &sensor[R]{
		line: line, debounce: debounce, log: log, convert: convert,
		readings: make(chan R),
		retryNow: make(chan struct{}, 1),
		opened:   make(chan struct{}, 1),
		closed:   make(chan struct{}),
		done:     make(chan struct{}),
	}
	go s.run()
	return s
}

// channel returns the channel on which the sensor delivers readings, or nil for a nil
// sensor.
func (s *sensor[R]) channel() <-chan R {
	if s == nil {
		return nil
	}
	return s.readings
}

// run watches the line until the sensor is closed. After a failure, it delivers a
// failed sample, waits for a while and opens the line again.
func (s *sensor[R]) run() {
	defer close(s.done)
	for {
		err := s.watchUntilError()
		select {
		case <-s.closed:
			return
		default:
		}

		s.log.Error("cannot read a sensor", zap.Stringer("line", s.line), zap.Error(err), zap.Duration("retry_in", sensorRetry))
		s.deliver(sample{failed: true})

		drain(s.retryNow) // an earlier retry must not shorten this pause
		select {
		case <-time.After(sensorRetry):
		case <-s.retryNow:
		case <-s.closed:
			return
		}
	}
}

// watchUntilError opens the line. It delivers the line's present level and then each
// change, until an error occurs.
func (s *sensor[R]) watchUntilError() error {
	file, edges, err := s.openLine()
	if err == nil && !s.setFile(file) {
		err = os.ErrClosed
	}
	signal(s.opened)
	if err != nil {
		return err
	}
	defer s.closeFile()

	if !edges {
		s.log.Info("a sensor's chip delivers no edges; reading the sensor at intervals",
			zap.Stringer("line", s.line), zap.Duration("interval", PollInterval))
		return s.poll(func() (bool, error) { return readLevel(file) })
	}
	return s.watchEdges(file)
}

// watchEdges delivers the present level of the line and then each edge, until an error
// occurs.
func (s *sensor[R]) watchEdges(file *os.File) error {
	if err := s.deliverLevel(file); err != nil {
		return err
	}

	events := make([]byte, 16*eventSize)
	var seq uint32
	for {
		n, err := file.Read(events)
		if err != nil {
			return fmt.Errorf("read edge events: %w", err)
		}

		lost := false
		for _, e := range parseEvents(events[:n]) {
			lost = lost || seq != 0 && e.LineSeqno != seq+1
			seq = e.LineSeqno
			s.deliver(sample{active: e.ID == uapi.LineEventRisingEdge, at: bootTime(e.Timestamp)})
		}

		if lost {
			s.log.Warn("the kernel dropped edge events of a sensor; reading the level again", zap.Stringer("line", s.line))
			if err := s.deliverLevel(file); err != nil {
				return err
			}
		}
	}
}

// maxFailedReads is how many consecutive readings of a polled line may fail before the
// sensor is reported as failed. An I2C bus with a long cable loses single transfers,
// so one failed reading does not mean that the sensor is broken.
const maxFailedReads = 10

// poll reads the line at intervals. It delivers the present level and then each
// change. It returns an error if too many consecutive readings fail or the chip
// disappears.
func (s *sensor[R]) poll(read func() (active bool, err error)) error {
	active, err := read()
	if err != nil {
		return fmt.Errorf("read the level: %w", err)
	}
	s.deliver(sample{active: active})

	began, failed := time.Now(), 0
	level := debouncer{period: s.debounce, active: active}
	interval := time.NewTicker(PollInterval)
	defer interval.Stop()
	for {
		select {
		case <-interval.C:
		case <-s.closed:
			return os.ErrClosed
		}

		active, err := read()
		if err != nil {
			failed++
			if failed > maxFailedReads || errors.Is(err, unix.ENODEV) || errors.Is(err, os.ErrClosed) {
				return fmt.Errorf("read the level: %w", err)
			}
			continue
		}
		failed = 0

		if level.read(active, time.Since(began)) {
			s.deliver(sample{active: active, at: uptime()})
		}
	}
}

// openLine requests the line as an input. If edges is false, the kernel does not
// deliver the line's edges, and the caller must poll the line.
func (s *sensor[R]) openLine() (file *os.File, edges bool, err error) {
	fd, edges, err := requestInput(s.line, s.debounce)
	if err != nil {
		return nil, false, err
	}

	// A non-blocking file uses the runtime's poller, so reading occupies no thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, false, fmt.Errorf("%s: %w", s.line, err)
	}
	return os.NewFile(uintptr(fd), s.line.String()), edges, nil
}

// setFile stores the open line in the sensor. If the sensor is closed, setFile
// closes the line and returns false.
func (s *sensor[R]) setFile(file *os.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	select {
	case <-s.closed:
		file.Close()
		return false
	default:
		s.file = file
		return true
	}
}

func (s *sensor[R]) closeFile() {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// deliver waits until the reader has received the sample or the sensor is closed.
func (s *sensor[R]) deliver(v sample) {
	select {
	case s.readings <- s.convert(v):
	case <-s.closed:
	}
}

// deliverLevel delivers the present level of the line.
func (s *sensor[R]) deliverLevel(file *os.File) error {
	active, err := readLevel(file)
	if err != nil {
		return fmt.Errorf("read the level: %w", err)
	}
	s.deliver(sample{active: active})
	return nil
}

// readLevel reports whether an input line is active. It uses SyscallConn because
// File.Fd would make the file blocking.
func readLevel(file *os.File) (active bool, err error) {
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

// waitUntilOpen waits until the sensor's line is open, an attempt to open the line has
// failed, or openTimeout has passed. Call it before a request of the output lines,
// which can move the bolt. The kernel may miss an edge while it sets up an input, and
// would then report nothing until the next edge.
func (s *sensor[R]) waitUntilOpen() {
	if s == nil {
		return
	}

	drain(s.opened) // forget the result of an earlier attempt
	s.mu.Lock()
	open := s.file != nil
	s.mu.Unlock()
	if open {
		return
	}

	s.retry()
	select {
	case <-s.opened:
	case <-time.After(openTimeout):
	case <-s.closed:
	}
}

// retry ends the pause before the next attempt to open the line.
func (s *sensor[R]) retry() {
	if s != nil {
		signal(s.retryNow)
	}
}

// reopenIfGone closes the line if its chip has disappeared. The sensor's goroutine
// then opens the line again. Some kernels do not report a lost chip to a process that
// waits for edges.
func (s *sensor[R]) reopenIfGone() {
	if s == nil {
		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return
	}
	if _, err := readLevel(s.file); errors.Is(err, unix.ENODEV) {
		s.file.Close() // makes the goroutine's Read fail
		s.file = nil
	}
}

// close stops the goroutine and waits for its end.
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
	<-s.done
}

// signal puts a value into a channel of capacity 1. If the channel already has a
// value, signal does nothing.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// drain empties a channel of capacity 1.
func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}
