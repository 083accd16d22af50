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

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// patience is far beyond what anything here takes.
const patience = 30 * time.Second

// viewer is a page that looks.
type viewer struct {
	t     *testing.T
	res   *http.Response
	lines *bufio.Scanner
}

func (h *harness) look(t *testing.T) *viewer {
	t.Helper()
	res := h.request(t, "GET", "/api/stream", "", h.cookie)
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)
	return &viewer{t, res, lines}
}

// next returns the data of the next event of that name.
func (v *viewer) next(name string) json.RawMessage {
	v.t.Helper()
	late := time.AfterFunc(patience, func() { v.res.Body.Close() })
	defer late.Stop()
	for v.lines.Scan() {
		if v.lines.Text() == "event: "+name {
			v.lines.Scan()
			return json.RawMessage(strings.TrimPrefix(v.lines.Text(), "data: "))
		}
	}
	v.t.Fatalf("no event %s: %v", name, v.lines.Err())
	return nil
}

func decoded[T any](t *testing.T, text json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func (v *viewer) doors(name string) string {
	v.t.Helper()
	var texts []string
	for _, d := range decoded[[]door](v.t, v.next(name)) {
		texts = append(texts, d.ID+" "+d.Position)
	}
	return strings.Join(texts, ", ")
}

// row is a device as the query gives it.
func row(id, position, building string) string {
	return fmt.Sprintf(`{"deviceId":%q,"connectionState":"Connected","position":%q,"tagBuilding":%q}`, id, position, building)
}

func (h *harness) refreshed(t *testing.T) {
	t.Helper()
	if res := h.request(t, "POST", "/api/refresh", "", h.own); res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
}

func TestChangesOnly(t *testing.T) {
	h := start(t, func(hub *fakeHub, _ *Options) { hub.rows = []string{row("b", "locked", "2"), row("a", "locked", "10")} })
	v := h.look(t)
	if got := v.doors("doors"); got != "b locked, a locked" {
		t.Errorf("at first %s", got)
	}
	if s := decoded[status](t, v.next("status")); s.ReadAt == nil || s.Error != "" || s.Every != 3600 || s.Live {
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
		h.refreshed(t)
		if got := v.doors(tt.event); got != tt.want {
			t.Errorf("%s: %s %s, want %s", tt.name, tt.event, got, tt.want)
		}
	}
	// A second page gets all there is, at once.
	if got := h.look(t).doors("doors"); got != "" {
		t.Errorf("the second page: %s", got)
	}
}

func TestHubAway(t *testing.T) {
	h := start(t, func(hub *fakeHub, _ *Options) { hub.rows = []string{row("a", "locked", "1")} })
	v := h.look(t)
	v.next("status")
	h.hub.set(func() { h.hub.err = &iothub.Error{Status: 500, Message: "no"} })
	h.refreshed(t)
	if s := decoded[status](t, v.next("status")); s.Error == "" || s.ReadAt == nil {
		t.Errorf("status %+v, want an error beside the last reading's time", s)
	}
	h.hub.set(func() { h.hub.err = nil })
	h.refreshed(t)
	if s := decoded[status](t, v.next("status")); s.Error != "" {
		t.Errorf("status %+v after the hub is back", s)
	}
}

// The hub is not asked before a page looks, nor after the last one is gone.
func TestNobodyLooks(t *testing.T) {
	h := start(t, func(hub *fakeHub, o *Options) { o.Refresh = time.Millisecond })
	select {
	case q := <-h.hub.asked:
		t.Fatalf("the hub was asked %s", q)
	default:
	}
	v := h.look(t)
	v.next("status")
	v.res.Body.Close()
	gone := make(chan struct{})
	go func() { // until the console has noticed
		defer close(gone)
		for n := 1; n > 0; {
			h.board.do(t.Context(), func(b *board) { n = len(b.pages) })
		}
	}()
	<-gone
	for len(h.hub.asked) > 0 {
		<-h.hub.asked
	}
	h.refreshNow(0) // it is not what keeps it from asking
	if _, err := h.board.await(canceled(t)); err == nil {
		t.Error("a page looks")
	}
	v = h.look(t)
	v.next("status")
	if q := <-h.hub.asked; q != doorQuery {
		t.Errorf("asked %s after a pause, want all anew", q)
	}
}

// Where the hub tells what happens, only the devices that it names are read.
func TestHubTells(t *testing.T) {
	told := make(chan rest.Event)
	h := start(t, func(hub *fakeHub, _ *Options) {
		hub.tell, hub.rows = told, []string{row("a", "locked", "1"), row("b", "locked", "1")}
	})
	v := h.look(t)
	v.next("doors")
	told <- rest.Event{Kind: "ready"}
	for decoded[status](t, v.next("status")).Live == false {
	}
	for len(h.hub.asked) > 0 {
		<-h.hub.asked
	}
	h.hub.set(func() { h.hub.rows = []string{row("b", "unlocked", "1")} })
	told <- rest.Event{Kind: "twin", DeviceID: "b"}
	if got := v.doors("changes"); got != "b unlocked" {
		t.Errorf("changes %s", got)
	}
	if q := <-h.hub.asked; q != doorQuery+" WHERE deviceId IN ['b']" {
		t.Errorf("asked %s", q)
	}
	h.hub.set(func() { h.hub.rows = nil })
	told <- rest.Event{Kind: "lifecycle", DeviceID: "a", Operation: "deleteDeviceIdentity"}
	if got := v.doors("doors"); got != "b unlocked" {
		t.Errorf("after a was deleted: %s", got)
	}
}

func TestTooManyChanges(t *testing.T) {
	for _, tt := range []struct {
		devices, length, want int // -1: all are read
	}{{0, 1, 0}, {maxChanged, 3, maxChanged}, {maxChanged + 1, 3, -1}, {50, 128, -1}} {
		b := newBoard()
		for i := range tt.devices {
			b.change(fmt.Sprintf("%0*d", tt.length, i))
		}
		if ids := b.takeChanged(); len(ids) != max(tt.want, 0) || (ids == nil) != (tt.want < 0) {
			t.Errorf("%d devices of %d characters: %d are read", tt.devices, tt.length, len(ids))
		}
		if ids := b.takeChanged(); len(ids) != 0 {
			t.Errorf("they are taken twice: %v", ids)
		}
	}
}

func TestPace(t *testing.T) {
	var p pace
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for i := range saved {
		if w := p.wait(now); w != 0 {
			t.Fatalf("the %d. query waits for %s", i+1, w)
		}
		p.spend(3, now)
	}
	var waits []time.Duration
	for _, rows := range []int{0, 10000, 1} {
		w := p.wait(now)
		waits = append(waits, w)
		now = now.Add(w)
		p.spend(rows, now)
	}
	if want := []time.Duration{6 * time.Second, 6 * time.Second, 66 * time.Second}; !reflect.DeepEqual(waits, want) {
		t.Errorf("waits %v, want %v: ten queries a minute", waits, want)
	}
}

func TestTooManyPages(t *testing.T) {
	h := start(t)
	for range maxPages {
		h.look(t)
	}
	if res := h.request(t, "GET", "/api/stream", "", h.cookie); res.StatusCode != 503 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// A page that does not keep up is cut off, and holds nobody up.
func TestSlowPage(t *testing.T) {
	b := newBoard()
	go b.run(t.Context())
	slow, quick := b.join(t.Context()), b.join(t.Context())
	for range maxBehind + 1 {
		b.do(t.Context(), func(b *board) { b.tell("status", status{}) })
		<-quick.events
	}
	n := 0
	for range slow.events { // it ends
		n++
	}
	if n != maxBehind {
		t.Errorf("it had %d events, want %d", n, maxBehind)
	}
	left := 0
	b.do(t.Context(), func(b *board) { left = len(b.pages) })
	if left != 1 {
		t.Errorf("%d pages are left", left)
	}
}
