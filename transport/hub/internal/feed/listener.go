package feed

import (
	"container/list"
	"slices"
	"sync"

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

// open adds a listener for the given kinds of events. It fails if the feed is closed or
// already has the maximum number of listeners.
func (f *Feed) open(kinds []string) (*listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is stopping")
	case len(f.listeners) >= maxListeners:
		return nil, iothub.Errorf(iothub.CodeThrottling, "the hub has reached its limit of %d event streams: close one, then try again", maxListeners)
	}

	l := newListener(kinds)
	f.listeners[l] = struct{}{}
	f.count(l, 1)
	return l, nil
}

// close removes a listener from the feed.
func (f *Feed) close(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners, l)
	f.count(l, -1)
}

// count adds n to the number of listeners for each kind of events that l receives.
func (f *Feed) count(l *listener, n int32) {
	for _, kind := range l.kinds {
		f.listenerCounts[slices.Index(kinds, kind)].Add(n)
	}
}
