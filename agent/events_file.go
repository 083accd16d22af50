package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// The events file is a log of JSON lines: one header, followed by events, marks and
// sightings in the order in which they happened. The agent appends to it and rewrites
// it from time to time, without the events that the hub already has. A line that a
// power cut tore or that is garbled loses its own event and no other.

// eventsVersion is raised when the file's format changes in a way that an older
// agent would misread.
const eventsVersion = 1

// eventLog is the content of the events file.
type eventLog struct {
	store    string // name of the store, a part of each message id; never used again
	next     uint64 // sequence number of the next event
	dropped  int64  // number of events ever dropped because the queue was full
	lastSeen sighting
	queue    []Event // events that the hub does not have yet, oldest first
}

// eventsHeader is the first line of the events file.
type eventsHeader struct {
	Version int    `json:"version"`
	Store   string `json:"store"`
	Next    uint64 `json:"next"`
	Dropped int64  `json:"dropped"`
	sighting
}

// sighting is the last known state of bolt and door: of the latest event about
// them or, before any event, of their first reading.
type sighting struct {
	Bolt string `json:"bolt,omitempty"`
	Door string `json:"door,omitempty"`
}

// eventsMark says that all events up to a sequence number are finished: either sent
// or dropped.
type eventsMark struct {
	Through uint64 `json:"through"`
	Dropped int64  `json:"dropped"`
}

// text encodes the log as a new file: its header and the events in the queue.
func (l eventLog) text() []byte {
	text := jsonLine(eventsHeader{eventsVersion, l.store, l.next, l.dropped, l.lastSeen})
	for _, e := range l.queue {
		text = append(text, jsonLine(e)...)
	}
	return text
}

// readEvents decodes the text of an events file. bad counts the lines that it could
// not read.
func readEvents(text []byte) (log eventLog, bad int, err error) {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	var header eventsHeader
	if err := json.Unmarshal(first, &header); err != nil {
		return eventLog{}, 0, err
	}
	if header.Version != eventsVersion {
		return eventLog{}, 0, fmt.Errorf("the file has version %d; this agent reads version %d", header.Version, eventsVersion)
	}
	if header.Store == "" {
		return eventLog{}, 0, errors.New("the file's header does not name its store")
	}

	log = eventLog{store: header.Store, next: header.Next, dropped: header.Dropped, lastSeen: header.sighting}
	for line := range bytes.Lines(rest) {
		if !log.readLine(line) {
			bad++
		}
	}
	return log, bad, nil
}

// readLine adds one line of the events file to the log. It reports whether the line
// was readable.
func (l *eventLog) readLine(line []byte) bool {
	var read struct {
		Event
		eventsMark
		sighting
	}
	if json.Unmarshal(line, &read) != nil {
		return false
	}

	switch {
	case read.Name != "" && read.Seq > 0 && read.Seq >= l.minSeq(): // no mark would ever remove a smaller number
		l.queue = append(l.queue, read.Event)
		l.next = max(l.next, read.Seq+1)
		l.see(read.Event)
	case read.Name == "" && read.Through > 0:
		l.forget(read.Through)
		l.next, l.dropped = max(l.next, read.Through+1), max(l.dropped, read.Dropped)
	case read.Name == "" && read.sighting != sighting{}:
		l.lastSeen = read.sighting
	default:
		return false
	}
	return true
}

// see remembers the state of bolt or door that an event tells.
func (l *eventLog) see(e Event) {
	switch {
	case e.Position != "":
		l.lastSeen.Bolt = e.Position
	case e.Name == EventDoorOpened, e.Name == EventDoorClosed:
		l.lastSeen.Door = e.Name
	}
}

// minSeq returns the smallest sequence number that the next event in the file can
// have.
func (l *eventLog) minSeq() uint64 {
	if len(l.queue) == 0 {
		return 0
	}
	return l.queue[len(l.queue)-1].Seq + 1
}

// forget removes the events up to a sequence number from the queue.
func (l *eventLog) forget(through uint64) {
	for len(l.queue) > 0 && l.queue[0].Seq <= through {
		l.queue = l.queue[1:]
	}
}

func jsonLine(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode a line of the events file: %v", err)) // cannot happen: lines hold plain values only
	}
	return append(text, '\n')
}
