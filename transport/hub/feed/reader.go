package feed

import (
	"slices"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// maxWaiting is how many bytes may wait for a reader.
const maxWaiting = 2 << 20

// reader is one who listens.
type reader struct {
	kinds []string
	wake  chan struct{} // holds one token while there may be something

	mu     sync.Mutex
	queue  [][]byte
	size   int            // bytes in queue
	latest map[string]int // by key: where in queue it waits
	reason string         // why it is over; "": it is not
}

// add queues an event. If too much waits, all of it is dropped and that is the end.
func (r *reader) add(key string, event []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason != "" {
		return
	}
	if i, ok := r.latest[key]; ok && key != "" {
		r.size += len(event) - len(r.queue[i])
		r.queue[i] = event
	} else {
		r.latest[key] = len(r.queue)
		r.queue = append(r.queue, event)
		r.size += len(event)
	}
	if r.size > maxWaiting {
		r.queue, r.size = nil, 0
		r.reason = "too slow: events were lost, read the state anew and come back"
	}
	r.signal()
}

// end lets the reader have what waits, and then no more.
func (r *reader) end(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == "" {
		r.reason = reason
	}
	r.signal()
}

func (r *reader) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take returns what waits, and why there will be no more.
func (r *reader) take() (events [][]byte, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	events = r.queue
	r.queue, r.size = nil, 0
	clear(r.latest)
	return events, r.reason
}

// open lets somebody listen to the kinds.
func (f *Feed) open(wanted []string) (*reader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is stopping")
	case len(f.readers) >= maxReaders:
		return nil, iothub.Errorf(iothub.CodeThrottling, "%d listen to events already, which is the most that can", len(f.readers))
	}
	r := &reader{kinds: wanted, wake: make(chan struct{}, 1), latest: make(map[string]int)}
	f.readers[r] = struct{}{}
	f.count(r, 1)
	return r, nil
}

func (f *Feed) close(r *reader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, r)
	f.count(r, -1)
}

func (f *Feed) count(r *reader, n int32) {
	for _, kind := range r.kinds {
		f.wanted[slices.Index(kinds, kind)].Add(n)
	}
}
