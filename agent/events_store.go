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

	"github.com/latchd/latchd/actuator"
)

const (
	// eventsSync is how often what was written is synced at most: a power cut may
	// cost the events of the last second, the end of the process costs none, and
	// a bolt that flutters does not wear out the flash.
	eventsSync = time.Second
	// eventsRewrite is how many lines the file may have for each event that the
	// store may hold, before what is done with is left out.
	eventsRewrite = 4
	// MaxEvents is how many events are kept for a hub that is not there.
	MaxEvents = 1000
)

// Events keeps what happened until the hub has it: a bounded queue, in memory
// and in a file. When it is full the oldest are dropped, and counted. It is safe
// for concurrent use, and no method waits for the disk but Close.
type Events struct {
	path  string // empty: nothing is kept on disk
	limit int
	log   *zap.Logger
	news  chan struct{} // the queue may have an event, for the one who sends
	wake  chan struct{}
	ended chan struct{}

	mu     sync.Mutex
	events eventLog
	lines  []byte // to be appended to the file
	count  int    // of lines
	closed bool
	status actuator.Status // as it was observed last
}

// OpenEvents reads the events from dir, which must exist, and begins to keep
// limit of them there. With an empty dir they live in memory only. A file that
// cannot be used is set aside with a warning, and a disk that cannot be written is
// tried again: a door is not to be left without its agent for that.
func OpenEvents(dir string, limit int, log *zap.Logger) *Events {
	e := &Events{
		limit: limit, log: log, news: make(chan struct{}, 1),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		events: eventLog{store: strings.ToLower(rand.Text()[:10]), next: 1},
	}
	if dir == "" {
		close(e.ended)
		return e
	}
	e.path = filepath.Join(dir, "events.jsonl")
	text, err := os.ReadFile(e.path)
	if err == nil {
		var old eventLog
		var bad int
		if old, bad, err = readEvents(text); err == nil {
			e.events = old
			if bad > 0 {
				log.Warn("lines in the file of events cannot be read; what they said is lost", zap.String("file", e.path), zap.Int("lines", bad))
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		setAside(log, e.path, err)
	}
	e.trim()
	e.hint()
	e.wake <- struct{}{} // the file is written anew
	go e.writeLoop()
	return e
}

// add keeps an event, whose number it sets. e.mu is held.
func (e *Events) add(event Event) {
	event.Seq = e.events.next
	e.events.next++
	e.events.queue = append(e.events.queue, event)
	e.append(jsonLine(event))
	if e.trim() {
		e.append(jsonLine(eventsMark{e.events.queue[0].Seq - 1, e.events.dropped}))
	}
	e.hint()
}

// trim drops the oldest events that are too many, and reports whether it did.
func (e *Events) trim() bool {
	over := len(e.events.queue) - e.limit
	if over <= 0 {
		return false
	}
	e.events.queue, e.events.dropped = e.events.queue[over:], e.events.dropped+int64(over)
	return true
}

// oldest returns the event that is to be sent next, and the name of the store.
func (e *Events) oldest() (event Event, store string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.events.queue) == 0 {
		return Event{}, "", false
	}
	return e.events.queue[0], e.events.store, true
}

// sent takes an event out that the hub has. If the process ends before that is
// on disk, the event is sent once more.
func (e *Events) sent(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.events.queue) > 0 && e.events.queue[0].Seq <= event.Seq {
		e.events.forget(event.Seq)
		e.append(jsonLine(eventsMark{event.Seq, e.events.dropped}))
	}
}

// Counts returns how many events wait for the hub, and how many were dropped
// for want of room, ever.
func (e *Events) Counts() (waiting int, dropped int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.events.queue), e.events.dropped
}

// hint wakes the one who sends.
func (e *Events) hint() {
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// append has a line written. e.mu is held.
func (e *Events) append(line []byte) {
	if e.path == "" || e.closed {
		return
	}
	e.lines, e.count = append(e.lines, line...), e.count+1
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Close writes and syncs what is not yet, and ends.
func (e *Events) Close() {
	e.mu.Lock()
	if !e.closed && e.path != "" {
		close(e.wake)
	}
	e.closed = true
	e.mu.Unlock()
	<-e.ended
}
