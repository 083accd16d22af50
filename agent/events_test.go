package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/transport/iothub"
)

func openEvents(t *testing.T, dir string, limit int) *Events {
	t.Helper()
	e := OpenEvents(dir, limit, zap.NewNop())
	t.Cleanup(e.Close)
	return e
}

// put queues an event of that name.
func (e *Events) put(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(Event{Name: name, At: time.Unix(1795437432, 0).UTC()})
}

// names returns the names of the queued events.
func (e *Events) names() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, event := range e.content.queue {
		names = append(names, event.Name)
	}
	return strings.Join(names, " ")
}

// take removes the oldest event as if the hub had acknowledged it, and returns the
// id of its message.
func (e *Events) take(t *testing.T) string {
	t.Helper()
	event, store, ok := e.oldest()
	if !ok {
		t.Fatal("no event is queued")
	}
	m, err := event.message(store)
	if err != nil {
		t.Fatal(err)
	}
	e.sent(event)
	return m.ID
}

// A new process finds the queued events in their order and none that was already
// sent, and no message id is used twice.
func TestEventsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	ids := map[string]bool{}
	take := func(e *Events) {
		t.Helper()
		if id := e.take(t); ids[id] {
			t.Errorf("the message id %s is used twice", id)
		} else {
			ids[id] = true
		}
	}

	e := openEvents(t, dir, 10)
	for _, name := range []string{"a", "b", "c"} {
		e.put(name)
	}

	take(e)
	e.Close()

	e = openEvents(t, dir, 10)
	if got := e.names(); got != "b c" {
		t.Errorf("queued after the restart: %s", got)
	}

	take(e)
	take(e)
	e.Close()

	e = openEvents(t, dir, 10)
	if got := e.names(); got != "" {
		t.Errorf("queued after all were sent: %s", got)
	}

	e.put("d")
	take(e)
}

func TestOldestEventsAreDropped(t *testing.T) {
	dir := t.TempDir()
	e := openEvents(t, dir, 3)
	for _, name := range []string{"a", "b", "c"} {
		e.put(name)
	}

	sending, _, _ := e.oldest() // event a is being sent when it is dropped
	e.put("d")
	e.put("e")
	e.sent(sending)
	check := func(e *Events, names string, dropped int64) {
		t.Helper()
		if waiting, n := e.Counts(); e.names() != names || waiting != len(strings.Fields(names)) || n != dropped {
			t.Errorf("%d queued (%s), %d dropped; want %s, %d", waiting, e.names(), n, names, dropped)
		}
	}

	check(e, "c d e", 2)
	e.Close()
	e = openEvents(t, dir, 3)
	check(e, "c d e", 2)
	e.Close()
	check(openEvents(t, dir, 2), "d e", 3) // a smaller limit
}

// The events file never grows beyond its bound.
func TestEventsFileIsBounded(t *testing.T) {
	dir := t.TempDir()
	const limit = 10
	e := openEvents(t, dir, limit)
	for i := range 50 * limit {
		e.put(fmt.Sprint("event", i))
		if i%3 != 0 {
			e.take(t)
		}
	}

	e.Close()
	text, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}

	// Events that arrive during a rewrite are appended at once, so the file may exceed
	// the bound by that much.
	if lines := bytes.Count(text, []byte("\n")); lines > 3*eventsRewrite*limit {
		t.Errorf("the file has %d lines", lines)
	}
	if e := openEvents(t, dir, limit); !strings.HasSuffix(e.names(), "event499") {
		t.Errorf("queued: %s", e.names())
	}
}

// A torn or garbled line loses only its own event. An unusable file loses its events
// but does not stop the agent.
func TestEventsFileIsDamaged(t *testing.T) {
	const (
		head = `{"version":1,"store":"s","next":4,"dropped":0}` + "\n"
		a    = `{"seq":1,"event":"a","at":"2026-11-24T00:00:00Z"}` + "\n"
		b    = `{"seq":2,"event":"b","at":"2026-11-24T00:00:00Z"}` + "\n"
		c    = `{"seq":3,"event":"c","at":"2026-11-24T00:00:00Z"}` + "\n"
	)

	for _, test := range []struct {
		name, text, want string
		warned           string
	}{
		{"whole", head + a + b + c, "a b c", ""},
		{"torn at the end", head + a + b + c[:20], "a b", "the events file has unreadable lines"},
		{"zeros of a power cut", head + a + strings.Repeat("\x00", 30), "a", "the events file has unreadable lines"},
		{"garbled in the middle", head + a + "{\n" + c, "a c", "the events file has unreadable lines"},
		{"something else in the middle", head + a + "{}\n" + c, "a c", "the events file has unreadable lines"},
		{"an event twice", head + a + b + a, "a b", "the events file has unreadable lines"},
		{"first sighting of the bolt", head + `{"bolt":"locked"}` + "\n" + a, "a", ""},
		{"marked", head + a + b + `{"through":2,"dropped":1}` + "\n" + c, "c", ""},
		{"empty", "", "", "set aside"},
		{"of a later version", strings.Replace(head, "1", "9", 1) + a, "", "set aside"},
		{"without a name", strings.Replace(head, `"s"`, `""`, 1) + a, "", "set aside"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "events.jsonl")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}

			core, logs := observer.New(zapcore.WarnLevel)
			e := OpenEvents(dir, 10, zap.New(core))
			defer e.Close()
			if e.names() != test.want {
				t.Errorf("queued: %s; want %s", e.names(), test.want)
			}
			if warned := logs.FilterMessageSnippet(test.warned).Len(); warned != logs.Len() || (test.warned != "") != (warned == 1) {
				t.Errorf("logged: %v", logs.All())
			}
			if kept, err := os.ReadFile(file + ".bad"); test.warned == "set aside" && (err != nil || string(kept) != test.text) {
				t.Errorf("set aside: %q, %v", kept, err)
			}
		})
	}
}

// While the disk is full, events stay in memory. When there is room again, all of
// them are written.
func TestEventsWithoutDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	e := &Events{path: path, limit: 10, added: make(chan struct{}, 1), wake: make(chan struct{}, 1), content: eventLog{store: "s", next: 1}}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}

	file := eventsFile{File: full, lines: 1}
	e.put("a")
	if err := e.write(&file); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full disk: %v, want ENOSPC", err)
	}

	e.put("b")
	if err := e.write(&file); err != nil {
		t.Fatal(err)
	}

	e.put("c")
	if err := e.write(&file); err != nil {
		t.Fatal(err)
	}

	file.Close()
	text, err := os.ReadFile(path)
	if log, bad, err2 := readEvents(text); err != nil || err2 != nil || bad != 0 || len(log.queue) != 3 {
		t.Errorf("on disk: %s, %v, %v", text, err, err2)
	}
}

// If the state directory has disappeared, events are still queued, and one error is
// logged.
func TestEventsWithoutDirectory(t *testing.T) {
	core, logs := observer.New(zapcore.ErrorLevel)
	e := OpenEvents(filepath.Join(t.TempDir(), "gone"), 10, zap.New(core))
	e.put("a")
	e.put("b")
	if e.names() != "a b" {
		t.Errorf("queued: %s", e.names())
	}
	e.Close()
	if logs.Len() != 1 || !strings.Contains(logs.All()[0].Message, "cannot write the events file") {
		t.Errorf("logged: %v", logs.All())
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add([]byte(`{"version":1,"store":"s","next":1,"dropped":0}` + "\n" + `{"seq":1,"event":"locked","position":"locked"}` + "\n" + `{"through":1,"dropped":0}` + "\n"))
	f.Add([]byte(`{"version":1,"store":"s"}` + "\n" + `{"seq":18446744073709551615,"event":"a"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		log, _, err := readEvents(text)
		if err != nil {
			return
		}

		for i, e := range log.queue {
			if e.Name == "" || e.Seq >= log.next && log.next != 0 || i > 0 && e.Seq <= log.queue[i-1].Seq {
				t.Fatalf("event %d is %+v, next is %d", i, e, log.next)
			}
		}

		again, bad, err := readEvents(log.text())
		if err != nil || bad != 0 || again.next != log.next || len(again.queue) != len(log.queue) {
			t.Fatalf("read back %+v, %d bad lines, %v; wrote %+v", again, bad, err, log)
		}
	})
}

// sendEvents sends the oldest event first, and sends each event again until the hub
// has acknowledged it.
func TestEventsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openEvents(t, "", 10)
		e.mu.Lock()
		e.add(Event{Name: EventStarted, At: time.Unix(1795437432, 0).UTC(), Version: "1.2.3"})
		e.mu.Unlock()
		e.put("a")
		h, failures := newHub(newTwin), 2
		h.send = func(iothub.Message) error {
			if failures > 0 {
				failures--
				return errors.New("the hub did not answer")
			}
			return nil
		}

		a := &Agent{config: Config{Events: e, Log: zap.NewNop(), Rand: func() float64 { return 0 }}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		began := time.Now()
		go func() { defer close(ended); a.sendEvents(ctx, h) }()

		m := <-h.messages
		if waited := time.Since(began); waited != 2500*time.Millisecond+5*time.Second {
			t.Errorf("sent for the third time after %s", waited)
		}

		const body = `{"seq":1,"event":"started","at":"2026-11-23T12:37:12Z","version":"1.2.3"}`
		if string(m.Body) != body || m.ContentType != "application/json" || m.ContentEncoding != "utf-8" {
			t.Errorf("got %s %s %s", m.Body, m.ContentType, m.ContentEncoding)
		}
		if name, _ := m.Properties.Get("event"); name != "started" || m.ID != e.content.store+"-1" {
			t.Errorf("properties %v, id %s", m.Properties, m.ID)
		}

		<-h.messages
		synctest.Wait()
		if waiting, _ := e.Counts(); waiting != 0 {
			t.Errorf("%d events are still queued", waiting)
		}

		e.put("b") // while nothing is being sent
		if m := <-h.messages; !strings.Contains(string(m.Body), `"event":"b"`) {
			t.Errorf("got %s", m.Body)
		}

		stop()
		<-ended
	})
}

// With a whole door, the motion of a method becomes an event, and the agent sends it
// on the same link.
func TestEventsOfADoor(t *testing.T) {
	e := openEvents(t, "", 10)
	d, h := newDoorWith(t, "", mock.None, actuator.Locked, e), newHub(newTwin)
	d.config.Events = e
	d.serve(t, h)
	if status, answer := h.call(t, "unlockDoor", "null"); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	if m := <-h.messages; !strings.Contains(string(m.Body), `"event":"unlocked"`) {
		t.Errorf("got %s", m.Body)
	}
}
