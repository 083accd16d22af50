package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	// firstPause and lastPause are the shortest and the longest pause before Follow
	// connects again.
	firstPause = time.Second
	lastPause  = time.Minute

	// refilterPause is the minimum time between two readings of the doors that the user has
	// selected.
	refilterPause = time.Minute

	// pollInterval is the minimum time between two readings of the twins. timePerQuery is
	// the time that each 1,000 doors add to it.
	pollInterval = 10 * time.Second
	timePerQuery = 6 * time.Second
	rowsPerQuery = 1000
)

// Hub is the part of the service API that streams events. [*rest.Client] implements Hub.
type Hub interface {
	EventsAfter(ctx context.Context, id string, kinds ...string) iter.Seq2[rest.Event, error]
}

var _ Hub = (*rest.Client)(nil)

// Options configures Follow.
type Options struct {
	Hub   Hub
	Doors func(context.Context) ([]door.Door, error) // reads the selected doors
	All   bool                                       // all doors are selected, also those that the hub will create
	Types []string                                   // types of the events to show; empty means all

	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	Note  func(format string, args ...any) // tells the user something about the stream itself
	Time  func(time.Time) string           // formats a time for a note
}

// ErrDone ends Follow without an error, if show returns it.
var ErrDone = errors.New("enough events")

// Follow passes the events of the selected doors to show, from now on. It returns nil when
// ctx ends or show returns ErrDone, and any other error of show. It returns an error of the
// hub that does not allow for a repetition.
func Follow(ctx context.Context, opts Options, show func(Event) error) error {
	f := &follower{Options: opts, show: show}
	err := f.follow(ctx)
	if isNotServed(err) && !f.connected {
		err = f.poll(ctx)
	}

	if ctx.Err() != nil || errors.Is(err, ErrDone) {
		return nil
	}
	return err
}

// isNotServed reports whether the hub has no stream of events.
func isNotServed(err error) bool {
	refusal, ok := errors.AsType[*iothub.Error](err)
	return ok && slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, refusal.Status)
}

// ownError is an error of the functions show and Doors. Unlike the end of a stream, it is
// not a reason to connect again.
type ownError struct{ error }

func (e ownError) Unwrap() error { return e.error }

// follower is the state of one call of Follow.
type follower struct {
	Options
	show func(Event) error

	connected bool      // the hub has opened the stream at least once
	lostAt    time.Time // time at which the stream was lost; zero while it is open
	lastID    string    // id of the latest event; empty if the hub sends no ids

	selected map[string]bool // ids of the selected doors
	readAt   time.Time       // time of the last reading of selected
}

// follow reads the hub's stream, and connects again when it ends.
func (f *follower) follow(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		opened, err := f.read(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, own := errors.AsType[ownError](err); own || !opened {
			if !f.connected || !watch.Retryable(err) {
				return err
			}
		}

		if opened {
			pause = firstPause
		}
		if f.lostAt.IsZero() {
			f.lostAt = f.Now()
			f.Note("note: %v; connecting again", err)
		}
		if err := f.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// read reads the stream until it ends. opened is true if the hub has opened the stream.
func (f *follower) read(ctx context.Context) (opened bool, err error) {
	for h, err := range f.Hub.EventsAfter(ctx, f.lastID, "telemetry", "lifecycle") {
		if err != nil {
			return opened, err
		}
		f.lastID = h.ID
		if h.Kind == "ready" {
			opened, f.connected = true, true
			if err := f.handleReady(ctx, h.Resumed); err != nil {
				return opened, err
			}
			continue
		}

		e, ok := fromHub(h)
		if !ok || !f.wants(e) {
			continue
		}
		isSelected, err := f.isSelected(ctx, e.DeviceID)
		if err != nil {
			return opened, err
		}
		if isSelected {
			if err := f.show(e); err != nil {
				return opened, ownError{err}
			}
		}
	}

	return opened, errors.New("the hub closed the stream of events")
}

// handleReady reads the selected doors, and says after a gap whether events may be missing.
// resumed means that the hub still has the events of the gap, and sends them now.
func (f *follower) handleReady(ctx context.Context, resumed bool) error {
	switch {
	case f.lostAt.IsZero():
	case resumed:
		f.Note("note: connected again; no event is missing")
	default:
		f.Note("note: connected again; events between %s and %s may be missing, because the hub no longer has them", f.Time(f.lostAt), f.Time(f.Now()))
	}
	f.lostAt = time.Time{}

	if f.All {
		return nil
	}

	return f.readSelected(ctx)
}

// wants reports whether the user wants events of this type.
func (f *follower) wants(e Event) bool {
	return len(f.Types) == 0 || slices.Contains(f.Types, e.Type)
}

// isSelected reports whether the user has selected a door. If the door is not known, it
// reads the selected doors again, at most once in refilterPause: the door may meet the
// condition only now.
func (f *follower) isSelected(ctx context.Context, id string) (bool, error) {
	if f.All || f.selected[id] {
		return true, nil
	}
	if f.Now().Sub(f.readAt) < refilterPause {
		return false, nil
	}

	err := f.readSelected(ctx)
	return f.selected[id], err
}

func (f *follower) readSelected(ctx context.Context) error {
	doors, err := f.Doors(ctx)
	if err != nil {
		return ownError{err}
	}

	f.selected = make(map[string]bool, len(doors))
	for _, d := range doors {
		f.selected[d.ID] = true
	}
	f.readAt = f.Now()

	return nil
}

// poll reads the twins of the selected doors periodically and derives events.
func (f *follower) poll(ctx context.Context) error {
	doors, err := f.Doors(ctx)
	if err != nil {
		return err
	}
	before := byID(doors)
	f.Note("note: this hub does not stream events, so latchctl reads the doors' twins every %s. It cannot see who moved a door, "+
		"uses of the exit input, and changes that a door reverses in between; the times are those of the readings", words.Duration(interval(len(doors))))

	for {
		if err := f.Sleep(ctx, interval(len(before))); err != nil {
			return err
		}

		doors, err := f.Doors(ctx)
		switch {
		case err != nil && watch.Retryable(err) && ctx.Err() == nil:
			if f.lostAt.IsZero() {
				f.lostAt = f.Now()
				f.Note("note: %v; trying again", err)
			}
			continue
		case err != nil:
			return err
		case !f.lostAt.IsZero():
			f.Note("note: the hub answers again; latchctl read no twins between %s and %s", f.Time(f.lostAt), f.Time(f.Now()))
			f.lostAt = time.Time{}
		}

		if before, err = f.showChanges(before, doors); err != nil {
			return err
		}
	}
}

// interval returns the time between two readings of the given number of doors.
func interval(doors int) time.Duration {
	return max(pollInterval, time.Duration(doors/rowsPerQuery+1)*timePerQuery)
}

// showChanges shows the events that explain how doors differ from their earlier readings.
// It returns the new readings.
func (f *follower) showChanges(before map[string]door.Door, doors []door.Door) (map[string]door.Door, error) {
	slices.SortFunc(doors, door.Door.Compare)
	for _, after := range doors {
		old, known := before[after.ID]
		if !known {
			continue
		}
		for _, e := range derive(old, after, f.Now()) {
			if !f.wants(e) {
				continue
			}
			if err := f.show(e); err != nil {
				return nil, ownError{err}
			}
		}
	}

	return byID(doors), nil
}

func byID(doors []door.Door) map[string]door.Door {
	all := make(map[string]door.Door, len(doors))
	for _, d := range doors {
		all[d.ID] = d
	}
	return all
}

// CheckTypes returns an error if one of the types is unknown.
func CheckTypes(types []string) error {
	for _, name := range types {
		if !slices.Contains(Types, name) {
			return fmt.Errorf("unknown type %q; want %s", name, strings.Join(Types, ", "))
		}
	}
	return nil
}
