package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
)

// settableLock is a lock that records its settings. Its status is set by the test.
type settableLock struct {
	stillLock
	mu       sync.Mutex
	status   actuator.Status
	calls    []string
	endError error // result of Do
}

func (l *settableLock) Do(context.Context, actuator.Command) (actuator.Result, error) {
	return actuator.Result{}, l.endError
}

func (l *settableLock) SetLockdown(_ context.Context, on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, fmt.Sprint("lockdown ", on))
	l.status.Lockdown = on
	return nil
}

func (l *settableLock) Tune(_ context.Context, t actuator.Tuning) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, fmt.Sprintf("relock %s held open %s", t.AutoRelock, t.HeldOpen))
	return nil
}

func (l *settableLock) Status() actuator.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// change changes the status and waits until the agent has reported it.
func (l *settableLock) change(set func(*actuator.Status)) {
	l.set(set)
	time.Sleep(reportDelay)
	synctest.Wait()
}

func (l *settableLock) set(set func(*actuator.Status)) {
	l.mu.Lock()
	set(&l.status)
	l.mu.Unlock()
	l.changed <- struct{}{}
}

// serveSettable runs an agent with a lock that records its settings.
func serveSettable(t *testing.T, egress bool, accepted string) (*settableLock, *hub) {
	t.Helper()
	store, err := OpenStore("", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	store.state.Accepted = object(t, accepted)

	lock := &settableLock{status: actuator.Status{Position: actuator.Unlocked}}
	lock.changed = make(chan struct{}, 1)
	a := New(Config{Egress: egress, Defaults: Settings{HeldOpenSeconds: 30}, Now: time.Now, Log: zap.NewNop()}, lock, store)
	h := newHub(newTwin)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{}, 2)
	go func() { a.Run(ctx); ended <- struct{}{} }()
	go func() { a.Serve(ctx, h); ended <- struct{}{} }()
	t.Cleanup(func() { stop(); <-ended; <-ended })

	synctest.Wait()
	return lock, h
}

// ack returns an acknowledgement as "ac value: ad".
func (h *hub) ack(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ack, ok := h.twin.Reported[name].(map[string]any)
	if !ok {
		return "none"
	}
	text := fmt.Sprint(ack["ac"], " ", ack["value"])
	if ad, ok := ack["ad"].(string); ok {
		text += ": " + ad
	}
	return text
}

// desire changes desired properties and waits until the agent has nothing left to do.
func (h *hub) desire(t *testing.T, properties string, version int) {
	t.Helper()
	change := object(t, properties)
	change["$version"] = json.Number(fmt.Sprint(version))
	h.desired <- change
	synctest.Wait()
}

func TestLockdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock, h := serveSettable(t, true, `{}`)
		check := func(want string) {
			t.Helper()
			if got := h.ack("lockdown"); got != want {
				t.Errorf("acknowledged %s, want %s", got, want)
			}
		}

		check("none")
		h.desire(t, `{"lockdown":true}`, 2)
		check("202 true: the door is not locked yet")

		lock.change(func(s *actuator.Status) { s.Door = actuator.DoorOpen })
		check("202 true: the door is open; it locks when it has been closed")

		lock.change(func(s *actuator.Status) { s.Door, s.Position = actuator.DoorClosed, actuator.Locked })
		check("200 true")

		h.desire(t, `{"lockdown":true,"room":"1"}`, 3) // not a change of lockdown
		h.desire(t, `{"lockdown":"yes"}`, 4)           // refused: the old value stays in force
		check("400 true: want true or false, not a string")
		h.desire(t, `{"lockdown":false}`, 5)
		check("200 false")
		h.desire(t, `{"lockdown":true}`, 6)
		h.desire(t, `{"lockdown":null}`, 7)
		check("none")

		want := []string{"relock 0s held open 30s", "lockdown false", "lockdown true", "lockdown false", "lockdown true", "lockdown false"}
		if !slices.Equal(lock.calls, want) {
			t.Errorf("the lock was set to\n%q, want\n%q", lock.calls, want)
		}
	})
}

// Where lockdown could trap people, the agent refuses it and nothing moves, even if an
// earlier configuration allowed it.
func TestLockdownIsForbiddenWithoutEgress(t *testing.T) {
	for name, accepted := range map[string]string{"first": `{}`, "after a new configuration": `{"lockdown":true}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lock, h := serveSettable(t, false, accepted)
				h.desire(t, `{"lockdown":true}`, 2)
				if got := h.ack("lockdown"); !strings.HasPrefix(got, "403 false: lockdown could trap people") {
					t.Errorf("acknowledged %s", got)
				}
				if want := []string{"relock 0s held open 30s", "lockdown false"}; !slices.Equal(lock.calls, want) {
					t.Errorf("the lock was set to %q, want %q", lock.calls, want)
				}
			})
		})
	}
}

// The settings of the previous process are in force without a hub; the twin changes
// them while the lock runs.
func TestTuning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock, h := serveSettable(t, true, `{"autoRelockSeconds":5,"heldOpenSeconds":60,"lockdown":true}`)
		h.desire(t, `{"autoRelockSeconds":5,"heldOpenSeconds":0,"lockdown":true}`, 2)
		if got := h.ack("heldOpenSeconds"); got != "200 0" {
			t.Errorf("acknowledged %s", got)
		}

		// The first twin of the hub has no desired properties.
		want := []string{"relock 5s held open 1m0s", "lockdown true", "relock 0s held open 30s", "lockdown false", "relock 5s held open 0s", "lockdown true"}
		if !slices.Equal(lock.calls, want) {
			t.Errorf("the lock was set to\n%q, want\n%q", lock.calls, want)
		}
	})
}

// A command that comes while the agent shuts down is answered as what it is.
func TestCommandDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock, h := serveSettable(t, true, `{}`)
		lock.endError = actuator.ErrEnded
		status, answer := h.call(t, "unlockDoor", "")
		if status != 503 || !strings.HasPrefix(answer, `{"error":{"code":"shutting-down","message":"the agent is shutting down`) {
			t.Errorf("answered %d %s", status, answer)
		}
	})
}
