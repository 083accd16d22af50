package jobs

import "sync"

// mailbox passes functions to one goroutine, which runs them. Any goroutine may call
// post, which never blocks: the broker and the store call it from goroutines that must
// not wait.
type mailbox struct {
	signal chan struct{} // has an element if functions are waiting

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
