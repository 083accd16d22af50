package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// The file of events is a log of JSON lines: a head, then events, marks and the
// like in the order in which they came about. It is appended to, and now and then
// written anew without what is done with. A line that was torn by a power cut, or
// garbled, costs the event in it and no other.

// eventsVersion is raised when the file's form changes in a way that an older
// agent would misread.
const eventsVersion = 1

// eventLog is what the file says.
type eventLog struct {
	store   string // names the store, for ids that are never used again
	next    uint64 // the sequence number of the next event
	dropped int64  // how many events were given up for want of room, ever
	found   eventsFound
	queue   []Event // not yet taken by the hub, oldest first
}

type eventsHead struct {
	Version int    `json:"version"`
	Store   string `json:"store"`
	Next    uint64 `json:"next"`
	Dropped int64  `json:"dropped"`
	eventsFound
}

// eventsFound says where bolt and door are, as far as events tell or, with no
// event, as they were found first.
type eventsFound struct {
	Bolt string `json:"bolt,omitempty"`
	Door string `json:"door,omitempty"`
}

// eventsMark says that the events up to a number are done with: sent or dropped.
type eventsMark struct {
	Through uint64 `json:"through"`
	Dropped int64  `json:"dropped"`
}

// text returns the file that says just this.
func (l eventLog) text() []byte {
	text := jsonLine(eventsHead{eventsVersion, l.store, l.next, l.dropped, l.found})
	for _, e := range l.queue {
		text = append(text, jsonLine(e)...)
	}
	return text
}

// readEvents reads the text of the file. bad counts the lines that are none.
func readEvents(text []byte) (log eventLog, bad int, err error) {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	var head eventsHead
	if err := json.Unmarshal(first, &head); err != nil {
		return eventLog{}, 0, err
	}
	if head.Version != eventsVersion {
		return eventLog{}, 0, fmt.Errorf("it has version %d, this agent knows %d", head.Version, eventsVersion)
	}
	if head.Store == "" {
		return eventLog{}, 0, errors.New("it does not say which store it is of")
	}
	log = eventLog{store: head.Store, next: head.Next, dropped: head.Dropped, found: head.eventsFound}
	for line := range bytes.Lines(rest) {
		var l struct {
			Event
			eventsMark
			eventsFound
		}
		switch err := json.Unmarshal(line, &l); {
		case err != nil:
			bad++
		case l.Name != "" && l.Seq > 0 && l.Seq >= log.least(): // an older number would never be marked
			log.queue = append(log.queue, l.Event)
			log.next = max(log.next, l.Seq+1)
			log.note(l.Event)
		case l.Name == "" && l.Through > 0:
			log.forget(l.Through)
			log.next, log.dropped = max(log.next, l.Through+1), max(log.dropped, l.Dropped)
		case l.Name == "" && l.eventsFound != eventsFound{}:
			log.found = l.eventsFound
		default:
			bad++
		}
	}
	return log, bad, nil
}

// note remembers what an event says of bolt and door.
func (l *eventLog) note(e Event) {
	switch {
	case e.Position != "":
		l.found.Bolt = e.Position
	case e.Name == EventDoorOpened, e.Name == EventDoorClosed:
		l.found.Door = e.Name
	}
}

// least returns the least number that the next event in the file can have.
func (l *eventLog) least() uint64 {
	if len(l.queue) == 0 {
		return 0
	}
	return l.queue[len(l.queue)-1].Seq + 1
}

// forget takes the events up to a number out of the queue.
func (l *eventLog) forget(through uint64) {
	for len(l.queue) > 0 && l.queue[0].Seq <= through {
		l.queue = l.queue[1:]
	}
}

func jsonLine(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a line of events that is no JSON: %v", err)) // they are made of plain values
	}
	return append(text, '\n')
}
