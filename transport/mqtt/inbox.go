package mqtt

import (
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// inboxSize is the capacity of the queue of direct methods. A device handles methods
	// as they arrive, so only a flood can fill the inbox. The inbox drops further
	// methods, and the hub reports a timeout to their senders.
	inboxSize = 64
	// inboxBytes limits the size of the names and payloads of all methods that have no
	// answer yet. It is enough for eight methods of IoT Hub's maximum size of 128 KiB.
	inboxBytes = 1 << 20
	// desiredSize is the capacity of the queue of property changes. The device applies a
	// change at once. After it has missed one, it reads the whole twin.
	desiredSize = 8
	// rememberedIDs and rememberedBytes limit the recent request ids that the inbox
	// remembers in order to recognize duplicates. IoT Hub's ids have up to 36 bytes.
	rememberedIDs   = 256
	rememberedBytes = 16 << 10
	// maxRequestID is the maximum length of a request id, in bytes.
	maxRequestID = 1024
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
	unanswered map[string]call // key: request id
	bytes      int             // size of the unanswered calls
	recent     recentIDs
	dropped    int // number of methods dropped because the inbox was full
}

// call is a method that has no answer yet.
type call struct {
	size      int  // length of the method's name, request id and payload, in bytes
	answering bool // the answer is being written
}

func newInbox(log *zap.Logger) *inbox {
	return &inbox{
		log:        log,
		methods:    make(chan iothub.Method, inboxSize),
		desired:    make(chan iothub.Object, desiredSize),
		flushed:    make(chan struct{}),
		unanswered: make(map[string]call),
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
	if len(m.RequestID) > maxRequestID {
		b.log.Warn("ignored a method whose request id is too long", methodFields(m)...)
		return
	}

	// The id and the name are parts of the topic. Copies do not keep it in memory.
	m.RequestID, m.Name = strings.Clone(m.RequestID), strings.Clone(m.Name)
	if !b.recent.add(m.RequestID) {
		b.log.Warn("ignored a method that the hub sent twice", methodFields(m)...)
		return
	}

	size := len(m.Name) + len(m.RequestID) + len(m.Payload)
	if len(b.methods) == cap(b.methods) || b.bytes+size > inboxBytes {
		b.dropped++
		b.log.Warn("dropped a method because too many are waiting",
			append(methodFields(m), zap.Int("dropped", b.dropped))...)
		return
	}
	b.methods <- m // does not block: only addMethod sends to this channel
	b.unanswered[m.RequestID] = call{size: size}
	b.bytes += size
}

// forget removes a method from the unanswered ones. The caller must hold mu.
func (b *inbox) forget(requestID string) {
	b.bytes -= b.unanswered[requestID].size
	delete(b.unanswered, requestID)
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

	c, ok := b.unanswered[requestID]
	if !ok || c.answering {
		return false
	}
	c.answering = true
	b.unanswered[requestID] = c
	return true
}

// finishAnswer records that the answer to a method is written.
func (b *inbox) finishAnswer(requestID string) {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.forget(requestID)
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
		b.forget(m.RequestID)
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

// recentIDs remembers the last request ids to find duplicates. Its limits are
// rememberedIDs and rememberedBytes.
type recentIDs struct {
	known map[string]struct{}
	queue []string // the ids, oldest first
	bytes int      // length of all ids
}

// add remembers an id. It returns false if the id is already in recentIDs.
func (r *recentIDs) add(id string) bool {
	if _, ok := r.known[id]; ok {
		return false
	}

	r.known[id] = struct{}{}
	r.queue = append(r.queue, id)
	r.bytes += len(id)
	for len(r.queue) > rememberedIDs || r.bytes > rememberedBytes {
		oldest := r.queue[0]
		r.queue[0] = ""
		r.queue = r.queue[1:]
		r.bytes -= len(oldest)
		delete(r.known, oldest)
	}
	return true
}

// methodFields returns the log fields that identify a method call.
func methodFields(m iothub.Method) []zap.Field {
	return []zap.Field{zap.String("method", m.Name), zap.String("request_id", m.RequestID)}
}
