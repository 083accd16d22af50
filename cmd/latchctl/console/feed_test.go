package console

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// patience is how long a test waits for an event before it fails.
const patience = 30 * time.Second

// openPage is an open page, which receives the console's events.
type openPage struct {
	t     *testing.T
	res   *http.Response
	lines *bufio.Scanner
}

// openPage opens a page of the console.
func (h *harness) openPage(t *testing.T) *openPage {
	t.Helper()
	res := h.request(t, "GET", "/api/stream", "", h.cookie)
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)

	return &openPage{t, res, lines}
}

// next waits for the next event with the given name and returns its data. It skips
// other events.
func (p *openPage) next(name string) json.RawMessage {
	p.t.Helper()
	late := time.AfterFunc(patience, func() { p.res.Body.Close() })
	defer late.Stop()
	for p.lines.Scan() {
		if p.lines.Text() == "event: "+name {
			p.lines.Scan()
			return json.RawMessage(strings.TrimPrefix(p.lines.Text(), "data: "))
		}
	}
	p.t.Fatalf("no event %s: %v", name, p.lines.Err())
	return nil
}

// decoded parses a JSON text.
func decoded[T any](t *testing.T, text json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// doors waits for an event with doors, and returns the id and position of each door.
func (p *openPage) doors(name string) string {
	p.t.Helper()
	var texts []string
	for _, d := range decoded[[]door.Door](p.t, p.next(name)) {
		texts = append(texts, d.ID+" "+d.Position)
	}
	return strings.Join(texts, ", ")
}

// row returns a device in the form of a row of door.Query.
func row(id, position, building string) string {
	return fmt.Sprintf(`{"deviceId":%q,"connectionState":"Connected","position":%q,"tagBuilding":%q}`, id, position, building)
}

// clickRefresh requests a read of all doors, as the page's Refresh button does.
func (h *harness) clickRefresh(t *testing.T) {
	t.Helper()
	if res := h.request(t, "POST", "/api/refresh", "", h.own); res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
}

// A page first receives the complete list of doors, and then only the doors that
// change.
func TestChanges(t *testing.T) {
	t.Parallel()
	h := start(t, func(hub *fakeHub, _ *Options) { hub.rows = []string{row("b", "locked", "2"), row("a", "locked", "10")} })
	page := h.openPage(t)
	if got := page.doors("doors"); got != "b locked, a locked" {
		t.Errorf("first list: %s", got)
	}
	if s := decoded[status](t, page.next("status")); s.ReadAt == nil || s.Error != "" || s.Every != 3600 || s.Live {
		t.Errorf("status %+v", s)
	}

	for _, tt := range []struct {
		name, event, want string
		rows              []string
	}{
		{"one has changed", "changes", "a unlocked", []string{row("b", "locked", "2"), row("a", "unlocked", "10")}},
		{"one has moved", "doors", "a unlocked, b locked", []string{row("b", "locked", "20"), row("a", "unlocked", "10")}},
		{"one is new", "doors", "a unlocked, b locked, c locked", []string{row("b", "locked", "20"), row("a", "unlocked", "10"), row("c", "locked", "")}},
		{"all are gone", "doors", "", nil},
	} {
		h.hub.set(func() { h.hub.rows = tt.rows })
		h.clickRefresh(t)
		if got := page.doors(tt.event); got != tt.want {
			t.Errorf("%s: %s %s, want %s", tt.name, tt.event, got, tt.want)
		}
	}

	// A page that is opened later receives the complete list at once.
	if got := h.openPage(t).doors("doors"); got != "" {
		t.Errorf("the second page: %s", got)
	}
}

// After a failed read, the page keeps the old list and the time of the old list. The
// next successful read clears the error.
func TestUnreachableHub(t *testing.T) {
	t.Parallel()
	h := start(t, func(hub *fakeHub, _ *Options) { hub.rows = []string{row("a", "locked", "1")} })
	page := h.openPage(t)
	page.next("status")

	h.hub.set(func() { h.hub.err = &iothub.Error{Status: 500, Message: "no"} })
	h.clickRefresh(t)
	if s := decoded[status](t, page.next("status")); s.Error == "" || s.ReadAt == nil {
		t.Errorf("status %+v, want an error and the time of the last read", s)
	}

	h.hub.set(func() { h.hub.err = nil })
	h.clickRefresh(t)
	if s := decoded[status](t, page.next("status")); s.Error != "" {
		t.Errorf("status %+v after the hub is back", s)
	}
}

// The console queries the hub only while a page is open.
func TestNoPage(t *testing.T) {
	t.Parallel()
	h := start(t, func(hub *fakeHub, o *Options) { o.Refresh = time.Millisecond })
	select {
	case q := <-h.hub.queries:
		t.Fatalf("the hub received the query %s", q)
	default:
	}
	page := h.openPage(t)
	page.next("status")
	page.res.Body.Close()
	gone := make(chan struct{})
	go func() { // wait until the console has noticed that the page is closed
		defer close(gone)
		for n := 1; n > 0; {
			h.feed.do(t.Context(), func(f *feed) { n = len(f.subscribers) })
		}
	}()
	<-gone
	for len(h.hub.queries) > 0 {
		<-h.hub.queries
	}

	h.refreshNow(0) // a request for a read does not start a read while no page is open
	if _, err := h.feed.awaitSubscriber(cancelled(t)); err == nil {
		t.Error("a page is open")
	}
	page = h.openPage(t)
	page.next("status")
	if q := <-h.hub.queries; q != door.Query {
		t.Errorf("query %s after a pause, want one for all doors", q)
	}
}

// While the hub sends events, the console reads only the devices that the events name.
func TestEvents(t *testing.T) {
	t.Parallel()
	events := make(chan rest.Event)
	h := start(t, func(hub *fakeHub, _ *Options) {
		hub.events, hub.rows = events, []string{row("a", "locked", "1"), row("b", "locked", "1")}
	})
	page := h.openPage(t)
	page.next("doors")
	events <- rest.Event{Kind: "ready"}
	for decoded[status](t, page.next("status")).Live == false {
	}
	for len(h.hub.queries) > 0 {
		<-h.hub.queries
	}
	h.hub.set(func() { h.hub.rows = []string{row("b", "unlocked", "1")} })
	events <- rest.Event{Kind: "twin", DeviceID: "b"}
	if got := page.doors("changes"); got != "b unlocked" {
		t.Errorf("changes %s", got)
	}
	if q := <-h.hub.queries; q != door.Query+" WHERE deviceId IN ['b']" {
		t.Errorf("query %s", q)
	}
	h.hub.set(func() { h.hub.rows = nil })
	events <- rest.Event{Kind: "lifecycle", DeviceID: "a", Operation: "deleteDeviceIdentity"}
	if got := page.doors("doors"); got != "b unlocked" {
		t.Errorf("after a was deleted: %s", got)
	}
}

// If too many devices have changed, or their ids are too long for one query, the
// console reads all doors.
func TestTooManyChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		devices, length, want int // want is the number of ids, or -1 if the console reads all doors
	}{{0, 1, 0}, {maxChanged, 3, maxChanged}, {maxChanged + 1, 3, -1}, {50, 128, -1}} {
		f := newFeed()
		for i := range tt.devices {
			f.markChanged(fmt.Sprintf("%0*d", tt.length, i))
		}
		if ids := f.takeChanged(); len(ids) != max(tt.want, 0) || (ids == nil) != (tt.want < 0) {
			t.Errorf("%d devices of %d characters: takeChanged returned %d", tt.devices, tt.length, len(ids))
		}
		if ids := f.takeChanged(); len(ids) != 0 {
			t.Errorf("a second takeChanged returned %v", ids)
		}
	}
}

func TestQueryBudget(t *testing.T) {
	t.Parallel()
	var b queryBudget
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for i := range maxSaved {
		if w := b.wait(now); w != 0 {
			t.Fatalf("query %d waits %s", i+1, w)
		}
		b.spend(3, now)
	}

	var waits []time.Duration
	for _, rows := range []int{0, 10000, 1} {
		w := b.wait(now)
		waits = append(waits, w)
		now = now.Add(w)
		b.spend(rows, now)
	}
	if want := []time.Duration{6 * time.Second, 6 * time.Second, 66 * time.Second}; !reflect.DeepEqual(waits, want) {
		t.Errorf("waits %v, want %v: ten queries a minute", waits, want)
	}
}

func TestTooManyPages(t *testing.T) {
	t.Parallel()
	h := start(t)
	for range maxSubscribers {
		h.openPage(t)
	}
	if res := h.request(t, "GET", "/api/stream", "", h.cookie); res.StatusCode != 503 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// The feed disconnects a page that reads too slowly. It does not delay other pages.
func TestSlowPage(t *testing.T) {
	t.Parallel()
	f := newFeed()
	go f.run(t.Context())

	slow, quick := f.subscribe(t.Context()), f.subscribe(t.Context())
	for range maxQueued + 1 {
		f.do(t.Context(), func(f *feed) { f.publish("status", status{}) })
		<-quick.events
	}

	n := 0
	for range slow.events { // the loop ends because the feed closed the channel
		n++
	}
	if n != maxQueued {
		t.Errorf("the slow page received %d events, want %d", n, maxQueued)
	}

	left := 0
	f.do(t.Context(), func(f *feed) { left = len(f.subscribers) })
	if left != 1 {
		t.Errorf("%d pages are left, want 1", left)
	}
}
