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
}

func newDisk() *disk { return &disk{saves: make(chan actuator.Record, 100)} }

func (d *disk) Save(r actuator.Record, done func(error)) {
	d.mu.Lock()
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
		{mock.Jam, actuator.IsJammed, actuator.Jammed},
		{mock.DeadSensor, actuator.IsJammed, actuator.Jammed},
		{mock.Busy, actuator.Unavailable, actuator.Unlocked}, // as its sensor says
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
	if _, err := l.Do(t.Context(), actuator.Command{Target: actuator.Unlocked, Relock: 20 * time.Millisecond}); err != nil {
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

// Whoever observes a lock misses no station of its bolt, and has seen the last
// one before the command is answered.
func TestObserve(t *testing.T) {
	clock, err := actuator.SystemClock()
	if err != nil {
		t.Fatal(err)
	}
	driver := mock.New(mock.Config{}, actuator.Locked)
	defer driver.Close()
	seen := make(chan actuator.Position, 100)
	last := actuator.Position("")
	config := actuator.Config{AtPowerOn: actuator.Locked, ConfirmTimeout: 4 * time.Second, Observe: func(s actuator.Status) {
		if s.Position != last {
			seen <- s.Position
		}
		last = s.Position
	}}
	l := actuator.New(config, driver, newDisk(), actuator.Record{}, clock, zap.NewNop())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	defer func() { stop(); <-done }()
	await(t, l, func(s actuator.Status) bool { return s.Position == actuator.Locked })
	for _, target := range []actuator.Position{actuator.Unlocked, actuator.Locked} {
		if _, err := l.Do(ctx, actuator.Command{Target: target}); err != nil {
			t.Fatal(err)
		}
	}
	var got []actuator.Position
	for range len(seen) {
		got = append(got, <-seen)
	}
	want := []actuator.Position{actuator.Moving, actuator.Unlocked, actuator.Moving, actuator.Locked}
	if n := len(got) - len(want); n < 0 || !slices.Equal(got[n:], want) {
		t.Errorf("observed %v, want it to end in %v", got, want)
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
