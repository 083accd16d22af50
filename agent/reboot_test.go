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
	"github.com/latchd/latchd/transport/iothub"
)

func TestRebootIsForbiddenByDefault(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Locked), newHub(newTwin)
	d.serve(t, h)
	status, answer := h.call(t, "reboot", `null`)
	if status != 403 || !strings.Contains(answer, `"code":"not-allowed"`) || !strings.Contains(answer, "allow_reboot = true") {
		t.Errorf("answered %d %s", status, answer)
	}
}

func TestRebootIsAnsweredAndSavedFirst(t *testing.T) {
	dir := t.TempDir()
	d, h := newDoor(t, dir, mock.None, actuator.Locked), newHub(newTwin)
	rebooted := make(chan *Reboot)
	d.config.Reboot = func(context.Context) error {
		rebooted <- d.store.Get().Reboot
		return nil
	}

	d.serve(t, h)
	for payload, want := range map[string]string{
		`{"delaySeconds":-1}`:   "delaySeconds is -1; want 0 to 3600",
		`{"delaySeconds":3601}`: "delaySeconds is 3601; want 0 to 3600",
		`{"delaySeconds":"1"}`:  "delaySeconds: want a whole number, not a string",
		`{"now":true}`:          `unknown member \"now\" in the payload; this method takes delaySeconds`,
	} {
		if status, answer := h.call(t, "reboot", payload); status != 400 || !strings.Contains(answer, want) {
			t.Errorf("%s: answered %d %s", payload, status, answer)
		}
	}

	status, answer := h.call(t, "reboot", `{"delaySeconds":0}`)
	if status != 202 || answer != `{"delaySeconds":0}` {
		t.Fatalf("answered %d %s", status, answer)
	}

	if status, _ := h.call(t, "reboot", `{"delaySeconds":0}`); status != 409 {
		t.Errorf("a second reboot is answered with %d, want 409", status)
	}
	if r := <-rebooted; r == nil || r.Cause != "method" {
		t.Errorf("saved before the reboot: %+v", r)
	}
}

func TestNoRebootWithoutAnswer(t *testing.T) {
	d := newDoor(t, "", mock.None, actuator.Locked)
	d.config.Reboot = func(context.Context) error {
		t.Error("the machine was rebooted")
		return nil
	}

	m := iothub.Method{Name: "reboot", Payload: []byte(`{"delaySeconds":0}`)}
	if status, _ := d.reboot(m); status != 202 {
		t.Fatalf("status %d", status)
	}

	d.scheduleReboot(m, errors.New("the link has ended"))
	if status, _ := d.reboot(m); status != 202 {
		t.Errorf("second request: status %d, want 202", status)
	}
}

// A failed reboot is not reported as the cause of the next one.
func TestFailedRebootIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := bareAgent(t)
		a.config.Reboot = func(context.Context) error { return errors.New("logind refused") }
		a.scheduleReboot(iothub.Method{Name: "reboot", Payload: []byte(`{"delaySeconds":0}`)}, nil)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if r := a.state.Get().Reboot; r != nil {
			t.Errorf("still saved: %+v", r)
		}
	})
}

func TestLastReboot(t *testing.T) {
	booted := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	asked := booted.Add(-time.Minute)
	for name, tc := range map[string]struct {
		state State
		want  *Reboot
	}{
		"the first start":          {State{}, nil},
		"a restart of the process": {State{BootID: "now"}, nil},
		"a requested reboot": {
			State{BootID: "before", Reboot: &Reboot{asked, "method"}}, &Reboot{asked, "method"}},
		"a power cut": {State{BootID: "before"}, &Reboot{booted, "unknown"}},
		"a reboot before the last start": {
			State{BootID: "now", LastReboot: &Reboot{asked, "method"}}, &Reboot{asked, "method"}},
		"a requested reboot that did not happen": {State{BootID: "now", Reboot: &Reboot{asked, "method"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := OpenStore("", zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}

			store.state = tc.state
			a := New(Config{BootID: "now", System: System{BootedAt: booted}, Now: time.Now, Log: zap.NewNop()}, &stillLock{}, store)
			got := store.Get()
			if got.BootID != "now" || got.Reboot != nil || (got.LastReboot == nil) != (tc.want == nil) {
				t.Fatalf("state %+v", got)
			}

			if tc.want == nil {
				return
			}

			if *got.LastReboot != *tc.want {
				t.Errorf("last reboot %+v, want %+v", got.LastReboot, tc.want)
			}

			system := normalize(a.reported())["system"].(map[string]any)
			last, _ := system["lastReboot"].(map[string]any)
			if last["cause"] != tc.want.Cause || last["at"] != formatTime(tc.want.At) {
				t.Errorf("reported %v", last)
			}
		})
	}
}

// In Pulse mode an unlock lasts at most MaxEnergised, and the setting
// autoRelockSeconds does not apply.
func TestUnlockOfAStrike(t *testing.T) {
	a := bareAgent(t)
	a.config.Mode, a.config.MaxEnergised = actuator.Pulse, 10*time.Second
	a.desired.Load().settings.AutoRelockSeconds = 30
	for payload, want := range map[string]string{
		`null`: "0s", `{"forSeconds":10}`: "10s", `{"forSeconds":11}`: "forSeconds is 11; want 1 to 10",
		`{"hold":false}`: "0s", `{"hold":true}`: "hold: this lock releases a strike, which locks again by itself; use forSeconds instead",
	} {
		c, err := a.parseUnlock([]byte(payload))
		got := c.For.String()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", payload, got, want)
		}
	}
}

func TestDoorIsReported(t *testing.T) {
	changed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for state, want := range map[actuator.DoorState]any{
		"": nil, actuator.DoorOpen: true, actuator.DoorClosed: false, actuator.DoorUnknown: nil,
	} {
		a := bareAgent(t)
		a.lock = doorLock{&stillLock{}, actuator.Status{Door: state, DoorChangedAt: changed}}
		door, there := a.reported()["door"].(map[string]any)
		if there != (state != "") || door["open"] != want {
			t.Errorf("door state %q is reported as %v", state, door)
		}
	}
}

// doorLock is a lock with a fixed status.
type doorLock struct {
	*stillLock
	status actuator.Status
}

func (l doorLock) Status() actuator.Status { return l.status }
