package agent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/transport/iothub"
)

// slowHub is a link that answers each twin request as the test says.
type slowHub struct {
	*hub
	refusals []*iothub.Error // of the next requests; nil: none
	asked    []time.Duration // when requests came
	began    time.Time
}

func (h *slowHub) next() error {
	h.asked = append(h.asked, time.Since(h.began))
	if len(h.refusals) == 0 {
		return nil
	}
	r := h.refusals[0]
	h.refusals = h.refusals[1:]
	if r == nil {
		return nil
	}
	return r
}

func (h *slowHub) Twin(ctx context.Context) (iothub.DeviceTwin, error) {
	if err := h.next(); err != nil {
		return iothub.DeviceTwin{}, err
	}
	return h.hub.Twin(ctx)
}

func (h *slowHub) Report(ctx context.Context, patch iothub.Object) (int64, error) {
	if err := h.next(); err != nil {
		return 0, err
	}
	return h.hub.Report(ctx, patch)
}

// stillLock is a lock that stands, or whose commands last until they are let go.
type stillLock struct {
	hold    chan struct{}
	changed chan struct{}
}

func (l *stillLock) Do(context.Context, actuator.Command) (actuator.Result, error) {
	<-l.hold
	return actuator.Result{Position: actuator.Locked}, nil
}
func (l *stillLock) Status() actuator.Status  { return actuator.Status{Position: actuator.Locked} }
func (l *stillLock) Changed() <-chan struct{} { return l.changed }

func stillAgent(t *testing.T) *Agent {
	store, err := OpenStore("", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	lock := &stillLock{make(chan struct{}), make(chan struct{}, 1)}
	return New(Config{Now: time.Now, Rand: func() float64 { return 1 }, Log: zap.NewNop()}, lock, store)
}

// A hub that is too busy for the twin is asked again on the same link, ever
// more rarely, and never sooner than it says; methods go on meanwhile.
func TestABusyHubIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := iothub.Errorf(iothub.CodeThrottling, "slow down")
		patient := iothub.Errorf(iothub.CodeThrottling, "slow down")
		patient.RetryAfter = time.Hour
		broken := iothub.Errorf(iothub.CodeServerError, "broken")
		h := &slowHub{hub: newHub(newTwin), began: time.Now(),
			refusals: []*iothub.Error{busy, broken, nil, busy, patient}}
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Serve(ctx, h) }()
		synctest.Wait()
		for range 3 { // none of this makes it ask sooner
			a.notify()
			synctest.Wait()
		}
		if status, _ := h.call(t, "ping", "1"); status != 200 {
			t.Errorf("ping: %d", status)
		}
		<-time.After(2 * time.Hour)
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		const sec = time.Second
		// Read, read, read and report, report, report.
		want := []time.Duration{0, 5 * sec, 15 * sec, 15 * sec, 35 * sec, time.Hour + 35*sec}
		if !reflect.DeepEqual(h.asked, want) {
			t.Errorf("asked at %v, want %v", h.asked, want)
		}
	})
}

// What is desired comes into force also while the hub takes no reports.
func TestDesiredWhileReportsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHub{hub: newHub(newTwin), began: time.Now(),
			refusals: []*iothub.Error{nil, iothub.Errorf(iothub.CodeThrottling, "slow down")}}
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Serve(ctx, h) }()
		synctest.Wait()
		h.desired <- object(t, `{"autoRelockSeconds":9,"$version":2}`)
		synctest.Wait()
		if s := a.settings().AutoRelockSeconds; s != 9 || len(h.reports) != 0 {
			t.Errorf("autoRelockSeconds = %d after %d reports", s, len(h.reports))
		}
		<-time.After(time.Minute)
		synctest.Wait()
		ack, _ := h.twin.Reported["autoRelockSeconds"].(map[string]any)
		if len(h.reports) != 1 || text(t, ack) != `{"ac":200,"av":2,"value":9}` {
			t.Errorf("%d reports, acknowledged %v", len(h.reports), ack)
		}
		stop()
		<-ended
	})
}

// The wait has a limit, and begins anew once the hub had time.
func TestTheWaitForABusyHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHub{hub: newHub(newTwin), began: time.Now()}
		busy := iothub.Errorf(iothub.CodeThrottling, "slow down")
		for range 8 {
			h.refusals = append(h.refusals, busy)
		}
		h.refusals = append(h.refusals, nil, nil, busy)
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Serve(ctx, h) }()
		<-time.After(time.Hour)
		h.desired <- object(t, `{"room":"1","$version":2}`)
		<-time.After(time.Hour)
		stop()
		<-ended
		var waits []time.Duration
		for i := range h.asked[1:] {
			waits = append(waits, h.asked[i+1]-h.asked[i])
		}
		const sec = time.Second
		sum := 915 * sec // of the eight
		want := []time.Duration{5 * sec, 10 * sec, 20 * sec, 40 * sec, 80 * sec, 160 * sec, 300 * sec, 300 * sec, 0, time.Hour - sum, 5 * sec}
		if !reflect.DeepEqual(waits, want) {
			t.Errorf("waits of %v, want %v", waits, want)
		}
	})
}

// Until the twin has been read a change alone says little: what was desired
// before stays in force.
func TestAChangeBeforeTheTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHub{hub: newHub(`{"desired":{"autoRelockSeconds":9,"room":"1","$version":2},"reported":{"$version":1}}`),
			began: time.Now(), refusals: []*iothub.Error{iothub.Errorf(iothub.CodeThrottling, "slow down")}}
		before := stillAgent(t)
		before.state.Update(func(s *State) { s.Accepted = object(t, `{"autoRelockSeconds":9}`) }, func(error) {})
		a := New(before.config, before.lock, before.state)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Serve(ctx, h) }()
		h.desired <- object(t, `{"room":"1","$version":1}`)
		synctest.Wait()
		if s := a.settings().AutoRelockSeconds; s != 9 {
			t.Errorf("before the twin: autoRelockSeconds = %d", s)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if s := a.settings(); s.AutoRelockSeconds != 9 || s.Room == nil {
			t.Errorf("after it: %+v", s)
		}
		stop()
		<-ended
	})
}

// What changes nothing that is in force wears no disk.
func TestOnlyWhatChangesIsWritten(t *testing.T) {
	dir := t.TempDir()
	d, h := newDoor(t, dir, mock.None, actuator.Locked), newHub(`{"desired":{"room":"1","$version":3},"reported":{}}`)
	d.serve(t, h)
	version := func(av string) func(iothub.Object) bool {
		return func(r iothub.Object) bool {
			ack, _ := r["room"].(map[string]any)
			return ack["av"] == json.Number(av)
		}
	}
	h.until(t, "version 3", version("3"))
	if err := os.Remove(filepath.Join(dir, "state.json")); err != nil {
		t.Fatal(err)
	}
	h.desired <- object(t, `{"other":1,"$version":4}`)
	h.until(t, "version 4", version("4"))
	if _, err := os.Stat(filepath.Join(dir, "state.json")); !os.IsNotExist(err) {
		t.Errorf("the state was written again: %v", err)
	}
}

// What cannot be begun stays on the link, which discards it when it is lost.
func TestMethodsThatCannotBeBegunAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(newTwin)
		h.methods, h.answers = make(chan iothub.Method, 40), make(chan iothub.MethodResponse, 40)
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Serve(ctx, h) }()
		for range 40 {
			h.methods <- iothub.Method{RequestID: "1", Name: "lockDoor"}
		}
		synctest.Wait()
		if n := len(h.methods); n != 40-maxAtOnce {
			t.Errorf("%d methods wait on the link, want %d", n, 40-maxAtOnce)
		}
		close(a.lock.(*stillLock).hold)
		close(h.methods)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := len(h.answers); n != 40 {
			t.Errorf("%d answers to 40 methods", n)
		}
		stop()
	})
}
