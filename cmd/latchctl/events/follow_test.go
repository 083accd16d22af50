package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// A step is an event of the fake hub's stream, the error that ends the stream, or a
// reading of the doors.
type step struct {
	event rest.Event
	err   error
	wait  time.Duration // passes before the step
}

// fakeHub streams a list of events for each connection, and answers each reading of the
// doors with the next list of doors, the last one again and again.
type fakeHub struct {
	streams [][]step
	doors   [][]door.Door
	fails   map[int]error // errors of the readings of the doors, by number
	reads   int
	asked   []string // id in each request for the stream
}

func (h *fakeHub) EventsAfter(ctx context.Context, id string, kinds ...string) iter.Seq2[rest.Event, error] {
	return func(yield func(rest.Event, error) bool) {
		h.asked = append(h.asked, id)
		if len(h.streams) == 0 {
			yield(rest.Event{}, errors.New("no more streams"))
			return
		}
		steps := h.streams[0]
		h.streams = h.streams[1:]
		for _, s := range steps {
			time.Sleep(s.wait)
			if !yield(s.event, s.err) || s.err != nil {
				return
			}
		}
	}
}

func (h *fakeHub) readDoors(context.Context) ([]door.Door, error) {
	h.reads++
	if len(h.doors) == 0 {
		return nil, h.fails[h.reads]
	}
	return h.doors[min(h.reads, len(h.doors))-1], h.fails[h.reads]
}

// follow runs Follow on the fake hub until the hub has no more streams or 10 minutes have
// passed. It returns the events and notes, one per line.
func (h *fakeHub) follow(t *testing.T, change func(*Options)) (string, error) {
	t.Helper()
	var text strings.Builder
	var err error

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		clock := func(at time.Time) string { return at.UTC().Format(time.TimeOnly) }
		opts := Options{
			Hub: h, Doors: h.readDoors, All: true, Now: time.Now, Time: clock,
			Sleep: func(ctx context.Context, d time.Duration) error {
				select {
				case <-time.After(d):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			},
			Note: func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) },
		}
		if change != nil {
			change(&opts)
		}
		err = Follow(ctx, opts, func(e Event) error {
			fmt.Fprintf(&text, "%s %s %s\n", clock(e.Time), e.DeviceID, e.Type)
			if e.Type == "started" {
				return ErrDone
			}
			return nil
		})
	})

	return text.String(), err
}

var (
	ready = step{event: rest.Event{Kind: "ready"}}
	ended = step{err: fmt.Errorf("the token has expired: %w", io.EOF), wait: time.Minute}
	stop  = sent("front", "started")
)

func sent(id, kind string) step {
	e := telemetry(fmt.Sprintf(`{"event":%q}`, kind))
	e.DeviceID = id
	return step{event: e}
}

// After a gap, Follow says between which times events may be missing.
func TestReconnect(t *testing.T) {
	t.Parallel()
	h := &fakeHub{streams: [][]step{
		{ready, sent("front", "forced"), ended},
		{{err: &iothub.Error{Status: 503, Message: "the hub is starting"}}},
		{ready, sent("side", "locked"), stop},
	}}

	got, err := h.follow(t, nil)
	want := `12:00:00 front forced
note: the token has expired: EOF; connecting again
note: connected again; events between 00:01:00 and 00:01:03 may be missing, because the hub no longer has them
12:00:00 side locked
12:00:00 front started
`
	if got != want || err != nil {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

// Follow continues where it was if the hub still has the events of the gap.
func TestResume(t *testing.T) {
	t.Parallel()
	first, again := ready, ready
	first.event.ID = "a-1"
	again.event.ID, again.event.Resumed = "a-2", true
	forced, locked := sent("front", "forced"), sent("side", "locked")
	forced.event.ID, locked.event.ID = "a-2", "a-3"
	h := &fakeHub{streams: [][]step{{first, forced, ended}, {again, locked, stop}}}

	got, err := h.follow(t, nil)
	want := `12:00:00 front forced
note: the token has expired: EOF; connecting again
note: connected again; no event is missing
12:00:00 side locked
12:00:00 front started
`
	if got != want || err != nil || strings.Join(h.asked, " ") != " a-2" {
		t.Errorf("asked %q, got %v\n%s\nwant\n%s", h.asked, err, got, want)
	}
}

// The doors that meet the condition are read again for a door that is not known, at most
// once a minute.
func TestFilter(t *testing.T) {
	t.Parallel()
	later := sent("side", "locked")
	later.wait = 2 * time.Minute
	h := &fakeHub{
		streams: [][]step{{ready, sent("front", "forced"), sent("side", "locked"), sent("side", "unlocked"), later, sent("front", "unlocked"), stop}},
		doors:   [][]door.Door{{{ID: "front"}}, {{ID: "front"}, {ID: "side"}}},
	}

	got, err := h.follow(t, func(o *Options) { o.All, o.Types = false, []string{"forced", "locked", "started"} })
	if want := "12:00:00 front forced\n12:00:00 side locked\n12:00:00 front started\n"; got != want || err != nil || h.reads != 2 {
		t.Errorf("%d readings, %v\n%s\nwant\n%s", h.reads, err, got, want)
	}
}

// Errors that no repetition can heal end Follow.
func TestRefused(t *testing.T) {
	t.Parallel()
	forbidden := &iothub.Error{Status: 403, Message: "no right"}
	for name, h := range map[string]*fakeHub{
		"at once":          {streams: [][]step{{{err: forbidden}}}},
		"at a second time": {streams: [][]step{{ready, ended}, {{err: forbidden}}}},
		"the doors":        {streams: [][]step{{ready, stop}}, fails: map[int]error{1: forbidden}},
		"the twins":        {streams: [][]step{{{err: &iothub.Error{Status: 404}}}}, fails: map[int]error{1: forbidden}},
	} {
		if _, err := h.follow(t, func(o *Options) { o.All = false }); !errors.Is(err, error(forbidden)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A hub without a stream is asked for the twins. Follow says what it cannot see, and
// survives an outage.
func TestPoll(t *testing.T) {
	t.Parallel()
	busy := &iothub.Error{Status: 429, Message: "busy"}
	locked := door.Door{ID: "front", Position: "locked", Connected: true}
	unlocked := door.Door{ID: "front", Position: "unlocked", Connected: true}
	h := &fakeHub{
		streams: [][]step{{{err: &iothub.Error{Status: 404}}}},
		doors:   [][]door.Door{{locked}, {locked}, nil, {unlocked, {ID: "new", Forced: true}}, {unlocked}},
		fails:   map[int]error{3: busy},
	}

	got, err := h.follow(t, nil)
	want := `note: this hub does not stream events, so latchctl reads the doors' twins every 10 s. It cannot see who moved a door, uses of the exit input, and changes that a door reverses in between; the times are those of the readings
note: ` + busy.Error() + `; trying again
note: the hub answers again; latchctl read no twins between 00:00:20 and 00:00:30
00:00:30 front unlocked
`
	if got != want || err != nil {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if h.reads > 61 { // one at the start, then one every 10 seconds for 10 minutes
		t.Errorf("%d readings in 10 minutes", h.reads)
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	for doors, want := range map[int]time.Duration{0: 10 * time.Second, 999: 10 * time.Second, 1000: 12 * time.Second, 10_000: 66 * time.Second} {
		if got := interval(doors); got != want {
			t.Errorf("%d doors: %s, want %s", doors, got, want)
		}
	}
}
