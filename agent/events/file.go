package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/latchd/latchd/transport/durable"
)

// The events file has one JSON object per line. The first line is a header. The other
// lines are events and marks, in the order in which they happened. (A mark says that an
// event was sent, dropped or repeated.) The agent appends lines. From time to time it
// rewrites the file without the events that the hub already has. If a line is
// unreadable, for example after a power cut, only its event is lost.

// fileVersion is the version of the file's format. A change that an older agent would
// misread must increase it. The agent still reads version 1, which had only one queue.
const fileVersion = 2

const fileName = "events.jsonl"

// content is the decoded content of the events file.
type content struct {
	store     string // unique name of the store, which is part of each message id
	next      uint64 // sequence number of the next event
	dropped   Dropped
	important queue
	routine   queue
}

// Dropped counts the events that the log has dropped because a queue was full.
type Dropped struct {
	Important int64 `json:"droppedImportant,omitempty"`
	Routine   int64 `json:"droppedRoutine,omitempty"`
}

// header is the first line of the file.
type header struct {
	Version int    `json:"version"`
	Store   string `json:"store"`
	Next    uint64 `json:"next"`
	Dropped
	// DroppedV1 counts the dropped events in a file of version 1, which had only one
	// queue.
	DroppedV1 int64 `json:"dropped,omitempty"`
}

// mark is a line that says what happened to events in earlier lines: they were sent,
// dropped or repeated.
type mark struct {
	Through uint64 `json:"through,omitempty"` // all events up to this sequence number have been sent or dropped
	Drop    uint64 `json:"drop,omitempty"`    // sequence number of an event that was dropped
	Dropped
	DroppedV1 int64 `json:"dropped,omitempty"`
	// Again is the sequence number of an event that was repeated. Count is the number
	// of equal events, including the repetition.
	Again uint64 `json:"again,omitempty"`
	Count int    `json:"count,omitempty"`
}

func newContent(store string, limits Limits) content {
	return content{
		store: store, next: 1,
		important: queue{limit: limits.Important}, routine: queue{limit: limits.Routine},
	}
}

// queueOf returns the queue for an event.
func (c *content) queueOf(e Event) *queue {
	if e.isRoutine() {
		return &c.routine
	}
	return &c.important
}

// countDrop counts an event that was dropped from a queue.
func (c *content) countDrop(q *queue) {
	if q == &c.routine {
		c.dropped.Routine++
	} else {
		c.dropped.Important++
	}
}

// oldest returns the queue that has the oldest event, or nil if both queues are empty.
func (c *content) oldest() *queue {
	important, routine := c.important.events, c.routine.events
	switch {
	case len(important) == 0 && len(routine) == 0:
		return nil
	case len(important) == 0, len(routine) > 0 && routine[0].Seq < important[0].Seq:
		return &c.routine
	}
	return &c.important
}

// all returns the queued events of both queues, oldest first.
func (c content) all() []Event {
	var all []Event
	for q := c.oldest(); q != nil; q = c.oldest() { // c is a copy, so removing its events is safe
		all = append(all, q.events[0].Event)
		q.events = q.events[1:]
	}
	return all
}

// text encodes the content as a new events file: the header and the queued events.
func (c content) text() []byte {
	text := jsonLine(header{Version: fileVersion, Store: c.store, Next: c.next, Dropped: c.dropped})
	for _, e := range c.all() {
		text = append(text, jsonLine(e)...)
	}
	return text
}

// parse decodes the text of an events file. bad is the number of unreadable lines.
func parse(text []byte, limits Limits) (c content, bad int, err error) {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return content{}, 0, err
	}
	if h.Version < 1 || h.Version > fileVersion {
		return content{}, 0, fmt.Errorf("the file has version %d; this agent reads versions 1 to %d", h.Version, fileVersion)
	}
	if h.Store == "" {
		return content{}, 0, errors.New("the file's header does not name its store")
	}

	c = newContent(h.Store, limits)
	c.next, c.dropped = h.Next, h.Dropped
	c.dropped.Routine += h.DroppedV1

	p := parser{content: &c}
	for line := range bytes.Lines(rest) {
		if !p.line(line) {
			bad++
		}
	}
	return c, bad, nil
}

// parser reads the lines of an events file into a content.
type parser struct {
	*content
	last uint64 // sequence number of the last event; later events must have larger numbers
}

// line reads one line of the file. It reports whether the line was readable.
func (p *parser) line(line []byte) bool {
	var e Event
	if json.Unmarshal(line, &e) != nil {
		return false
	}
	if e.Kind != "" {
		return p.event(e, len(line))
	}

	var m mark
	var sighting struct{ Bolt, Door string } // from version 1; the agent's state has replaced it
	if json.Unmarshal(line, &m) != nil || json.Unmarshal(line, &sighting) != nil {
		return false
	}
	return p.mark(m) || sighting.Bolt != "" || sighting.Door != ""
}

func (p *parser) event(e Event, size int) bool {
	if e.Seq <= p.last {
		return false
	}
	p.last = e.Seq

	p.queueOf(e).push(e, size)
	p.next = max(p.next, e.Seq+1)
	return true
}

func (p *parser) mark(m mark) bool {
	switch {
	case m.Through > 0:
		p.important.removeThrough(m.Through)
		p.routine.removeThrough(m.Through)
		p.next = max(p.next, m.Through+1)
	case m.Drop > 0:
		p.important.remove(m.Drop)
		p.routine.remove(m.Drop)
		p.next = max(p.next, m.Drop+1)
	case m.Again > 0:
		i := p.important.find(m.Again)
		if i >= 0 {
			p.important.events[i].Count = max(p.important.events[i].Count, m.Count)
		}
		return i >= 0
	default:
		return false
	}

	p.dropped.Important = max(p.dropped.Important, m.Important)
	p.dropped.Routine = max(p.dropped.Routine, m.Routine, m.DroppedV1)
	return true
}

func jsonLine(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode a line of the events file: %v", err)) // cannot happen: all values can be encoded
	}
	return append(text, '\n')
}

// File is the decoded content of an events file, for programs that examine a state
// directory.
type File struct {
	Events     []Event // the events that the hub does not have yet, oldest first
	Next       uint64  // sequence number of the next event
	Dropped    Dropped
	Unreadable int // number of unreadable lines
}

// Read reads the events file in a state directory. It is safe to call while the agent
// is running.
func Read(dir string) (File, error) {
	text, err := durable.Read(filepath.Join(dir, fileName))
	if err != nil {
		return File{}, fmt.Errorf("read the events: %w", err)
	}
	c, bad, err := parse(text, DefaultLimits)
	if err != nil {
		return File{}, fmt.Errorf("read the events in %s: %w", dir, err)
	}
	return File{c.all(), c.next, c.dropped, bad}, nil
}
