package agent

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// eventsSync is the longest time between a write to the events file and its
	// sync. A power cut may lose the events of the last second; the end of the
	// process loses none. The delay spares the flash when a bolt flutters.
	eventsSync = time.Second
	// eventsRewrite is the number of lines in the file, per event that the queue may
	// hold, at which the file is rewritten without its finished events.
	eventsRewrite = 4
	// MaxEvents is the number of events to queue while there is no hub.
	MaxEvents = 1000
)

// Events is a bounded queue of events that the hub does not have yet, in memory and
// in a file. When it is full, it drops the oldest events and counts them. It is safe
// for concurrent use. Only Close waits for the disk.
type Events struct {
	path  string // file of the events; empty keeps them in memory only
	limit int
	log   *zap.Logger
	added chan struct{} // signals the sender that the queue may hold an event
	wake  chan struct{} // signals the writer that lines are pending
	ended chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	content eventLog
	lines   []byte // lines to append to the file
	count   int    // number of lines to append
	closed  bool
}

// OpenEvents reads the events file in dir, which must exist, and keeps up to limit
// events in it. If dir is empty, events are in memory only. OpenEvents never fails,
// because a door needs its agent even without a disk: it sets an unusable file aside
// with a warning, and retries writing later if the disk cannot be written.
func OpenEvents(dir string, limit int, log *zap.Logger) *Events {
	e := &Events{
		limit: limit, log: log, added: make(chan struct{}, 1),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		content: eventLog{store: strings.ToLower(rand.Text()[:10]), next: 1},
	}
	if dir == "" {
		close(e.ended)
		return e
	}

	e.path = filepath.Join(dir, "events.jsonl")
	if err := e.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		setAside(log, e.path, err)
	}
	e.trim()

	signal(e.added)
	signal(e.wake) // the writer begins with rewriting the file
	go e.writeLoop()
	return e
}

// read loads the events file.
func (e *Events) read() error {
	text, err := os.ReadFile(e.path)
	if err != nil {
		return err
	}

	content, bad, err := readEvents(text)
	if err != nil {
		return err
	}

	e.content = content
	if bad > 0 {
		e.log.Warn("the events file has unreadable lines; their events are lost", zap.String("file", e.path), zap.Int("lines", bad))
	}
	return nil
}

// add queues an event and sets its sequence number. The caller holds e.mu.
func (e *Events) add(event Event) {
	event.Seq = e.content.next
	e.content.next++
	e.content.queue = append(e.content.queue, event)
	e.append(jsonLine(event))
	if e.trim() {
		e.append(jsonLine(eventsMark{e.content.queue[0].Seq - 1, e.content.dropped}))
	}
	signal(e.added)
}

// trim drops the oldest events beyond the limit. It reports whether it dropped any.
func (e *Events) trim() bool {
	excess := len(e.content.queue) - e.limit
	if excess <= 0 {
		return false
	}

	e.content.queue = e.content.queue[excess:]
	e.content.dropped += int64(excess)
	return true
}

// oldest returns the event to send next, and the name of the store. ok is false if
// the queue is empty.
func (e *Events) oldest() (event Event, store string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.content.queue) == 0 {
		return Event{}, "", false
	}
	return e.content.queue[0], e.content.store, true
}

// sent removes an event that the hub has acknowledged. If the process ends before
// the removal is on disk, the next process sends the event again.
func (e *Events) sent(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.content.queue) > 0 && e.content.queue[0].Seq <= event.Seq {
		e.content.forget(event.Seq)
		e.append(jsonLine(eventsMark{event.Seq, e.content.dropped}))
	}
}

// Counts returns the number of events waiting for the hub, and the number of events
// ever dropped because the queue was full.
func (e *Events) Counts() (waiting int, dropped int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.content.queue), e.content.dropped
}

// append gives a line to the writer. The caller holds e.mu.
func (e *Events) append(line []byte) {
	if e.path == "" || e.closed {
		return
	}
	e.lines, e.count = append(e.lines, line...), e.count+1
	signal(e.wake)
}

// Close writes and syncs the pending lines and ends the writer.
func (e *Events) Close() {
	e.mu.Lock()
	if !e.closed && e.path != "" {
		close(e.wake)
	}
	e.closed = true
	e.mu.Unlock()
	<-e.ended
}
