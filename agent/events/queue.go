package events

import "slices"

// Limit bounds a queue.
type Limit struct {
	Events int
	Bytes  int // of the events' JSON form
}

// Limits bounds the queues of a log.
type Limits struct {
	Important Limit // commands and alarms
	Routine   Limit // the bolt and the door move as they should
}

// DefaultLimits are the bounds of a door's log. A door that is used 200 times a day and
// loses its hub keeps the events of two days or more.
var DefaultLimits = Limits{
	Important: Limit{Events: 1000, Bytes: 256 << 10},
	Routine:   Limit{Events: 1000, Bytes: 128 << 10},
}

// maxFile is the size of the file at which it is rewritten without finished events.
func (l Limits) maxFile() int { return 1024 + 4*(l.Important.Bytes+l.Routine.Bytes) }

// queue is a bounded list of events, oldest first.
type queue struct {
	limit  Limit
	events []sized
	bytes  int
}

// sized is an event with the size of its JSON form.
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

// drop removes the oldest refused command or, if there is none, the oldest event. It
// returns the sequence number of the event that it removed.
func (q *queue) drop() (seq uint64) {
	i := max(0, slices.IndexFunc(q.events, func(e sized) bool { return e.isRefusal() }))
	seq = q.events[i].Seq
	q.remove(seq)
	return seq
}

// find returns the place of an event in the queue, or -1.
func (q *queue) find(seq uint64) int {
	return slices.IndexFunc(q.events, func(e sized) bool { return e.Seq == seq })
}

// remove removes an event, if the queue has it.
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

// removeThrough removes all events up to a sequence number.
func (q *queue) removeThrough(seq uint64) {
	for len(q.events) > 0 && q.events[0].Seq <= seq {
		q.bytes -= q.events[0].size
		q.events = q.events[1:]
	}
}

// last returns the newest event, or nil.
func (q *queue) last() *sized {
	if len(q.events) == 0 {
		return nil
	}
	return &q.events[len(q.events)-1]
}
