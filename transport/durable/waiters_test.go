package durable

import (
	"errors"
	"slices"
	"testing"
)

func TestWaiters(t *testing.T) {
	t.Parallel()
	var w Waiters
	var called []int
	add := func(n int) {
		w.Add(func(err error) {
			if err != nil {
				n = -n
			}
			called = append(called, n)
		})
	}

	add(1)
	add(2)
	mark, some := w.Last()
	add(3)
	if !some || !w.Waiting() {
		t.Error("nothing seems to wait")
	}

	w.Finish(mark, nil)
	w.Finish(mark, nil) // the second call must call no function again
	if !slices.Equal(called, []int{1, 2}) {
		t.Errorf("called %v, want 1 and 2", called)
	}

	mark, _ = w.Last()
	w.Finish(mark, errors.New("full"))
	if !slices.Equal(called, []int{1, 2, -3}) || w.Waiting() {
		t.Errorf("called %v, waiting %v; want 1, 2 and the failed 3", called, w.Waiting())
	}
}

// A disk that hangs must not fill the memory. Trim must call the oldest functions with
// an error. When the write ends, Finish must not call these functions again.
func TestWaitersAreBounded(t *testing.T) {
	t.Parallel()
	var w Waiters
	behind, written := 0, 0
	for range 2 * maxWaiters {
		w.Add(func(err error) {
			if errors.Is(err, ErrBehind) {
				behind++
			} else {
				written++
			}
		})
		w.Trim()
	}

	if len(w.funcs) != maxWaiters || behind != maxWaiters {
		t.Errorf("%d functions wait and %d were called; want %d of each", len(w.funcs), behind, maxWaiters)
	}

	mark, _ := w.Last()
	w.Finish(mark-10, nil)
	w.Finish(mark, nil)
	if written != maxWaiters || w.Waiting() {
		t.Errorf("%d functions were told of the write, want %d", written, maxWaiters)
	}
}
