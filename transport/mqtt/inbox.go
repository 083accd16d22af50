package mqtt

import (
	"sync"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// inboxSize is the capacity of the queue of direct methods, and also of the queue of
	// property changes. A device handles methods as they arrive, so only a flood can fill
	// the inbox. The inbox drops further methods, and the hub reports a timeout to their
	// senders.
	inboxSize = 64
	// rememberedIDs is how many recent request ids the inbox remembers in order to
	// recognize duplicates.
	rememberedIDs = 4096
)

// inbox holds direct methods and property changes from the hub until the device takes
// them. It also records which methods have no answer yet.
type inbox struct {
	log     *zap.Logger
	methods chan iothub.Method
	desired chan iothub.Object
	flushed chan struct{} // closed when methods is closed and all its methods are answered

	mu         sync.Mutex
	closed     bool            // whether methods is closed
	unanswered map[string]bool // key: request id; value: whether the answer is being written
	recent     recentIDs
	dropped    int // number of methods dropped because the inbox was full
}

func newInbox(log *zap.Logger) *inbox {
	return &inbox{
		log:        log,
		methods:    make(chan iothub.Method, inboxSize),
		desired:    make(chan iothub.Object, inboxSize),
		flushed:    make(chan struct{}),
		unanswered: make(map[string]bool),
		recent:     recentIDs{known: make(map[string]struct{})},
	}
}

// addMethod queues a direct method for the device. It drops the method if the link is
// closing, if the hub has sent the method before, or if the queue is full.
func (b *inbox) addMethod(m iothub.Method) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.closed {
		b.log.Info("ignored a method that arrived while the link was being closed", methodFields(m)...)
		return
	}
	if !b.recent.add(m.RequestID) {
		b.log.Warn("ignored a method that the hub sent twice", methodFields(m)...)
		return
	}

	select {
	case b.methods <- m:
		b.unanswered[m.RequestID] = false
	default:
		b.dropped++
		b.log.Warn("dropped a method because too many are waiting",
			append(methodFields(m), zap.Int("dropped", b.dropped))...)
	}
}

// addDesired queues a change of the desired properties. If the queue is full,
// addDesired drops the oldest change. The device then sees a gap in the version numbers
// and knows that it missed a change.
func (b *inbox) addDesired(patch iothub.Object) {
	for {
		select {
		case b.desired <- patch:
			return
		default:
		}

		select {
		case oldest := <-b.desired:
			b.log.Warn("dropped a change of the desired properties because too many are waiting", zap.Int64("version", oldest.Version()))
		default:
		}
	}
}

// startAnswer records that the device begins to answer a method. It returns false if
// the method was never delivered or already has an answer.
func (b *inbox) startAnswer(requestID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	started, ok := b.unanswered[requestID]
	if !ok || started {
		return false
	}
	b.unanswered[requestID] = true
	return true
}

// finishAnswer records that the answer to a method is written.
func (b *inbox) finishAnswer(requestID string) {
	b.mu.Lock()
	defer b.mu.Unlock()

	delete(b.unanswered, requestID)
	b.signalFlushed()
}

// close makes the inbox refuse new methods. The device can still take and answer the
// queued ones.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.closed {
		return
	}
	b.closed = true
	close(b.methods)
	b.signalFlushed()
}

// discard makes the inbox refuse new methods and drops the queued ones. It is called
// when the link is lost, because answers could no longer be sent.
func (b *inbox) discard() {
	b.mu.Lock()
	defer b.mu.Unlock()

	if !b.closed {
		b.closed = true
		close(b.methods)
	}
	for m := range b.methods {
		delete(b.unanswered, m.RequestID)
		b.log.Warn("dropped a waiting method because the link was lost", methodFields(m)...)
	}
	b.signalFlushed()
}

// signalFlushed closes the channel flushed once the inbox is closed and all methods are
// answered. The caller must hold mu.
func (b *inbox) signalFlushed() {
	if !b.closed || len(b.unanswered) > 0 {
		return
	}

	select {
	case <-b.flushed:
	default:
		close(b.flushed)
	}
}

// isClosed reports whether the inbox has stopped accepting methods.
func (b *inbox) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.closed
}

// countUnanswered returns the number of methods without an answer.
func (b *inbox) countUnanswered() int {
	b.mu.Lock()
	defer b.mu.Unlock()

	return len(b.unanswered)
}

// recentIDs remembers the last rememberedIDs request ids to find duplicates.
type recentIDs struct {
	known map[string]struct{}
	ring  []string // the ids; when ring is full, a new id replaces the oldest
	next  int      // index of the oldest id in a full ring
}

// add remembers an id. It returns false if the id is already in recentIDs.
func (r *recentIDs) add(id string) bool {
	if _, ok := r.known[id]; ok {
		return false
	}

	if len(r.ring) < rememberedIDs {
		r.ring = append(r.ring, id)
	} else {
		delete(r.known, r.ring[r.next])
		r.ring[r.next] = id
		r.next = (r.next + 1) % rememberedIDs
	}
	r.known[id] = struct{}{}
	return true
}

// methodFields returns the log fields that identify a method call.
func methodFields(m iothub.Method) []zap.Field {
	return []zap.Field{zap.String("method", m.Name), zap.String("request_id", m.RequestID)}
}
