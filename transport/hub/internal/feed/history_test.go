package feed

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var idLine = regexp.MustCompile(`(?m)^id: (\S+)$`)

// listen opens a stream, calls do and closes the stream. It returns the stream and the id
// of its last event.
func listen(t *testing.T, f *Feed, query, lastID string, do func()) (text, id string) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	r := request(t, query).WithContext(ctx)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}

	var b strings.Builder
	ended := make(chan error)
	go func() { ended <- f.Serve(responseTo(&b), r, time.Now().Add(time.Hour)) }()
	synctest.Wait()
	do()
	synctest.Wait()
	leave()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	ids := idLine.FindAllStringSubmatch(b.String(), -1)
	if len(ids) == 0 {
		t.Fatalf("the stream has no id: %s", &b)
	}
	return b.String(), ids[len(ids)-1][1]
}

// TestResume checks which clients that connect again receive the events that they have
// missed. All others learn that events are missing.
func TestResume(t *testing.T) {
	send := func(f *Feed, texts ...string) {
		for _, text := range texts {
			f.Telemetry("d1", nil, []byte(text))
		}
	}
	many := strings.Repeat("x", 64<<10)

	for _, tt := range []struct {
		name    string
		query   string // of the second client
		pass    time.Duration
		missed  []string
		id      string // of the second client; empty means the last id of the first client
		resumed bool
	}{
		{"at once", "kind=telemetry", 0, []string{"two", "three"}, "", true},
		{"nothing was missed", "kind=telemetry", 0, nil, "", true},
		{"in time", "kind=telemetry", historyTime - 2*historyMargin, []string{"two"}, "", true},
		{"fewer kinds", "kind=telemetry", time.Second, []string{"two"}, "", true},
		{"too late", "kind=telemetry", historyTime, []string{"two"}, "", false},
		{"more kinds than before", "kind=telemetry,twin", 0, []string{"two"}, "", false},
		{"too many events", "kind=telemetry", 0, strings.Split(strings.Repeat(many+" ", 20)+"two", " "), "", false},
		{"another hub", "kind=telemetry", 0, []string{"two"}, "abc-1", false},
		{"an id of the future", "kind=telemetry", 0, []string{"two"}, "NAME-99", false},
		{"no id", "kind=telemetry", 0, []string{"two"}, "NAME-x", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := New(time.Now)
				_, id := listen(t, f, "kind=telemetry,lifecycle", "", func() { send(f, "one") })
				if tt.id != "" {
					id = strings.Replace(tt.id, "NAME", f.history.name, 1)
				}
				send(f, tt.missed...)
				time.Sleep(tt.pass)

				text, _ := listen(t, f, tt.query, id, func() { send(f, "last") })
				if !strings.Contains(text, fmt.Sprintf(`"resumed":%t`, tt.resumed)) {
					t.Errorf("want resumed %t: %.300s", tt.resumed, text)
				}
				want := 1 // the last event
				if tt.resumed {
					want += len(tt.missed)
				}
				if got := strings.Count(text, "event: telemetry"); got != want || strings.Contains(text, `"text":"one"`) || !strings.Contains(text, `"text":"last"`) {
					t.Errorf("%d events, want %d: %.300s", got, want, text)
				}
				if f.history.size > maxHistoryBytes {
					t.Errorf("the history has %d bytes", f.history.size)
				}
			})
		})
	}
}

// Without clients, the feed builds and keeps no events.
func TestNoHistoryWithoutClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		f.Telemetry("d1", nil, nil)
		listen(t, f, "kind=telemetry", "", func() {})
		f.Telemetry("d1", nil, nil)
		time.Sleep(historyTime)
		f.Telemetry("d1", nil, nil)
		if f.history.last != 1 || f.hasListener(twin) {
			t.Errorf("%d events were built, want one, which followed the client within %s", f.history.last, historyTime)
		}
	})
}
