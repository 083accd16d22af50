package events

import "slices"

// Limit is the maximum size of a queue.
type Limit struct {
	Events int
	Bytes  int // maximum size of the events in JSON, in bytes
}

// Limits are the maximum sizes of a log's two queues.
type Limits struct {
	Important Limit // for commands and alarms
	Routine   Limit // for normal motions of the bolt and the door
}

// DefaultLimits are the limits of a door's log. For a door that is used 200 times a
// day, the log keeps the events of at least two days without a hub.
var DefaultLimits = Limits{
	Important: Limit{Events: 1000, Bytes: 256 << 10},
	Routine:   Limit{Events: 1000, Bytes: 128 << 10},
}

// maxFile returns the maximum size of the file, in bytes. When the file reaches it, the
// log rewrites the file without the events that the hub has.
func (l Limits) maxFile() int { return 1024 + 4*(l.Important.Bytes+l.Routine.Bytes) }

// queue is a bounded list of events, oldest first.
type queue struct {
	limit  Limit
	events []sized
	bytes  int
}

// sized is an event together with the size of its JSON form, in bytes.
type sized struct {
	Event
	size int
}

func (q *queue) push(e Event, size int) {
	q.events = append(q.events, sized{e, size})
	q.bytes += size
}

func (q *queue) isOverfull() bool {
	return len(q.events) > 0 && (len(q.events) > q.limit.Events || q.bytes > q.limit.Bytes)
}

// drop removes the oldest refused command, or the oldest event if the queue has no
// refused command. It returns the sequence number of the removed event.
func (q *queue) drop() (seq uint64) {
	i := max(0, slices.IndexFunc(q.events, func(e sized) bool { return e.isRefusal() }))
	seq = q.events[i].Seq
	q.remove(seq)
	return seq
}

// find returns the index of the event with sequence number seq, or -1.
func (q *queue) find(seq uint64) int {
	return slices.IndexFunc(q.events, func(e sized) bool { return e.Seq == seq })
}

// remove removes the event with sequence number seq, if the queue has it.
func (q *queue) remove(seq uint64) {
	switch i := q.find(seq); {
	case i == 0:
		q.bytes -= q.events[0].size
		q.events = q.events[1:]
	case i > 0:
		q.bytes -= q.events[i].size
		q.events = slices.Delete(q.events, i, i+1)
	}
}

// removeThrough removes all events with sequence numbers up to seq.
func (q *queue) removeThrough(seq uint64) {
	for len(q.events) > 0 && q.events[0].Seq <= seq {
		q.bytes -= q.events[0].size
		q.events = q.events[1:]
	}
}

// last returns the newest event, or nil if the queue is empty.
func (q *queue) last() *sized {
	if len(q.events) == 0 {
		return nil
	}
	return &q.events[len(q.events)-1]
}
