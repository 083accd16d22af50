package events

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// limits returns bounds of n events for each queue.
func limits(n int) Limits {
	l := Limit{Events: n, Bytes: 1000 * n}
	return Limits{Important: l, Routine: l}
}

func openLog(t *testing.T, dir string, limit int) *Log {
	t.Helper()
	e := Open(dir, limits(limit), zap.NewNop())
	t.Cleanup(e.Close)
	return e
}

// put queues an event of that kind. Kinds that do not exist count as alarms.
func (l *Log) put(kind string) {
	l.Add([]Event{{Kind: kind, At: time.Unix(1795437432, 0).UTC()}}, func(error) {})
}

// names returns the kinds of the queued events, each with its count if it has one.
func (l *Log) names() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return kinds(l.content)
}

func kinds(c content) string {
	var names []string
	for _, e := range c.all() {
		name := e.Kind
		if e.Count != 0 {
			name += fmt.Sprintf("*%d", e.Count)
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// take removes the oldest event as if the hub had acknowledged it, and returns its id:
// the name of the store and the sequence number.
func (l *Log) take(t *testing.T) string {
	t.Helper()
	event := l.await(t)
	l.Sent(event)
	return fmt.Sprintf("%s-%d", l.Store(), event.Seq)
}

// await returns the oldest event once it is on disk.
func (l *Log) await(t *testing.T) Event {
	t.Helper()
	if l.Counts().Waiting == 0 {
		t.Fatal("no event is queued")
	}
	for {
		if event, ok := l.Next(); ok {
			return event
		}
		<-l.Added()
	}
}

// A new process finds the queued events in their order and none that was already
// sent, and no id is used twice.
func TestEventsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	ids := map[string]bool{}
	take := func(e *Log) {
		t.Helper()
		if id := e.take(t); ids[id] {
			t.Errorf("the id %s is used twice", id)
		} else {
			ids[id] = true
		}
	}

	e := openLog(t, dir, 10)
	for _, name := range []string{"a", "b", "c"} {
		e.put(name)
	}

	take(e)
	e.Close()

	e = openLog(t, dir, 10)
	if got := e.names(); got != "b c" {
		t.Errorf("queued after the restart: %s", got)
	}

	take(e)
	take(e)
	e.Close()

	e = openLog(t, dir, 10)
	if got := e.names(); got != "" {
		t.Errorf("queued after all were sent: %s", got)
	}

	e.put("d")
	take(e)
}

func TestOldestEventsAreDropped(t *testing.T) {
	dir := t.TempDir()
	e := openLog(t, dir, 3)
	for _, name := range []string{"a", "b", "c"} {
		e.put(name)
	}

	sending, _ := e.Next() // event a is being sent when it is dropped
	e.put("d")
	e.put("e")
	e.Sent(sending)
	check := func(e *Log, names string, dropped int64) {
		t.Helper()
		waiting, n := e.Counts().Waiting, e.Counts().Dropped.Important
		if e.names() != names || waiting != len(strings.Fields(names)) || n != dropped {
			t.Errorf("%d queued (%s), %d dropped; want %s, %d", waiting, e.names(), n, names, dropped)
		}
	}

	check(e, "c d e", 2)
	e.Close()
	e = openLog(t, dir, 3)
	check(e, "c d e", 2)
	e.Close()
	check(openLog(t, dir, 2), "d e", 3) // a smaller limit
}

// The events file never grows beyond its bound.
func TestEventsFileIsBounded(t *testing.T) {
	dir := t.TempDir()
	const limit = 10
	e := openLog(t, dir, limit)
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

	if most := limits(limit).maxFile(); len(text) > most {
		t.Errorf("the file has %d bytes, want at most %d", len(text), most)
	}
	if e := openLog(t, dir, limit); !strings.HasSuffix(e.names(), "event499") {
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
			e := Open(dir, limits(10), zap.New(core))
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

// A pipe in the place of the events file does not stop the agent.
func TestEventsFileIsAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, fileName), 0o600); err != nil {
		t.Fatal(err)
	}

	core, logs := observer.New(zapcore.WarnLevel)
	e := Open(dir, limits(10), zap.New(core))
	e.Close()
	if logs.FilterMessageSnippet("set aside").Len() != 1 {
		t.Errorf("logged: %v", logs.All())
	}
}

// While the disk is full, events stay in memory. When there is room again, all of
// them are written.
func TestEventsWithoutDisk(t *testing.T) {
	dir := t.TempDir()
	e := newLog(dir, limits(10), zap.NewNop())
	e.rewrite = false
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}

	f := file{Appender: full}
	e.put("a")
	if err := e.write(&f); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full disk: %v, want ENOSPC", err)
	}

	e.put("b")
	if err := e.write(&f); err != nil {
		t.Fatal(err)
	}

	e.put("c")
	if err := e.write(&f); err != nil {
		t.Fatal(err)
	}

	f.Close()
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if log, bad, err2 := parse(text, limits(10)); err != nil || err2 != nil || bad != 0 || len(log.all()) != 3 {
		t.Errorf("on disk: %s, %v, %v", text, err, err2)
	}
}

// If the state directory has disappeared, events are still queued, and one error is
// logged.
func TestEventsWithoutDirectory(t *testing.T) {
	core, logs := observer.New(zapcore.ErrorLevel)
	e := Open(filepath.Join(t.TempDir(), "gone"), limits(10), zap.New(core))
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

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"store":"s","next":1,"dropped":0}` + "\n" + `{"seq":1,"event":"locked","position":"locked"}` + "\n" + `{"through":1,"dropped":0}` + "\n"))
	f.Add([]byte(`{"version":1,"store":"s"}` + "\n" + `{"seq":18446744073709551615,"event":"a"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		log, _, err := parse(text, DefaultLimits)
		if err != nil {
			return
		}

		queue := log.all()
		for i, e := range queue {
			if e.Kind == "" || e.Seq >= log.next && log.next != 0 || i > 0 && e.Seq <= queue[i-1].Seq {
				t.Fatalf("event %d is %+v, next is %d", i, e, log.next)
			}
		}

		again, bad, err := parse(log.text(), DefaultLimits)
		if err != nil || bad != 0 || again.next != log.next || len(again.all()) != len(queue) {
			t.Fatalf("read back %+v, %d bad lines, %v; wrote %+v", again, bad, err, log)
		}
	})
}
