package actuator_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is a journal whose writes end when the test says so.
type disk struct {
	mu      sync.Mutex
	held    bool
	pending []func(error)
	last    actuator.Record
	saves   chan actuator.Record
	events  []actuator.Event
}

func newDisk() *disk { return &disk{saves: make(chan actuator.Record, 100)} }

func (d *disk) Save(r actuator.Record, events []actuator.Event, done func(error)) {
	d.mu.Lock()
	d.events = append(d.events, events...)
	d.last = r
	d.saves <- r
	if d.held {
		d.pending = append(d.pending, done)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	done(nil)
}

func (d *disk) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = true
}

func (d *disk) release(err error) {
	d.mu.Lock()
	pending := d.pending
	d.pending, d.held = nil, false
	d.mu.Unlock()
	for _, done := range pending {
		done(err)
	}
}

func startLock(t *testing.T, fault mock.Fault, level actuator.Position) (*actuator.Lock, *mock.Driver, *disk) {
	t.Helper()
	clock, err := actuator.SystemClock()
	if err != nil {
		t.Fatal(err)
	}
	driver, journal := mock.New(mock.Config{Fault: fault}, level), newDisk()
	l := actuator.New(actuator.Config{AtPowerOn: level, ConfirmTimeout: 100 * time.Millisecond}, driver, journal, actuator.Record{}, clock, zap.NewNop())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done; driver.Close() })
	await(t, l, func(s actuator.Status) bool { return s.Position != actuator.Unknown && s.Position != actuator.Moving })
	return l, driver, journal
}

// await waits until the lock's status is as wanted.
func await(t *testing.T, l *actuator.Lock, want func(actuator.Status) bool) actuator.Status {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		if s := l.Status(); want(s) {
			return s
		}
		select {
		case <-l.Changed():
		case <-timeout:
			t.Fatalf("status stays %+v", l.Status())
		}
	}
}

func TestLockMovesAndReports(t *testing.T) {
	l, driver, journal := startLock(t, mock.None, actuator.Unlocked)
	result, err := l.Do(t.Context(), actuator.Command{Name: "lockDoor", Target: actuator.Locked, Reason: "night"})
	if err != nil || result.Position != actuator.Locked || !result.Confirmed || !result.Changed {
		t.Fatalf("Do = %+v, %v", result, err)
	}
	s := l.Status()
	if s.Position != actuator.Locked || s.Source != actuator.Sensor || s.Last == nil || s.Last.Reason != "night" {
		t.Errorf("status = %+v", s)
	}
	if journal.last.Position != actuator.Locked || journal.last.Level != actuator.Locked || journal.last.Motion != "" {
		t.Errorf("on disk: %+v", journal.last)
	}
	result, err = l.Do(t.Context(), actuator.Command{Target: actuator.Locked})
	if err != nil || result.Changed || driver.Drives() != 1 {
		t.Errorf("again: %+v, %v, %d drives", result, err, driver.Drives())
	}
}

func TestAnswerWaitsForTheDiskTheEdgeDoesNot(t *testing.T) {
	l, _, journal := startLock(t, mock.None, actuator.Unlocked)
	journal.hold()
	answered := make(chan error, 1)
	go func() {
		_, err := l.Do(t.Context(), actuator.Command{Target: actuator.Locked})
		answered <- err
	}()
	await(t, l, func(s actuator.Status) bool { return s.Position == actuator.Locked })
	select {
	case <-answered:
		t.Fatal("answered before the state was on disk")
	default:
	}
	journal.release(nil)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestADiskThatFailsDoesNotHideTheMotion(t *testing.T) {
	l, _, journal := startLock(t, mock.None, actuator.Unlocked)
	journal.hold()
	answered := make(chan actuator.Result, 1)
	go func() {
		r, _ := l.Do(t.Context(), actuator.Command{Target: actuator.Locked})
		answered <- r
	}()
	await(t, l, func(s actuator.Status) bool { return s.Position == actuator.Locked })
	journal.release(errors.New("disk full"))
	if r := <-answered; r.Position != actuator.Locked {
		t.Errorf("answer %+v", r)
	}
}

func TestLockFaults(t *testing.T) {
	for _, tc := range []struct {
		fault mock.Fault
		code  actuator.Code
		want  actuator.Position
	}{
		{mock.Jam, actuator.CodeJammed, actuator.Jammed},
		{mock.DeadSensor, actuator.CodeJammed, actuator.Jammed},
		{mock.Busy, actuator.CodeUnavailable, actuator.Unlocked}, // as its sensor says
	} {
		t.Run(string(tc.fault), func(t *testing.T) {
			l, _, _ := startLock(t, tc.fault, actuator.Unlocked)
			_, err := l.Do(t.Context(), actuator.Command{Target: actuator.Locked})
			refusal, ok := errors.AsType[*actuator.Refusal](err)
			if !ok || refusal.Code != tc.code {
				t.Fatalf("err = %v, want %s", err, tc.code)
			}
			if s := l.Status(); s.Position != tc.want || s.Fault == "" || s.Last == nil || s.Last.Code != tc.code {
				t.Errorf("status = %+v", s)
			}
		})
	}
}

func TestPromisedRelockHappens(t *testing.T) {
	l, driver, _ := startLock(t, mock.None, actuator.Locked)
	if _, err := l.Do(t.Context(), actuator.Command{Target: actuator.Unlocked, For: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	await(t, l, func(s actuator.Status) bool { return s.Position == actuator.Locked })
	if driver.Drives() != 2 {
		t.Errorf("%d drives", driver.Drives())
	}
}

func TestForcedBoltIsReported(t *testing.T) {
	l, driver, _ := startLock(t, mock.None, actuator.Locked)
	driver.Force(actuator.Unlocked)
	s := await(t, l, func(s actuator.Status) bool { return s.Position == actuator.Unlocked })
	if s.Fault == "" || s.Confirmed || driver.Drives() != 0 {
		t.Errorf("status %+v after %d drives", s, driver.Drives())
	}
}

// The events tell each place of the bolt in order. They are on disk before the command
// is answered.
func TestEventsOfCommands(t *testing.T) {
	l, _, journal := startLock(t, mock.None, actuator.Locked)
	for _, target := range []actuator.Position{actuator.Unlocked, actuator.Locked} {
		if _, err := l.Do(t.Context(), actuator.Command{Name: "m", By: "kim", Target: target}); err != nil {
			t.Fatal(err)
		}
	}

	var got []string
	journal.mu.Lock()
	defer journal.mu.Unlock()
	for _, e := range journal.events {
		got = append(got, string(e.Kind)+" "+string(e.Position)+" "+e.By)
	}
	want := []string{"unlocked unlocked kim", "command unlocked kim", "locked locked kim", "command locked kim"}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestDoAfterTheEnd(t *testing.T) {
	driver := mock.New(mock.Config{}, actuator.Locked)
	clock, _ := actuator.SystemClock()
	l := actuator.New(actuator.Config{AtPowerOn: actuator.Locked}, driver, newDisk(), actuator.Record{}, clock, zap.NewNop())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	l.Run(ctx)
	if _, err := l.Do(t.Context(), actuator.Command{Target: actuator.Unlocked}); !errors.Is(err, actuator.ErrEnded) {
		t.Errorf("err = %v", err)
	}
	if driver.Drives() != 0 {
		t.Error("driven at the end")
	}
}
