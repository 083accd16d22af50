package feed

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxHistoryBytes limits the total size of the events that the feed keeps for clients
	// that connect again. It is less than maxQueuedBytes, so that one client can receive
	// all of them.
	maxHistoryBytes = 1 << 20

	// historyTime is how long the feed continues to keep the events of a kind after the
	// last client of this kind has left. Before the first client connects, and after this
	// time, the feed keeps none, so that it costs nothing.
	historyTime = 2 * time.Minute

	// historyMargin is how long before the end of historyTime the feed refuses to resume,
	// because it may already have skipped an event.
	historyMargin = time.Second
)

// history keeps the latest events for clients that connect again. The mutex of the feed
// guards it, except keepUntil.
type history struct {
	name   string // name of this process's events; another process has other numbers
	last   uint64 // number of the latest event
	events []keptEvent
	size   int // total bytes in events

	// Events of kinds[i] with numbers above completeAfter[i] are complete, except for those
	// that events has dropped.
	completeAfter [4]uint64
	// keepUntil[i] is the time until which the feed keeps events of kinds[i] without a
	// client, in Unix nanoseconds; 0 means that no client has ever left.
	keepUntil [4]atomic.Int64
}

type keptEvent struct {
	number uint64
	kind   string
	text   []byte
}

// id returns the id of an event for clients.
func (h *history) id(number uint64) string { return h.name + "-" + strconv.FormatUint(number, 10) }

// add gives the next number to an encoded event, and returns the event with its id.
func (h *history) add(kind string, encoded []byte) []byte {
	h.last++
	text := bytes.Join([][]byte{[]byte("id: " + h.id(h.last)), encoded}, []byte("\n"))
	h.events = append(h.events, keptEvent{h.last, kind, text})
	h.size += len(text)

	for h.size > maxHistoryBytes {
		h.size -= len(h.events[0].text)
		h.events[0].text = nil
		h.events = h.events[1:]
	}

	return text
}

// isKept reports whether the feed keeps events of kinds[i] although it has no client for
// them.
func (h *history) isKept(i int, now func() time.Time) bool {
	until := h.keepUntil[i].Load()
	return until != 0 && now().UnixNano() < until
}

// after returns the events of the given kinds that followed the event with an id. It
// returns false if the id is of another process, or if the feed does not have all of these
// events.
func (h *history) after(id string, wanted []string) ([][]byte, bool) {
	text, ok := strings.CutPrefix(id, h.name+"-")
	if !ok {
		return nil, false
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number > h.last {
		return nil, false
	}

	for i, kind := range kinds {
		if slices.Contains(wanted, kind) && number < h.completeAfter[i] {
			return nil, false
		}
	}
	if oldest := h.last + 1 - uint64(len(h.events)); number+1 < oldest {
		return nil, false
	}

	var events [][]byte
	for _, e := range h.events {
		if e.number > number && slices.Contains(wanted, e.kind) {
			events = append(events, e.text)
		}
	}
	return events, true
}
