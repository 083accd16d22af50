package actuator

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// wire is a simulated driver whose readings the test sends. It is also a Saver whose
// writes succeed at once.
type wire struct {
	bolt   chan Reading
	drives chan Position
}

func newWire() *wire { return &wire{make(chan Reading, 10), make(chan Position, 10)} }

func (w *wire) Open(level Position) (Position, bool, error) { return level, false, nil }
func (w *wire) Drive(target Position) error                 { w.drives <- target; return nil }
func (w *wire) Idle() error                                 { return nil }
func (w *wire) Bolt() <-chan Reading                        { return w.bolt }
func (w *wire) Door() <-chan DoorReading                    { return nil }
func (w *wire) Close() error                                { return nil }
func (w *wire) Exit() <-chan ExitReading                    { return nil }
func (w *wire) Save(_ Record, _ []Event, done func(error))  { done(nil) }
func (w *wire) lock(clock Clock, config Config) *Lock {
	return New(config, w, w, Record{}, clock, zap.NewNop())
}

// Readings from before a command must not count as the command's result.
func TestReadingsGoBeforeCommands(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			l := w.lock(testClock(nil), Config{AtPowerOn: Locked, ConfirmTimeout: time.Second})
			for _, p := range []Position{Locked, Unlocked, Locked} {
				w.bolt <- Reading{Position: p}
			}
			answered := make(chan error, 1)
			go func() {
				_, err := l.Do(t.Context(), Command{Target: Unlocked})
				answered <- err
			}()
			synctest.Wait() // now both the readings and the command are waiting
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go l.Run(ctx)
			synctest.Wait()
			if len(answered) > 0 {
				t.Fatalf("answered with %v before the bolt moved", <-answered)
			}
			if got := <-w.drives; got != Unlocked {
				t.Fatalf("driven to %s", got)
			}
			w.bolt <- Reading{Position: Unlocked}
			if err := <-answered; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Timers stop while the machine sleeps, but the boot-time clock does not. A relock that
// became due during the sleep must therefore happen soon after the wake-up.
func TestARelockAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slept atomic.Int64
		w := newWire()
		l := w.lock(testClock(&slept), Config{AtPowerOn: Unlocked, ConfirmTimeout: time.Second})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go l.Run(ctx)
		w.bolt <- Reading{Position: Unlocked}
		if _, err := l.Do(ctx, Command{Target: Unlocked, For: 10 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		slept.Store(int64(20 * time.Hour))
		select {
		case got := <-w.drives:
			if got != Locked {
				t.Errorf("driven to %s", got)
			}
		case <-time.After(time.Minute + time.Second):
			t.Error("the relock is not done within a minute")
		}
	})
}

// After a restart, the lock learns only from the door sensor whether the door is open.
// An overdue relock must wait for the sensor's first reading.
func TestAnOverdueRelockLooksAtTheDoorFirst(t *testing.T) {
	for first, want := range map[DoorState]int{DoorOpen: 0, DoorClosed: 1, DoorUnknown: 1} {
		synctest.Test(t, func(t *testing.T) {
			w := keptWire{newWire(), make(chan DoorReading)}
			old := Record{Level: Unlocked, Position: Unlocked, Relock: &Promise{"boot-1", 0}}
			l := New(Config{AtPowerOn: Locked, ConfirmTimeout: time.Second}, w, w, old, testClock(nil), zap.NewNop())
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go l.Run(ctx)
			synctest.Wait()
			if len(w.drives) > 0 {
				t.Fatal("driven before the door's sensor spoke")
			}
			w.door <- DoorReading{Door: first}
			synctest.Wait()
			if got := len(w.drives); got != want {
				t.Errorf("the door is %s: driven %d times, want %d", first, got, want)
			}
		})
	}
}

// keptWire is a wire with a door sensor. Its line is unlocked and was kept open since
// the previous process.
type keptWire struct {
	*wire
	door chan DoorReading
}

func (w keptWire) Open(Position) (Position, bool, error) { return Unlocked, true, nil }
func (w keptWire) Door() <-chan DoorReading              { return w.door }

// A command receives its answer even if the lock ends immediately afterwards.
func TestAnAnswerGoesBeforeTheEnd(t *testing.T) {
	for range 100 {
		l := newWire().lock(testClock(nil), Config{AtPowerOn: Locked})
		go func() {
			r := <-l.requests
			r.reply <- reply{result: Result{Position: Locked}}
			close(l.ended)
		}()
		if r, err := l.Do(t.Context(), Command{Target: Locked}); err != nil || r.Position != Locked {
			t.Fatalf("%+v, %v", r, err)
		}
	}
}

// testClock returns a clock whose time since boot includes slept, a simulated suspend.
func testClock(slept *atomic.Int64) Clock {
	began := time.Now()
	return Clock{
		Now: time.Now,
		Uptime: func() time.Duration {
			if slept == nil {
				return time.Since(began)
			}
			return time.Since(began) + time.Duration(slept.Load())
		},
		BootID: "boot-1",
	}
}
