package feed

import (
	"container/list"
	"slices"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// maxQueuedBytes bounds the events that wait for one listener.
const maxQueuedBytes = 2 << 20

// listener is the queue of events for one client.
type listener struct {
	kinds []string
	wake  chan struct{} // holds a token while the queue or endReason may have changed

	mu        sync.Mutex
	queue     *list.List               // events of type []byte
	size      int                      // bytes in queue
	latest    map[string]*list.Element // the queued event with a key
	endReason string                   // the reason for the end of the stream; "" while it is open
}

// newListener returns a listener to the kinds with an empty queue.
func newListener(kinds []string) *listener {
	return &listener{kinds: kinds, wake: make(chan struct{}, 1), queue: list.New(), latest: make(map[string]*list.Element)}
}

// add queues an event. A key other than "" removes the queued event with the same key. If
// the queue exceeds maxQueuedBytes, add empties it and ends the stream.
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

// end closes the stream after the events that are already queued.
func (l *listener) end(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.endReason == "" {
		l.endReason = reason
	}
	l.signal()
}

// signal wakes the goroutine that serves the listener.
func (l *listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take empties the queue and returns its events. If endReason is not "", no events will
// follow.
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

// open adds a listener to the kinds. It fails if the feed is closed or has too many
// listeners.
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

// close removes a listener.
func (f *Feed) close(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners, l)
	f.count(l, -1)
}

// count adds n to the number of listeners for each of l's kinds.
func (f *Feed) count(l *listener, n int32) {
	for _, kind := range l.kinds {
		f.listenerCounts[slices.Index(kinds, kind)].Add(n)
	}
}
