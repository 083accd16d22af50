package durable

import (
	"errors"
	"sync"
)

// ErrBehind is given to the function that has waited longest when too many functions
// wait for the disk.
var ErrBehind = errors.New("the disk is too slow; too many changes wait to be written")

// maxWaiters bounds the functions that wait for the disk.
const maxWaiters = 1024

// Waiters holds functions that wait until a write has reached the disk. It calls each
// function once, in the order in which they were added. Its size is bounded, so that a
// disk that hangs cannot fill the memory. The zero value is ready for use.
//
// The owner of the data uses Waiters in this way: it calls Add together with each
// change and Trim afterwards; the writer calls Last when it takes the changes, and
// Finish when it has written them.
type Waiters struct {
	calls sync.Mutex // held while functions are called, to keep their order

	mu    sync.Mutex
	first uint64 // the number of funcs[0]
	funcs []func(error)
}

// Add adds a function. It calls none, so the caller may hold locks.
func (w *Waiters) Add(done func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.funcs = append(w.funcs, done)
}

// Trim calls the oldest functions with ErrBehind if too many functions wait.
func (w *Waiters) Trim() {
	w.mu.Lock()
	excess := len(w.funcs) - maxWaiters
	through := w.first + uint64(max(0, excess))
	w.mu.Unlock()

	if excess > 0 {
		w.Finish(through, ErrBehind)
	}
}

// Last returns a mark for Finish that stands for all functions added so far. some
// reports whether any of them still waits.
func (w *Waiters) Last() (mark uint64, some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first + uint64(len(w.funcs)), len(w.funcs) > 0
}

// Finish calls the functions up to a mark with err. It skips those that Trim has
// called already.
func (w *Waiters) Finish(mark uint64, err error) {
	w.calls.Lock()
	defer w.calls.Unlock()

	w.mu.Lock()
	var ready []func(error)
	if mark > w.first {
		n := mark - w.first
		ready, w.funcs = w.funcs[:n:n], w.funcs[n:]
		w.first = mark
	}
	w.mu.Unlock()

	for _, done := range ready {
		done(err)
	}
}

// Waiting reports whether a function waits or is being called.
func (w *Waiters) Waiting() bool {
	if !w.calls.TryLock() {
		return true
	}
	defer w.calls.Unlock()

	_, some := w.Last()
	return some
}
