package console

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/door"
)

const (
	// maxSubscribers is the maximum number of pages that can be open at the same time.
	maxSubscribers = 16
	// maxQueued is the maximum number of events that wait for a slow page. The feed
	// disconnects a page with a longer queue; the page then reconnects and receives the
	// complete state.
	maxQueued = 256
)

// event is a message that the feed sends to the pages.
type event struct {
	name string
	data json.RawMessage
}

// subscriber is one open page.
type subscriber struct {
	events chan event // the feed closes this channel when it disconnects the page
}

// status tells a page when the console last read the doors, and how often it reads
// them.
type status struct {
	ReadAt *time.Time `json:"readAt,omitempty"` // time of the last successful read
	Error  string     `json:"error,omitempty"`  // error of the last read, if it failed
	Every  int        `json:"every"`            // seconds between two reads while the hub sends no events
	Live   bool       `json:"live"`             // true while the hub sends events
}

// feed holds the doors and jobs that the pages show, and sends each change to every
// page. Only the goroutine of run uses the fields; other goroutines give functions to
// the method do.
type feed struct {
	calls chan func(*feed)

	doors    []door.Door // doors in the order of the page's list; nil until the first read
	status   status
	jobs     map[string]*trackedJob
	ended    []string            // ids of the ended jobs in jobs, oldest first
	verdicts map[string]*verdict // verdicts on ended jobs that are not in jobs, by the job's id
	// rolloutNotes says why the console could not run a rollout to its end, by the
	// rollout's id. The console ran each of them, so their number is that of the files.
	rolloutNotes map[string]string
	notice       string // what the pages show about the last action; empty for nothing
	judging      bool   // true while the console judges the jobs of the page's list
	subscribers  map[*subscriber]bool
	subscribed   chan struct{} // closed while at least one page is open

	live    bool            // true while the hub sends events
	changed map[string]bool // ids of the devices that changed since the last read
}

func newFeed() *feed {
	return &feed{
		calls:        make(chan func(*feed)),
		jobs:         make(map[string]*trackedJob),
		verdicts:     make(map[string]*verdict),
		rolloutNotes: make(map[string]string),
		subscribers:  make(map[*subscriber]bool),
		subscribed:   make(chan struct{}),
		changed:      make(map[string]bool),
	}
}

// run calls the functions that other goroutines give to the method do, until ctx ends.
func (f *feed) run(ctx context.Context) {
	for {
		select {
		case call := <-f.calls:
			call(f)
		case <-ctx.Done():
			return
		}
	}
}

// do executes the function call in the goroutine of run, and waits until call has
// returned. It returns false if ctx ends first.
func (f *feed) do(ctx context.Context, call func(*feed)) bool {
	done := make(chan struct{})

	select {
	case f.calls <- func(f *feed) { call(f); close(done) }:
		<-done
		return true
	case <-ctx.Done():
		return false
	}
}

// awaitSubscriber waits until at least one page is open. The result waited is false if
// a page was already open.
func (f *feed) awaitSubscriber(ctx context.Context) (waited bool, err error) {
	var subscribed chan struct{}
	if !f.do(ctx, func(f *feed) { subscribed = f.subscribed }) {
		return false, ctx.Err()
	}

	select {
	case <-subscribed:
		return false, nil
	default:
	}

	select {
	case <-subscribed:
		return true, nil
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// subscribe adds a page and queues the current doors and jobs for it. It returns nil if
// too many pages are open.
func (f *feed) subscribe(ctx context.Context) *subscriber {
	var sub *subscriber
	f.do(ctx, func(f *feed) {
		if len(f.subscribers) == maxSubscribers {
			return
		}

		sub = &subscriber{make(chan event, maxQueued+len(f.jobs))}
		if len(f.subscribers) == 0 {
			close(f.subscribed)
		}
		f.subscribers[sub] = true

		if f.doors != nil {
			sub.events <- newEvent("doors", f.doors)
			sub.events <- newEvent("status", f.status)
		}
		if f.notice != "" {
			sub.events <- newEvent("notice", f.notice)
		}
		for _, tracked := range f.jobs {
			sub.events <- newEvent("job", tracked.job)
		}
	})

	return sub
}

// unsubscribe removes a page.
func (f *feed) unsubscribe(ctx context.Context, sub *subscriber) {
	f.do(ctx, func(f *feed) { f.drop(sub) })
}

// drop disconnects a page and closes its channel. It does nothing if the page was
// disconnected earlier.
func (f *feed) drop(sub *subscriber) {
	if !f.subscribers[sub] {
		return
	}

	delete(f.subscribers, sub)
	close(sub.events)
	if len(f.subscribers) == 0 {
		f.subscribed = make(chan struct{})
	}
}

// publish sends an event to every page. It disconnects a page whose queue is full.
func (f *feed) publish(name string, v any) {
	e := newEvent(name, v)
	for sub := range f.subscribers {
		select {
		case sub.events <- e:
		default:
			f.drop(sub)
		}
	}
}

// setDoors stores the doors of a successful read. It publishes only the changed doors,
// or the whole list if a door was added, removed or moved.
func (f *feed) setDoors(doors []door.Door, s status) {
	slices.SortFunc(doors, door.Door.Compare)
	changed, moved := changes(f.doors, doors)
	first := f.doors == nil
	f.doors, f.status = doors, s

	switch {
	case first || moved:
		f.publish("doors", doors)
	case len(changed) > 0:
		f.publish("changes", changed)
	}
	f.publish("status", s)
}

// changes compares two sorted lists of doors and returns the doors that differ. If a
// door was added, removed or moved, changes returns only moved = true, and the page
// needs the whole list.
func changes(before, after []door.Door) (changed []door.Door, moved bool) {
	if len(before) != len(after) {
		return nil, true
	}

	for i, d := range after {
		switch {
		case d.ID != before[i].ID || !d.SamePlace(before[i]):
			return nil, true
		case d != before[i]:
			changed = append(changed, d)
		}
	}
	return changed, false
}

// setError publishes that a read of the doors failed. interval is the number of seconds
// until the next read.
func (f *feed) setError(text string, interval int) {
	f.status.Error, f.status.Every = text, interval
	f.status.Live = f.live
	f.publish("status", f.status)
}

func newEvent(name string, v any) event {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // events consist of texts, numbers and times, which always marshal
	}
	return event{name, text}
}
