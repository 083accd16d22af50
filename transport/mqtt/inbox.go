package mqtt

import (
	"sync"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// A door takes methods as they come; what does not fit here is a flood, and
	// the hub tells its sender after the response timeout.
	inboxSize = 64
	// rememberedIDs bounds the ids that are compared to find a duplicate.
	rememberedIDs = 4096
)

// inbox holds what the hub sent until the device takes it, and knows which
// methods wait for their answers.
type inbox struct {
	log     *zap.Logger
	methods chan iothub.Method
	desired chan iothub.Object

	mu       sync.Mutex
	closed   bool            // methods is closed
	waiting  map[string]bool // methods delivered and not answered; true while the answer is written
	flushed  chan struct{}   // closed when methods is closed and none waits
	seen     map[string]struct{}
	seenRing []string
	seenNext int
	dropped  int
}

func newInbox(log *zap.Logger) *inbox {
	return &inbox{
		log:     log,
		methods: make(chan iothub.Method, inboxSize),
		desired: make(chan iothub.Object, inboxSize),
		waiting: make(map[string]bool),
		flushed: make(chan struct{}),
		seen:    make(map[string]struct{}),
	}
}

func (b *inbox) addMethod(m iothub.Method) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		b.log.Info("method came when the link was being closed; it is not carried out", methodFields(m)...)
		return
	}
	if !b.remember(m.RequestID) {
		b.log.Warn("the hub sent a method twice; the second is not carried out", methodFields(m)...)
		return
	}
	select {
	case b.methods <- m:
		b.waiting[m.RequestID] = false
	default:
		b.dropped++
		b.log.Warn("methods come faster than they are carried out; this one is dropped",
			append(methodFields(m), zap.Int("dropped", b.dropped))...)
	}
}

// remember reports whether the id is new, and keeps it.
func (b *inbox) remember(id string) bool {
	if _, ok := b.seen[id]; ok {
		return false
	}
	if len(b.seenRing) < rememberedIDs {
		b.seenRing = append(b.seenRing, id)
	} else {
		delete(b.seen, b.seenRing[b.seenNext])
		b.seenRing[b.seenNext] = id
		b.seenNext = (b.seenNext + 1) % rememberedIDs
	}
	b.seen[id] = struct{}{}
	return true
}

// addDesired drops the oldest change if there is no room, never the newest:
// what comes after a gap tells that there was one.
func (b *inbox) addDesired(patch iothub.Object) {
	for {
		select {
		case b.desired <- patch:
			return
		default:
		}
		select {
		case old := <-b.desired:
			b.log.Warn("changes of the desired properties come faster than they are taken; one is dropped", zap.Int64("version", old.Version()))
		default:
		}
	}
}

// answering marks a method as being answered, and reports whether it waited for that.
func (b *inbox) answering(requestID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	begun, ok := b.waiting[requestID]
	if !ok || begun {
		return false
	}
	b.waiting[requestID] = true
	return true
}

// answered is the end of what answering began.
func (b *inbox) answered(requestID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, requestID)
	b.settle()
}

// close ends the delivery of methods. Those that wait in the channel are still taken.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	close(b.methods)
	b.settle()
}

// discard ends the delivery of methods and throws away those that were not
// taken: their answers would reach nobody.
func (b *inbox) discard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.methods)
	}
	for m := range b.methods {
		delete(b.waiting, m.RequestID)
		b.log.Warn("the link was lost before the method was begun; it is not carried out", methodFields(m)...)
	}
	b.settle()
}

func (b *inbox) settle() {
	if !b.closed || len(b.waiting) > 0 {
		return
	}
	select {
	case <-b.flushed:
	default:
		close(b.flushed)
	}
}

// isClosed reports whether no more methods are delivered.
func (b *inbox) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// unanswered returns how many methods wait for their answers.
func (b *inbox) unanswered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

func methodFields(m iothub.Method) []zap.Field {
	return []zap.Field{zap.String("method", m.Name), zap.String("request_id", m.RequestID)}
}
