package console

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

const (
	// maxPages bounds the pages that look at the same time.
	maxPages = 16
	// maxBehind is how many events a page may be behind before it is cut off. It
	// then comes back and gets everything anew.
	maxBehind = 256
)

// event is a message to the pages.
type event struct {
	name string
	data json.RawMessage
}

// page is a page that looks.
type page struct {
	events chan event // closed when it was cut off
}

// status says how fresh the list is.
type status struct {
	ReadAt *time.Time `json:"readAt,omitempty"` // when the hub was last read
	Error  string     `json:"error,omitempty"`  // why it could not be read since
	Every  int        `json:"every"`            // seconds between two readings, where the hub does not tell
	Live   bool       `json:"live"`             // the hub tells what changes
}

// board has what the pages show, and tells each page what changes. One
// goroutine, run, owns it; the others hand it functions.
type board struct {
	calls chan func(*board)

	doors    []door // in the order of the list; nil until they are read
	status   status
	jobs     map[string]*followed
	ended    []string // the ids of those of them that have ended, the oldest first
	pages    map[*page]bool
	audience chan struct{} // closed while there is a page

	live    bool            // the hub tells what changes
	changed map[string]bool // the devices of which it has told, and which are not read yet
}

func newBoard() *board {
	return &board{calls: make(chan func(*board)), jobs: make(map[string]*followed), pages: make(map[*page]bool),
		audience: make(chan struct{}), changed: make(map[string]bool)}
}

// run owns the board until ctx ends.
func (b *board) run(ctx context.Context) {
	for {
		select {
		case call := <-b.calls:
			call(b)
		case <-ctx.Done():
			return
		}
	}
}

// do has the owner call f, and waits for it. It returns false if ctx ends first.
func (b *board) do(ctx context.Context, f func(*board)) bool {
	done := make(chan struct{})
	select {
	case b.calls <- func(b *board) { f(b); close(done) }:
		<-done
		return true
	case <-ctx.Done():
		return false
	}
}

// await waits until a page looks, and says whether it had to.
func (b *board) await(ctx context.Context) (waited bool, err error) {
	var audience chan struct{}
	if !b.do(ctx, func(b *board) { audience = b.audience }) {
		return false, ctx.Err()
	}
	select {
	case <-audience:
		return false, nil
	default:
	}
	select {
	case <-audience:
		return true, nil
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// join adds a page, which gets what there is at first. It returns nil if there
// are too many.
func (b *board) join(ctx context.Context) *page {
	var p *page
	b.do(ctx, func(b *board) {
		if len(b.pages) == maxPages {
			return
		}
		p = &page{make(chan event, maxBehind+len(b.jobs))}
		if len(b.pages) == 0 {
			close(b.audience)
		}
		b.pages[p] = true
		if b.doors != nil {
			p.events <- newEvent("doors", b.doors)
			p.events <- newEvent("status", b.status)
		}
		for _, f := range b.jobs {
			p.events <- newEvent("job", f.job)
		}
	})
	return p
}

func (b *board) leave(ctx context.Context, p *page) { b.do(ctx, func(b *board) { b.drop(p) }) }

func (b *board) drop(p *page) {
	if !b.pages[p] {
		return
	}
	delete(b.pages, p)
	close(p.events)
	if len(b.pages) == 0 {
		b.audience = make(chan struct{})
	}
}

// tell sends an event to every page, and cuts off those that are too far behind.
func (b *board) tell(name string, v any) {
	e := newEvent(name, v)
	for p := range b.pages {
		select {
		case p.events <- e:
		default:
			b.drop(p)
		}
	}
}

// setDoors takes a reading of the hub and tells what has changed: the doors that
// have, if all stand where they stood, else the whole list.
func (b *board) setDoors(doors []door, s status) {
	slices.SortFunc(doors, door.compare)
	changed, moved := changes(b.doors, doors)
	first := b.doors == nil
	b.doors, b.status = doors, s
	switch {
	case first || moved:
		b.tell("doors", doors)
	case len(changed) > 0:
		b.tell("changes", changed)
	}
	b.tell("status", s)
}

// changes are the doors of new that differ from those of old; moved says that
// they are not the same doors at the same places.
func changes(old, new []door) (changed []door, moved bool) {
	if len(old) != len(new) {
		return nil, true
	}
	for i, d := range new {
		switch {
		case d.ID != old[i].ID || !d.samePlace(old[i]):
			return nil, true
		case d != old[i]:
			changed = append(changed, d)
		}
	}
	return changed, false
}

// setError says that the hub could not be read.
func (b *board) setError(text string, every int) {
	b.status.Error, b.status.Every, b.status.Live = text, every, b.live
	b.tell("status", b.status)
}

func newEvent(name string, v any) event {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // all that is told is made of texts, numbers and times
	}
	return event{name, text}
}
