package events

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/durable"
)

// Log holds the events that the hub does not have yet, in memory and in a file. It is
// safe for concurrent use. Only Close waits for the disk.
type Log struct {
	path    string // the file; empty keeps the events in memory only
	maxFile int    // size at which the file is rewritten
	log     *zap.Logger
	added   chan struct{} // signals the sender that an event may be queued
	wake    chan struct{} // signals the writer that lines are pending
	ended   chan struct{} // closed when the writer has ended
	waiters durable.Waiters

	mu      sync.Mutex
	content content
	// handed is the last event that was handed to the sender or is of the previous
	// process. The hub may have it already, so it must not change any more.
	handed  uint64
	lines   []byte // lines to append to the file
	urgent  bool   // lines hold events, which must be synced; marks need not be
	rewrite bool   // replace the whole file instead of appending
	errors  int64
	closed  bool
}

// Open reads the events file in dir, which must exist, and keeps events in it. If dir
// is empty, events are in memory only. Open never fails, because a door needs its agent
// even without a disk: it sets an unusable file aside with a warning, and writes later
// if the disk cannot be written now.
func Open(dir string, limits Limits, log *zap.Logger) *Log {
	l := newLog(dir, limits, log)
	if dir == "" {
		close(l.ended)
		return l
	}

	if err := l.read(limits); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.setAside(err)
	}
	l.trim(&l.content.important)
	l.trim(&l.content.routine)
	l.handed = l.content.next - 1

	signal(l.added)
	signal(l.wake) // the writer begins with writing a new file
	go l.writeLoop()
	return l
}

func newLog(dir string, limits Limits, log *zap.Logger) *Log {
	l := &Log{
		log: log, maxFile: limits.maxFile(), rewrite: true,
		added: make(chan struct{}, 1), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		content: newContent(strings.ToLower(rand.Text()[:10]), limits),
	}
	if dir != "" {
		l.path = filepath.Join(dir, fileName)
	}
	return l
}

// read loads the file.
func (l *Log) read(limits Limits) error {
	text, err := os.ReadFile(l.path)
	if err != nil {
		return err
	}

	content, bad, err := parse(text, limits)
	if err != nil {
		return err
	}

	l.content = content
	if bad > 0 {
		l.log.Warn("the events file has unreadable lines; their events are lost", zap.String("file", l.path), zap.Int("lines", bad))
	}
	return nil
}

// setAside renames an unusable file, so that it can be examined later.
func (l *Log) setAside(reason error) {
	aside, err := durable.SetAside(l.path)
	if err != nil {
		l.log.Warn("the events file is unusable and will be overwritten", zap.String("file", l.path), zap.Error(errors.Join(reason, err)))
		return
	}
	l.log.Warn("the events file is unusable and was set aside; its events are lost",
		zap.String("file", l.path), zap.String("renamed_to", aside), zap.Error(reason))
}

// errClosed is the error of events that come after Close.
var errClosed = errors.New("the log of events is closed")

// Add queues events and sets their sequence numbers. It calls done, possibly from
// another goroutine, when these events and all earlier ones are on disk, or with the
// error that prevented it. Functions are called in the order of the calls of Add. Add
// without events only calls done in its turn.
func (l *Log) Add(events []Event, done func(error)) {
	l.mu.Lock()
	for _, e := range events {
		l.add(e)
	}

	idle := len(events) == 0 && !l.waiters.Waiting()
	if l.path == "" || l.closed || idle {
		var err error
		if l.closed && l.path != "" {
			err = errClosed
		}
		l.mu.Unlock()
		done(err)
		return
	}

	l.waiters.Add(done)
	signal(l.wake)
	l.mu.Unlock()
	l.waiters.Trim()
}

// add queues one event, or counts it in the event that it repeats. The caller holds
// l.mu.
func (l *Log) add(e Event) {
	q := l.content.queueOf(e)
	defer signal(l.added)

	if last := q.last(); last != nil && last.Seq > l.handed && e.repeats(last.Event) {
		last.Count = max(1, last.Count) + max(1, e.Count)
		l.append(mark{Again: last.Seq, Count: last.Count}, true)
		return
	}

	e.Seq = l.content.next
	l.content.next++
	line := l.append(e, true)
	q.push(e, len(line))
	l.trim(q)
}

// trim drops events from a queue until it is within its bounds. The caller holds l.mu.
func (l *Log) trim(q *queue) {
	for q.isOverfull() {
		seq := q.drop()
		l.content.countDrop(q)
		l.append(mark{Drop: seq, Dropped: l.content.dropped}, false)
	}
}

// append gives a line to the writer, which the caller must wake, and returns the line.
// If the disk is so slow that many lines wait, the writer will replace the whole file
// instead. The caller holds l.mu.
func (l *Log) append(v any, urgent bool) []byte {
	line := jsonLine(v)
	if l.path == "" || l.closed {
		return line
	}

	l.urgent = l.urgent || urgent
	if !l.rewrite {
		l.lines = append(l.lines, line...)
	}
	if len(l.lines) > l.maxFile {
		l.lines, l.rewrite = nil, true
	}
	return line
}

// Added returns a channel that has a value when events may have been queued since the
// last value was received.
func (l *Log) Added() <-chan struct{} { return l.added }

// Store returns the name of the log's store. Together with an event's sequence number
// it names an event in the whole world.
func (l *Log) Store() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content.store
}

// Next returns the event to send next: the oldest of both queues. ok is false if no
// event is queued.
func (l *Log) Next() (e Event, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.content.oldest()
	if q == nil {
		return Event{}, false
	}

	e = q.events[0].Event
	l.handed = max(l.handed, e.Seq)
	return e, true
}

// Sent removes an event that the hub has acknowledged. If the process ends before the
// removal is on disk, the next process sends the event again.
func (l *Log) Sent(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.content.oldest()
	if q == nil || q.events[0].Seq > e.Seq {
		return // the event was dropped while it was being sent
	}

	l.content.important.removeThrough(e.Seq)
	l.content.routine.removeThrough(e.Seq)
	l.append(mark{Through: e.Seq, Dropped: l.content.dropped}, false)
	if !l.closed {
		signal(l.wake)
	}
}

// Counts describes a log in numbers.
type Counts struct {
	Waiting int // events that the hub does not have yet
	Dropped Dropped
	Errors  int64 // writes to the disk that have failed
}

// Counts returns the log's counters.
func (l *Log) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := len(l.content.important.events) + len(l.content.routine.events)
	return Counts{Waiting: waiting, Dropped: l.content.dropped, Errors: l.errors}
}

// Close writes what is pending and ends the writer.
func (l *Log) Close() {
	l.mu.Lock()
	if !l.closed && l.path != "" {
		close(l.wake)
	}
	l.closed = true
	l.mu.Unlock()
	<-l.ended
}

// signal wakes the reader of a channel that holds one value. If a value is already
// waiting, signal does nothing.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
