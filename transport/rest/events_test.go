package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// someEvents is a stream of server-sent events: three events and a keep-alive line.
const someEvents = `id: abc-7
event: ready
data: {"time":"2026-01-01T12:00:00Z","kinds":["twin","lifecycle"]}

:

event: lifecycle
data: {"time":"2026-01-01T12:00:00Z","deviceId":"front","operation":"deviceConnected"}

event: job
data: {"time":"2026-01-01T12:00:00Z","job":{"jobId":"j","status":"running"}}

`

// events reads a stream to its end. It returns the events and the number of lines in
// the stream.
func events(stream io.Reader) (all []Event, lines int, err error) {
	for e, end := range readEvents(stream, func() { lines++ }) {
		if end != nil {
			return all, lines, end
		}
		all = append(all, e)
	}
	return all, lines, nil
}

func TestReadEvents(t *testing.T) {
	t.Parallel()

	all, lines, err := events(strings.NewReader(someEvents))
	if len(all) != 3 || !errors.Is(err, io.ErrUnexpectedEOF) || lines != 12 {
		t.Fatalf("%d events in %d lines, %v", len(all), lines, err)
	}
	if all[0].Kind != "ready" || all[0].ID != "abc-7" || all[1].ID != "" || all[1].Kind != "lifecycle" || all[1].DeviceID != "front" || all[1].Operation != "deviceConnected" || all[1].Time.Hour() != 12 ||
		all[2].Kind != "job" || all[2].Job.JobID != "j" || all[2].Job.Status != iothub.JobRunning {
		t.Errorf("events %+v", all)
	}

	for _, tt := range []struct{ name, stream, want string }{
		{"the hub's end", "event: end\ndata: {\"reason\":\"the token has expired\"}\n\nevent: ready\ndata: {}\n\n", "the token has expired: EOF"},
		{"an end without a reason", "event: end\ndata: {\"reason\":[]}\n\n", "EOF"},
		{"no JSON", "event: twin\ndata: x\n\n", `invalid event "twin"`},
		{"no data", "event: twin\n\n", "invalid event"},
		{"an endless line", "data: " + strings.Repeat("x", maxEvent+1), "token too long"},
	} {
		if all, _, err := events(strings.NewReader(tt.stream)); len(all) > 0 || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want %q", tt.name, all, err, tt.want)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, someEvents)
		http.NewResponseController(w).Flush()
		<-r.Context().Done() // keep the stream open until the client closes it
	})

	var traced []string
	c, _ := hub.client(t, func(o *Options) { o.Trace = func(line string) { traced = append(traced, line) } })
	var kinds []string

	for e, err := range c.Events(t.Context(), "twin", "lifecycle") {
		if err != nil {
			t.Fatal(err)
		}
		if kinds = append(kinds, e.Kind); len(kinds) == 3 {
			break
		}
	}

	if got := strings.Join(kinds, " "); got != "ready lifecycle job" {
		t.Errorf("kinds %s", got)
	}
	if uri := hub.recorded()[0].URI; uri != "/events?api-version=2021-04-12&kind=twin%2Clifecycle" {
		t.Errorf("requested %s", uri)
	}
	if text := strings.Join(traced, "\n"); !strings.Contains(text, "> GET https://") || strings.Contains(text, "sig=") {
		t.Errorf("trace %s", text)
	}
}

// A client that has seen an event can ask for those that follow it. An id that does not fit
// into a header is ignored.
func TestEventsAfter(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "id: %s\nevent: ready\ndata: {\"resumed\":true}\n\nid: a b\nevent: job\ndata: {}\n\nid: %s\nevent: job\ndata: {}\n\n",
			r.Header.Get("Last-Event-ID"), strings.Repeat("x", maxEventID+1))
	})
	c, _ := hub.client(t)

	var all []Event
	for e, err := range c.EventsAfter(t.Context(), "abc-7", "job") {
		if err == nil {
			all = append(all, e)
		}
	}
	if len(all) != 3 || all[0].ID != "abc-7" || !all[0].Resumed || all[1].ID != "" || all[2].ID != "" {
		t.Errorf("events %+v", all)
	}
}

// IoT Hub has no stream of events. The client must return IoT Hub's refusal.
func TestEventsRefused(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) })
	c, _ := hub.client(t)
	n := 0

	for _, err := range c.Events(t.Context(), "twin") {
		n++
		if refusal, ok := errors.AsType[*iothub.Error](err); !ok || refusal.Status != 404 {
			t.Errorf("error %v", err)
		}
	}

	if n != 1 {
		t.Errorf("the sequence has %d elements, want 1", n)
	}
}

// FuzzReadEvents checks that readEvents always ends with an error and that every event
// has a kind.
func FuzzReadEvents(f *testing.F) {
	f.Add(someEvents)
	f.Add("event:x\ndata:{}\n\nevent: end\ndata: {}\n\n")

	f.Fuzz(func(t *testing.T, stream string) {
		all, _, err := events(strings.NewReader(stream))
		if err == nil {
			t.Error("the sequence ended without an error")
		}
		for _, e := range all {
			if e.Kind == "" || e.Kind == "end" {
				t.Errorf("event %+v", e)
			}
		}
	})
}
