package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

// counter is a Saver that counts the saved events by kind.
type counter map[actuator.EventKind]int

func (c counter) Save(_ actuator.Record, events []actuator.Event, done func(error)) {
	for _, e := range events {
		c[e.Kind]++
	}
	go done(nil)
}

// usedDoor simulates people who use a locked door for a time. It returns the door's
// status and events.
func usedDoor(f fault, exits, during time.Duration) (actuator.Status, counter) {
	began := time.Now()
	driver, events := mock.New(mock.Config{Travel: 50 * time.Millisecond, Door: true, Exit: true}, actuator.Locked), counter{}
	lock := actuator.New(actuator.Config{
		AtPowerOn: actuator.Locked, ConfirmTimeout: confirmTimeout, MinInterval: minInterval,
		RelockOnClose: true, Settle: settle, ExitTime: exitTime,
	}, driver, events, actuator.Record{}, actuator.Clock{
		Now: time.Now, Uptime: func() time.Duration { return time.Hour + time.Since(began) },
	}, zap.NewNop())

	ctx, stop := context.WithCancel(context.Background())
	go lock.Run(ctx)
	go newPeople(driver, lock, 1, "sim-00001").use(ctx, f, exits)
	time.Sleep(during)
	synctest.Wait()
	status := lock.Status()
	stop()
	synctest.Wait()
	return status, events
}

func TestPeopleLeaveAndTheDoorLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, events := usedDoor(healthy, time.Minute, time.Hour)
		opened := events[actuator.EventDoorOpened]
		if opened < 50 || opened > 70 || events[actuator.EventForced] != 0 || events[actuator.EventUnlocked] != opened {
			t.Errorf("in one hour: %v, want about 60 exits and no forced door", events)
		}
	})
}

func TestADoorIsForcedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, events := usedDoor(forced, 0, time.Hour)
		if !status.Forced || events[actuator.EventForced] != 1 || events[actuator.EventUnlocked] != 0 {
			t.Errorf("forced %t, events %v", status.Forced, events)
		}
	})
}

func TestADoorStaysAjar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, events := usedDoor(ajar, time.Minute, time.Hour)
		if status.Door != actuator.DoorOpen || status.Forced || events[actuator.EventDoorOpened] != 1 {
			t.Errorf("door %s, forced %t, events %v", status.Door, status.Forced, events)
		}
	})
}
