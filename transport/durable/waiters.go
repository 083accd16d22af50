package durable

import (
	"errors"
	"sync"
)

// ErrBehind means that too many changes wait for the disk. Waiters passes it to the
// functions that have waited longest.
var ErrBehind = errors.New("the disk is too slow; too many changes wait to be written")

// maxWaiters limits how many functions wait for the disk.
const maxWaiters = 1024

// Waiters holds functions to call when a write has reached the disk. It calls each
// function once, in the order in which they were added. The number of functions is
// limited, so a disk that hangs cannot fill the memory. The zero value is ready for
// use.
//
// The owner of the data calls Add with each change, and then Trim. The writer calls
// Last when it takes the changes to write, and Finish when it has written them.
type Waiters struct {
	calls sync.Mutex // held while functions are called, to keep their order

	mu    sync.Mutex
	first uint64 // sequence number of the first function in funcs
	funcs []func(error)
}

// Add adds a function to call later. Add itself calls no function, so its caller may
// hold locks.
func (w *Waiters) Add(done func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.funcs = append(w.funcs, done)
}

// Trim makes room if more than maxWaiters functions wait. It calls the oldest functions
// with the error ErrBehind.
func (w *Waiters) Trim() {
	w.mu.Lock()
	excess := len(w.funcs) - maxWaiters
	through := w.first + uint64(max(0, excess))
	w.mu.Unlock()

	if excess > 0 {
		w.Finish(through, ErrBehind)
	}
}

// Last returns a mark that stands for all functions added so far. Pass the mark to
// Finish after the write. Last also reports whether any function still waits.
func (w *Waiters) Last() (mark uint64, some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first + uint64(len(w.funcs)), len(w.funcs) > 0
}

// Finish reports the result of a write to the functions that wait for it. It calls,
// with err, each function that was added before Last returned mark. It does not call a
// function again.
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

// Waiting reports whether w still holds a function, or is calling one now.
func (w *Waiters) Waiting() bool {
	if !w.calls.TryLock() {
		return true
	}
	defer w.calls.Unlock()

	_, some := w.Last()
	return some
}
