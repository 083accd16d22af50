package events

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/durable"
)

// Log stores events, in memory and in a file, until the hub has received them. It is
// safe for concurrent use. No method except Close waits for the disk.
type Log struct {
	files   durable.Files
	path    string // path of the file; if empty, events are in memory only
	maxFile int    // file size, in bytes, at which the log rewrites the file
	log     *zap.Logger
	added   chan struct{} // signals the sender that new events may be queued
	wake    chan struct{} // signals the writer that lines are pending
	ended   chan struct{} // closed when the writer has ended
	waiters durable.Waiters

	mu      sync.Mutex
	content content
	// handed is the sequence number of the newest event that must not change any more,
	// because the hub may already have it. Next has returned the event, or the previous
	// process queued it.
	handed  uint64
	lines   []byte    // lines to append to the file
	urgent  bool      // lines contains events, so it must be synced to disk
	rewrite bool      // whether the next write replaces the whole file
	onDisk  uint64    // sequence number of the newest event that is on disk
	failed  bool      // the last write failed
	writing time.Time // when the write in progress began; zero if none is in progress
	renamed bool      // the store has a new name, which is not in the file yet
	errors  int64
	closed  bool
}

// Open reads the events file in dir and returns a log that writes it. The directory
// must exist. If dir is empty, events are in memory only.
//
// Open never fails, because the agent must control its door even if the disk is broken.
// It renames an unusable file and logs a warning. If the log cannot write to the disk,
// it retries later.
func Open(dir string, limits Limits, log *zap.Logger) *Log {
	return OpenOn(durable.Disk{}, dir, limits, log)
}

// OpenOn is like [Open], but keeps the events file in the directory dir of files.
func OpenOn(files durable.Files, dir string, limits Limits, log *zap.Logger) *Log {
	l := newLog(dir, limits, log)
	l.files = files
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
	signal(l.wake) // makes writeLoop start with a new file
	go l.writeLoop()
	return l
}

func newLog(dir string, limits Limits, log *zap.Logger) *Log {
	l := &Log{
		files: durable.Disk{}, log: log, maxFile: limits.maxFile(), rewrite: true,
		added: make(chan struct{}, 1), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		content: newContent(newStoreName(), limits),
	}
	if dir != "" {
		l.path = filepath.Join(dir, fileName)
	}
	return l
}

// read reads the events file.
func (l *Log) read(limits Limits) error {
	text, err := l.files.ReadFile(l.path)
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

// setAside renames an unusable events file, so that somebody can examine it later.
func (l *Log) setAside(reason error) {
	aside, err := l.files.SetAside(l.path)
	if err != nil {
		l.log.Warn("the events file is unusable and will be overwritten", zap.String("file", l.path), zap.Error(errors.Join(reason, err)))
		return
	}
	l.log.Warn("the events file is unusable and was set aside; its events are lost",
		zap.String("file", l.path), zap.String("renamed_to", aside), zap.Error(reason))
}

// errClosed is the error for events that are added after Close.
var errClosed = errors.New("the log of events is closed")

// Add queues events and sets their sequence numbers. It calls done, possibly from
// another goroutine, when these and all earlier events are on disk or the write has
// failed. Callbacks run in the order of the calls of Add. If events is empty, Add calls
// only done, after all earlier callbacks.
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

// add queues one event. If it repeats the last queued event, add increases the count of
// the last event instead. The caller must hold l.mu.
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

// trim drops events from a queue until the queue is within its limits. The caller must
// hold l.mu.
func (l *Log) trim(q *queue) {
	for q.isOverfull() {
		seq := q.drop()
		l.content.countDrop(q)
		l.append(mark{Drop: seq, Dropped: l.content.dropped}, false)
	}
}

// append encodes v as a line and adds it to the lines that wait for the writer. It
// returns the line. If too many lines wait because the disk is slow, append discards
// them, and the writer replaces the whole file instead. The caller must hold l.mu and
// wake the writer.
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

// Added returns a channel that receives a value when new events may have been queued.
func (l *Log) Added() <-chan struct{} { return l.added }

// Store returns the unique name of the log's store. Together with an event's sequence
// number, it identifies the event among the events of all devices. Read the name after
// Next has returned the event.
func (l *Log) Store() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content.store
}

// Next returns the oldest queued event, so that the agent can send it. ok is false if
// no event is queued, or if the oldest event is not on disk yet. After a power cut, the
// next process would give the number of such an event to another one, and the receiver
// would take that one for a repetition.
//
// If the disk fails or hangs, Next returns events that are not on disk and gives the
// store a new name first, so that no other event gets the same number in the same store.
func (l *Log) Next() (e Event, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.content.oldest()
	if q == nil {
		return Event{}, false
	}

	e = q.events[0].Event
	if l.path != "" && e.Seq > l.onDisk {
		hangs := !l.writing.IsZero() && time.Since(l.writing) >= writeTimeout
		if !l.failed && !hangs {
			return Event{}, false
		}
		l.rename()
	}
	l.handed = max(l.handed, e.Seq)
	return e, true
}

// rename gives the store a new name, unless it has one that is not in the file yet. The
// caller must hold l.mu.
func (l *Log) rename() {
	if l.renamed {
		return
	}
	l.content.store, l.renamed, l.rewrite = newStoreName(), true, true
	if !l.closed {
		signal(l.wake)
	}
}

// newStoreName returns a random name for a store.
func newStoreName() string { return strings.ToLower(rand.Text()[:10]) }

// Sent removes an event that the hub has acknowledged. If the agent ends before the
// removal is on disk, its next process sends the event again.
func (l *Log) Sent(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.content.oldest()
	if q == nil || q.events[0].Seq > e.Seq {
		return // the event was dropped while the agent was sending it
	}

	l.content.important.removeThrough(e.Seq)
	l.content.routine.removeThrough(e.Seq)
	l.append(mark{Through: e.Seq, Dropped: l.content.dropped}, false)
	if !l.closed {
		signal(l.wake)
	}
}

// Counts holds the counters of a log.
type Counts struct {
	Waiting int // events that the hub does not have yet
	Dropped Dropped
	Errors  int64 // failed writes to the disk
}

// Counts returns the log's counters.
func (l *Log) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := len(l.content.important.events) + len(l.content.routine.events)
	return Counts{Waiting: waiting, Dropped: l.content.dropped, Errors: l.errors}
}

// Close writes pending lines and stops the log's goroutine.
func (l *Log) Close() {
	l.mu.Lock()
	if !l.closed && l.path != "" {
		close(l.wake)
	}
	l.closed = true
	l.mu.Unlock()
	<-l.ended
}

// signal puts a value into a channel of capacity 1, to wake its reader. If the channel
// is full, signal does nothing.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
