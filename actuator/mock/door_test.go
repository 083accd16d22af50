package mock_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

// journal is a Saver that keeps the kinds of the events.
type journal struct {
	mu    sync.Mutex
	kinds []string
}

func (j *journal) Save(_ actuator.Record, events []actuator.Event, done func(error)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range events {
		j.kinds = append(j.kinds, string(e.Kind))
	}
	go done(nil)
}

// has reports whether the events contain kinds in this order, with others between them.
func (j *journal) has(kinds ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, kind := range j.kinds {
		if len(kinds) > 0 && kind == kinds[0] {
			kinds = kinds[1:]
		}
	}
	return len(kinds) == 0
}

// startLock runs a real lock on a mock driver whose bolt is locked. It must be called in
// a synctest bubble. The lock ends with the returned function.
func startLock(driver *mock.Driver, config actuator.Config) (*actuator.Lock, *journal, func()) {
	began := time.Now()
	j := &journal{}
	config.AtPowerOn, config.ConfirmTimeout = actuator.Locked, 4*time.Second
	lock := actuator.New(config, driver, j, actuator.Record{}, actuator.Clock{
		BootID: "boot", Now: time.Now, Uptime: func() time.Duration { return time.Hour + time.Since(began) },
	}, zap.NewNop())

	ctx, stop := context.WithCancel(context.Background())
	go lock.Run(ctx)
	synctest.Wait()
	return lock, j, func() { stop(); synctest.Wait() }
}

// Somebody presses the button, leaves through the door, and the door locks behind them.
func TestSomebodyLeavesThroughTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver := mock.New(mock.Config{Travel: 50 * time.Millisecond, Door: true, Exit: true}, actuator.Locked)
		lock, events, stop := startLock(driver, actuator.Config{
			ExitTime: 5 * time.Second, RelockOnClose: true, Settle: time.Second,
		})
		defer stop()

		if err := driver.OpenDoor(); !errors.Is(err, mock.ErrLocked) {
			t.Errorf("a locked door opened: %v", err)
		}
		must(t, driver.PressExit(), driver.ReleaseExit()) // faster than anybody reads
		time.Sleep(100 * time.Millisecond)
		if s := lock.Status(); s.Position != actuator.Unlocked {
			t.Fatalf("after the button the bolt is %s", s.Position)
		}

		must(t, driver.OpenDoor())
		time.Sleep(2 * time.Second)
		if s := lock.Status(); s.Door != actuator.DoorOpen || s.Forced {
			t.Errorf("the door is %s, forced %t", s.Door, s.Forced)
		}
		must(t, driver.CloseDoor())
		time.Sleep(1100 * time.Millisecond)
		if s := lock.Status(); !s.Secured || s.Door != actuator.DoorClosed {
			t.Errorf("behind them: secured %t, door %s", s.Secured, s.Door)
		}
		if !events.has("unlocked", "command", "doorOpened", "doorClosed", "locked") {
			t.Errorf("events %v", events.kinds)
		}
	})
}

func TestADoorIsPriedOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver := mock.New(mock.Config{Door: true}, actuator.Locked)
		lock, events, stop := startLock(driver, actuator.Config{})
		defer stop()

		must(t, driver.PryDoor())
		synctest.Wait()
		if s := lock.Status(); !s.Forced || s.Secured || s.Position != actuator.Locked || s.Door != actuator.DoorOpen {
			t.Errorf("status %+v", s)
		}
		must(t, driver.CloseDoor())
		synctest.Wait()
		if s := lock.Status(); s.Forced || !s.Secured || !events.has("forced", "doorClosed") {
			t.Errorf("after closing: forced %t, secured %t, events %v", s.Forced, s.Secured, events.kinds)
		}
	})
}

// A sensor that cannot be read is reported, and its present state afterwards.
func TestSensorsBecomeUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver := mock.New(mock.Config{Door: true, Exit: true}, actuator.Locked)
		lock, _, stop := startLock(driver, actuator.Config{ExitTime: 5 * time.Second})
		defer stop()

		for input, fault := range map[mock.Input]string{
			mock.BoltSensor: "the bolt sensor cannot be read",
			mock.DoorSensor: "the door sensor cannot be read",
			mock.ExitInput:  "the exit input cannot be read",
		} {
			must(t, driver.SetReadable(input, false))
			synctest.Wait()
			if s := lock.Status(); s.Fault != fault {
				t.Errorf("%s: fault %q, want %q", input, s.Fault, fault)
			}
			must(t, driver.SetReadable(input, true))
			synctest.Wait()
			if s := lock.Status(); s.Fault != "" || s.Position != actuator.Locked || s.Door != actuator.DoorClosed {
				t.Errorf("%s again: fault %q, bolt %s, door %s", input, s.Fault, s.Position, s.Door)
			}
		}
	})
}

// Nobody needs to read the sensors. The latest reading stays.
func TestReadingsDoNotBlock(t *testing.T) {
	t.Parallel()
	driver := mock.New(mock.Config{Door: true, Exit: true}, actuator.Unlocked)
	for range 100 {
		must(t, driver.OpenDoor(), driver.CloseDoor(), driver.PressExit(), driver.ReleaseExit())
		driver.Force(actuator.Locked)
		driver.Force(actuator.Unlocked)
	}
	must(t, driver.OpenDoor(), driver.PressExit())

	if r := last(driver.Bolt()); r.Position != actuator.Unlocked {
		t.Errorf("bolt %s", r.Position)
	}
	if r := last(driver.Door()); r.Door != actuator.DoorOpen {
		t.Errorf("door %s", r.Door)
	}
	if r := last(driver.Exit()); r.Exit != actuator.ExitActive {
		t.Errorf("exit %s", r.Exit)
	}
}

// Without a sensor in the configuration, the driver has none, and operating it is an
// error.
func TestADriverWithoutADoor(t *testing.T) {
	t.Parallel()
	driver := mock.New(mock.Config{}, actuator.Unlocked)
	if driver.Door() != nil || driver.Exit() != nil {
		t.Error("the driver has sensors")
	}
	for _, err := range []error{
		driver.OpenDoor(), driver.PryDoor(), driver.CloseDoor(), driver.PressExit(), driver.ReleaseExit(),
		driver.SetReadable(mock.DoorSensor, false),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "the mock lock has no ") {
			t.Errorf("err = %v", err)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// last returns the last reading in a channel that nobody has read.
func last[R any](from <-chan R) R {
	var readings []R
	for len(from) > 0 {
		readings = append(readings, <-from)
	}
	return readings[len(readings)-1]
}
