package events

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// command returns the event of a command; code is empty if it was carried out.
func command(name, by, code string) Event {
	return Event{Kind: "command", Name: name, By: by, Code: code, Origin: "remote"}
}

// exit returns the event of an exit. repeats marks another exit in the same release.
func exit(repeats bool) Event {
	return Event{Kind: "command", Name: "unlockDoor", Origin: "exit", Repeats: repeats}
}

func (l *Log) addAll(events ...Event) {
	for _, e := range events {
		l.Add([]Event{e}, func(error) {})
	}
}

// A contact that chatters fills the queue of routine events and displaces no command.
func TestChatteringContactDisplacesNoCommand(t *testing.T) {
	t.Parallel()
	l := openLog(t, t.TempDir(), 3)
	l.addAll(command("lockDoor", "", ""), Event{Kind: "forced"})
	for range 1200 {
		l.put("doorOpened")
		l.put("doorClosed")
	}

	if got := l.names(); got != "command forced doorClosed doorOpened doorClosed" {
		t.Errorf("queued: %s", got)
	}
	if d := l.Counts().Dropped; d != (Dropped{Routine: 2397}) {
		t.Errorf("dropped %+v, want 2397 routine events", d)
	}
}

// The sender gets the events of both queues in the order in which they happened.
func TestOldestOfBothQueuesIsNext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, dir, 10)
	for _, kind := range []string{"unlocked", "command", "doorOpened", "forced", "doorClosed"} {
		l.put(kind)
	}
	l.take(t)
	l.take(t)
	l.Close()

	l = openLog(t, dir, 10)
	for _, want := range []string{"doorOpened", "forced", "doorClosed"} {
		if e := l.await(t); e.Kind != want {
			t.Errorf("next is %+v, want %s", e, want)
		}
		l.take(t)
	}
}

// A full queue drops the oldest refused command first, and otherwise its oldest event.
func TestRefusalsAreDroppedFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, dir, 3)
	l.addAll(command("lockDoor", "a", ""), command("unlockDoor", "b", "too-soon"), command("lockDoor", "c", ""), Event{Kind: "jammed"})
	check := func(want string) {
		t.Helper()
		var who []string
		for _, e := range l.content.all() {
			who = append(who, e.By+e.Kind[:1])
		}
		if got := strings.Join(who, " "); got != want {
			t.Errorf("queued: %s; want %s", got, want)
		}
	}

	check("ac cc j") // b was refused
	l.addAll(command("unlockDoor", "d", "lockdown"))
	check("ac cc j") // only d was refused
	l.addAll(Event{Kind: "forced"})
	check("cc j f")
	if n := l.Counts().Dropped.Important; n != 3 {
		t.Errorf("%d dropped, want 3", n)
	}

	l.Close()
	l = openLog(t, dir, 3)
	check("cc j f")
}

// A queue is bounded in bytes too.
func TestQueueIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	l := Open("", Limits{Important: Limit{Events: 100, Bytes: 1000}, Routine: Limit{Events: 100, Bytes: 1000}}, zap.NewNop())
	for range 50 {
		l.addAll(Event{Kind: "command", Name: "lockDoor", Reason: strings.Repeat("x", 200)})
	}

	q := &l.content.important
	size := 0
	for _, e := range q.events {
		text, err := json.Marshal(e.Event)
		if err != nil {
			t.Fatal(err)
		}
		size += len(text) + 1
	}
	if size > 1000 || size != q.bytes || len(q.events) != 3 {
		t.Errorf("%d events with %d bytes are queued; the queue counts %d", len(q.events), size, q.bytes)
	}
}

// Equal refusals that follow each other, and exits within one release, become one event
// with a count, unless the hub may have that event already.
func TestEqualEventsMerge(t *testing.T) {
	t.Parallel()
	refused := command("unlockDoor", "ann", "lockdown")
	for name, test := range map[string]struct {
		events []Event
		want   string
	}{
		"equal refusals":              {[]Event{refused, refused, refused}, "command*3"},
		"refusals of another person":  {[]Event{refused, command("unlockDoor", "bob", "lockdown"), refused}, "command command command"},
		"refusals for another cause":  {[]Event{refused, command("unlockDoor", "ann", "too-soon")}, "command command"},
		"refusals around an alarm":    {[]Event{refused, {Kind: "forced"}, refused}, "command forced command"},
		"refusals around the routine": {[]Event{refused, {Kind: "doorOpened"}, refused}, "command*2 doorOpened"},
		"commands":                    {[]Event{command("lockDoor", "ann", ""), command("lockDoor", "ann", "")}, "command command"},
		"exits in one release":        {[]Event{exit(false), {Kind: "unlocked"}, exit(true), exit(true)}, "command*3 unlocked"},
		"exits in two releases":       {[]Event{exit(false), exit(false)}, "command command"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openLog(t, dir, 10)
			l.addAll(test.events...)
			if got := l.names(); got != test.want {
				t.Errorf("queued: %s; want %s", got, test.want)
			}

			l.Close()
			if got := openLog(t, dir, 10).names(); got != test.want {
				t.Errorf("queued after a restart: %s; want %s", got, test.want)
			}
		})
	}
}

// The hub may have an event that was handed to the sender, by this process or the
// previous one, so such an event does not change any more.
func TestHandedEventsDoNotMerge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	refused := command("unlockDoor", "", "lockdown")
	l := openLog(t, dir, 10)
	l.addAll(refused)
	l.await(t)
	l.addAll(refused, refused)
	if got := l.names(); got != "command command*2" {
		t.Errorf("queued: %s", got)
	}

	l.Close()
	l = openLog(t, dir, 10)
	l.addAll(refused)
	if got := l.names(); got != "command command*2 command" {
		t.Errorf("queued after a restart: %s", got)
	}
}

// An upgrade loses no event of a file of version 1.
func TestFileOfVersion1(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const old = `{"version":1,"store":"old","next":3,"dropped":4,"bolt":"locked","door":"doorClosed"}
{"seq":3,"event":"unlocked","at":"2026-11-24T00:00:00Z","position":"unlocked","source":"sensor","command":"unlockDoor","reason":"night"}
{"seq":4,"event":"doorOpened","at":"2026-11-24T00:00:01Z"}
{"bolt":"unlocked"}
{"seq":5,"event":"started","at":"2026-11-24T00:00:02Z","version":"1.0.0"}
{"through":3,"dropped":5}
{"seq":6,"event":"forced","at":"2026-11-24T00:00:03Z","position":"unlocked"}
`
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}

	l := openLog(t, dir, 10)
	if got := l.names(); got != "doorOpened started forced" {
		t.Errorf("queued: %s", got)
	}
	if d := l.Counts().Dropped; d != (Dropped{Routine: 5}) {
		t.Errorf("dropped: %+v", d)
	}
	if id := l.take(t); id != "old-4" {
		t.Errorf("the oldest event has the id %s", id)
	}

	l.put("jammed")
	l.Close()
	file, err := Read(dir)
	if err != nil || file.Unreadable != 0 || len(file.Events) != 3 || file.Events[2].Seq != 7 {
		t.Errorf("rewritten: %+v, %v", file, err)
	}
}

// Add calls its function when the event is on disk, and in the order of the calls.
func TestAddedEventsAreOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, dir, 10)
	done := make(chan int, 2)
	l.Add([]Event{{Kind: "jammed"}}, func(err error) {
		file, readErr := Read(dir)
		if err != nil || readErr != nil || len(file.Events) != 1 {
			t.Errorf("done is called with %v, but the file has %+v, %v", err, file, readErr)
		}
		done <- 1
	})
	l.Add(nil, func(error) { done <- 2 })

	if first, second := <-done, <-done; first != 1 || second != 2 {
		t.Errorf("called in the order %d %d", first, second)
	}
}

// After a failed write, the log tells the caller, and writes again by itself.
func TestFailedWriteIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := Open(dir, limits(10), zap.NewNop())
		defer l.Close()
		synctest.Wait()
		blocked := filepath.Join(dir, fileName+".new", "x") // a directory in the new file's place blocks writes
		if err := os.MkdirAll(blocked, 0o700); err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		l.rewrite = true
		l.mu.Unlock()

		failed := make(chan error, 1)
		l.Add([]Event{{Kind: "jammed"}}, func(err error) { failed <- err })
		if err := <-failed; err == nil {
			t.Fatal("the failed write is reported as successful")
		}
		if n := l.Counts().Errors; n != 1 {
			t.Errorf("%d errors are counted, want 1", n)
		}

		if err := os.RemoveAll(filepath.Dir(blocked)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeRetry)
		synctest.Wait()
		if file, err := Read(dir); err != nil || len(file.Events) != 1 {
			t.Errorf("on disk: %+v, %v", file, err)
		}
	})
}

// A disk that hangs does not fill the memory.
func TestHungDiskIsBounded(t *testing.T) {
	t.Parallel()
	l := newLog(t.TempDir(), limits(10), zap.NewNop()) // nothing writes
	l.rewrite = false
	failed := 0
	for range 10_000 {
		l.Add([]Event{{Kind: "jammed"}}, func(err error) {
			if err != nil {
				failed++
			}
		})
	}

	if len(l.lines) > l.maxFile || len(l.content.important.events) > 10 || failed < 8_000 {
		t.Errorf("%d bytes and %d events wait, and %d callers were told", len(l.lines), len(l.content.important.events), failed)
	}
	var f file
	if err := l.write(&f); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, bad, err := parse(l.content.text(), limits(10)); err != nil || bad != 0 || len(c.all()) != 10 {
		t.Errorf("written: %s, %d bad lines, %v", kinds(c), bad, err)
	}
}
