package feed

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// maxQueuedBytes limits the total size of the events that wait for one client.
const maxQueuedBytes = 2 << 20

// listener queues events for one client of the feed.
type listener struct {
	kinds []string
	wake  chan struct{} // has an element if queue or endReason may have changed

	mu        sync.Mutex
	queue     *list.List               // events of type []byte
	size      int                      // total bytes of the events in queue
	latest    map[string]*list.Element // maps a key to the queued event with that key
	endReason string                   // why the stream ends; "" while the stream is open
}

// newListener returns a listener for the given kinds of events.
func newListener(kinds []string) *listener {
	return &listener{kinds: kinds, wake: make(chan struct{}, 1), queue: list.New(), latest: make(map[string]*list.Element)}
}

// add queues an event for the client. If key is not empty, the event replaces a queued
// event with the same key. If the queue exceeds maxQueuedBytes, add empties it and ends
// the stream.
func (l *listener) add(key string, event []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.endReason != "" {
		return
	}

	if old, ok := l.latest[key]; ok {
		l.size -= len(l.queue.Remove(old).([]byte))
	}
	added := l.queue.PushBack(event)
	l.size += len(event)
	if key != "" {
		l.latest[key] = added
	}

	if l.size > maxQueuedBytes {
		l.queue.Init()
		l.size = 0
		l.endReason = "too slow: events were lost, so reconnect and read the current state"
	}
	l.signal()
}

// end ends the stream after the queued events have been sent.
func (l *listener) end(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.endReason == "" {
		l.endReason = reason
	}
	l.signal()
}

// signal wakes the goroutine that sends events to the client.
func (l *listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take empties the queue and returns its events. If it also returns an endReason, no more
// events follow.
func (l *listener) take() (events [][]byte, endReason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.queue.Front(); e != nil; e = e.Next() {
		events = append(events, e.Value.([]byte))
	}
	l.queue.Init()
	l.size = 0
	clear(l.latest)
	return events, l.endReason
}

// open adds a listener for the wanted kinds of events. If lastID is the id of an event, and
// the feed still has all later events of these kinds, open queues them, and resumed is true.
// Otherwise the listener receives the events from now on. position is the id of the event
// after which the listener's events follow. open fails if the feed is closed or already has
// the maximum number of listeners.
func (f *Feed) open(wanted []string, lastID string) (l *listener, position string, resumed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, "", false, iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is stopping")
	case len(f.listeners) >= maxListeners:
		return nil, "", false, iothub.Errorf(iothub.CodeThrottling, "the hub has reached its limit of %d event streams: close one, then try again", maxListeners)
	}

	f.beginHistory(wanted)
	l = newListener(wanted)
	missed, resumed := f.history.after(lastID, wanted)
	position = f.history.id(f.history.last)
	if resumed {
		position = lastID
		for _, event := range missed {
			l.add("", event)
		}
	}

	f.listeners[l] = struct{}{}
	for _, kind := range wanted {
		f.listenerCounts[slices.Index(kinds, kind)].Add(1)
	}
	return l, position, resumed, nil
}

// beginHistory notes which kinds of events the history has not kept until now.
func (f *Feed) beginHistory(wanted []string) {
	surely := func() time.Time { return f.now().Add(historyMargin) }
	for _, kind := range wanted {
		i := slices.Index(kinds, kind)
		if f.listenerCounts[i].Load() == 0 && !f.history.isKept(i, surely) {
			f.history.completeAfter[i] = f.history.last
		}
	}
}

// close removes a listener from the feed. If it was the last one for a kind of events, the
// feed keeps such events for a while.
func (f *Feed) close(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners, l)
	for _, kind := range l.kinds {
		i := slices.Index(kinds, kind)
		f.history.keepUntil[i].Store(f.now().Add(historyTime).UnixNano())
		f.listenerCounts[i].Add(-1)
	}
}
