package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// openEvents returns a log of events in memory.
func openEvents(t *testing.T) *events.Log {
	t.Helper()
	e := events.Open("", events.DefaultLimits, zap.NewNop())
	t.Cleanup(e.Close)
	return e
}

// put queues an event of that kind.
func put(e *events.Log, kind string) {
	e.Add([]events.Event{{Kind: kind, At: time.Unix(1795437432, 0).UTC()}}, func(error) {})
}

// sendEvents sends the oldest event first, and sends each event again until the hub
// has acknowledged it.
func TestEventsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openEvents(t)
		recordStart(e, "1.2.3", time.Unix(1795437432, 0).UTC())
		put(e, "a")
		h, failures := newHub(newTwin), 2
		h.send = func(iothub.Message) error {
			if failures > 0 {
				failures--
				return errors.New("the hub did not answer")
			}
			return nil
		}

		a := &Agent{config: Config{Events: e, Log: zap.NewNop()}, messages: newPace(maxMessagePause, func() float64 { return 0 })}
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
		if name, _ := m.Properties.Get("event"); name != "started" || m.ID != e.Store()+"-1" {
			t.Errorf("properties %v, id %s", m.Properties, m.ID)
		}

		<-h.messages
		synctest.Wait()
		if waiting := e.Counts().Waiting; waiting != 0 {
			t.Errorf("%d events are still queued", waiting)
		}

		put(e, "b") // while nothing is being sent
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
	e := openEvents(t)
	d, h := newDoorWith(t, "", mock.None, actuator.Locked, e), newHub(newTwin)
	d.config.Events = e
	d.serve(t, h)
	if status, answer := h.call(t, "unlockDoor", "null"); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	for _, want := range []string{`"event":"unlocked"`, `"event":"command"`} {
		if m := <-h.messages; !strings.Contains(string(m.Body), want) {
			t.Errorf("got %s, want %s", m.Body, want)
		}
	}
}
