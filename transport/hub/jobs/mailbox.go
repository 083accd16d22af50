package jobs

import (
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// mailbox hands functions to one goroutine. Posting never blocks: the broker and
// the store's writer call back from goroutines that have no time.
type mailbox struct {
	signal chan struct{} // room for one: something has been posted

	mu    sync.Mutex
	queue []func()
}

func (m *mailbox) post(f func()) {
	m.mu.Lock()
	m.queue = append(m.queue, f)
	m.mu.Unlock()
	select {
	case m.signal <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.queue
	m.queue = nil
	return queue
}

// board shows the statistics of jobs to readers outside of the engine's goroutine.
type board struct {
	mu sync.Mutex
	of map[string]iothub.JobStatistics
}

func (b *board) set(id string, statistics iothub.JobStatistics) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = make(map[string]iothub.JobStatistics)
	}
	b.of[id] = statistics
}

func (b *board) get(id string) (iothub.JobStatistics, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	statistics, ok := b.of[id]
	return statistics, ok
}

func (b *board) remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.of, id)
}
