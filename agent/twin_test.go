package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/transport/iothub"
)

// slowHub is a link whose hub refuses twin requests as the test scripts it.
type slowHub struct {
	*hub
	refusals []error         // answers to the next requests; nil accepts one
	asked    []time.Duration // times of the requests, from began on
	began    time.Time
}

func (h *slowHub) next() error {
	h.asked = append(h.asked, time.Since(h.began))
	if len(h.refusals) == 0 {
		return nil
	}
	r := h.refusals[0]
	h.refusals = h.refusals[1:]
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

// stillLock is a lock that never moves. Its commands last until hold is closed.
type stillLock struct {
	hold    chan struct{}
	changed chan struct{}
}

func (l *stillLock) Do(context.Context, actuator.Command) (actuator.Result, error) {
	<-l.hold
	return actuator.Result{Position: actuator.Locked}, nil
}
func (l *stillLock) SetLockdown(context.Context, bool) error     { return nil }
func (l *stillLock) Tune(context.Context, actuator.Tuning) error { return nil }
func (l *stillLock) Status() actuator.Status                     { return actuator.Status{Position: actuator.Locked} }
func (l *stillLock) Changed() <-chan struct{}                    { return l.changed }

func stillAgent(t *testing.T) *Agent {
	store, err := OpenStore("", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	lock := &stillLock{make(chan struct{}), make(chan struct{}, 1)}
	return New(Config{Now: time.Now, Rand: func() float64 { return 1 }, Log: zap.NewNop()}, lock, store)
}

// If the hub is too busy for the twin, the agent asks it again on the same link, at
// growing intervals and never before its Retry-After. Methods are answered meanwhile.
func TestBusyHubIsAskedLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := iothub.Errorf(iothub.CodeThrottling, "slow down")
		patient := iothub.Errorf(iothub.CodeThrottling, "slow down")
		patient.RetryAfter = time.Hour
		broken := iothub.Errorf(iothub.CodeServerError, "broken")
		h := &slowHub{hub: newHub(newTwin), began: time.Now(),
			refusals: []error{busy, broken, nil, busy, patient}}
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Serve(ctx, h); close(ended) }()
		synctest.Wait()
		for range 3 { // a change to report does not shorten the delay
			a.notify()
			synctest.Wait()
		}

		if status, _ := h.call(t, "ping", "1"); status != 200 {
			t.Errorf("ping: %d", status)
		}

		<-time.After(2 * time.Hour)
		stop()
		<-ended

		const sec = time.Second
		// Two reads are refused; the third succeeds and a report follows, which is
		// refused twice.
		want := []time.Duration{0, 5 * sec, 15 * sec, 15 * sec, 35 * sec, time.Hour + 35*sec}
		if !reflect.DeepEqual(h.asked, want) {
			t.Errorf("requests at %v, want %v", h.asked, want)
		}
	})
}

// Desired properties come into force even while the hub refuses reports.
func TestDesiredWhileReportsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHub{hub: newHub(newTwin), began: time.Now(),
			refusals: []error{nil, iothub.Errorf(iothub.CodeThrottling, "slow down")}}
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Serve(ctx, h); close(ended) }()
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

// The delay has an upper bound, and starts again from its minimum once the hub has
// served a request.
func TestRetryDelayForBusyHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHub{hub: newHub(newTwin), began: time.Now()}
		busy := iothub.Errorf(iothub.CodeThrottling, "slow down")
		for range 8 {
			h.refusals = append(h.refusals, busy)
		}

		h.refusals = append(h.refusals, nil, nil, busy)
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Serve(ctx, h); close(ended) }()
		<-time.After(time.Hour)
		h.desired <- object(t, `{"room":"1","$version":2}`)
		<-time.After(time.Hour)
		stop()
		<-ended
		var delays []time.Duration
		for i := range h.asked[1:] {
			delays = append(delays, h.asked[i+1]-h.asked[i])
		}

		const sec = time.Second
		sum := 315 * sec // of the first eight delays
		want := []time.Duration{5 * sec, 10 * sec, 20 * sec, 40 * sec, 60 * sec, 60 * sec, 60 * sec, 60 * sec, 0, time.Hour - sum, 5 * sec}
		if !reflect.DeepEqual(delays, want) {
			t.Errorf("delays %v, want %v", delays, want)
		}
	})
}

// A change that arrives before the twin was read does not displace the settings that
// the previous process accepted.
func TestChangeBeforeTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHub{hub: newHub(`{"desired":{"autoRelockSeconds":9,"room":"1","$version":2},"reported":{"$version":1}}`),
			began: time.Now(), refusals: []error{iothub.Errorf(iothub.CodeThrottling, "slow down")}}
		previous := stillAgent(t)
		previous.state.Update(func(s *State) { s.Accepted = object(t, `{"autoRelockSeconds":9}`) }, func(error) {})
		a := New(previous.config, previous.lock, previous.state)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Serve(ctx, h); close(ended) }()
		h.desired <- object(t, `{"room":"1","$version":1}`)
		synctest.Wait()
		if s := a.settings().AutoRelockSeconds; s != 9 {
			t.Errorf("before the twin: autoRelockSeconds = %d", s)
		}

		<-time.After(time.Minute)
		synctest.Wait()
		if s := a.settings(); s.AutoRelockSeconds != 9 || s.Room == nil {
			t.Errorf("after the twin: %+v", s)
		}

		stop()
		<-ended
	})
}

// A change of the desired properties that alters no accepted value writes nothing to
// disk.
func TestOnlyChangesAreWritten(t *testing.T) {
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

// Methods beyond the concurrency limit stay on the link, which discards them when it
// is lost.
func TestMethodsBeyondTheLimitStayOnTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(newTwin)
		h.methods, h.answers = make(chan iothub.Method, 40), make(chan iothub.MethodResponse, 40)
		a := stillAgent(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Serve(ctx, h); close(ended) }()
		for range 40 {
			h.methods <- iothub.Method{RequestID: "1", Name: "lockDoor"}
		}

		synctest.Wait()
		if n := len(h.methods); n != 40-maxConcurrentMethods {
			t.Errorf("%d methods wait on the link, want %d", n, 40-maxConcurrentMethods)
		}

		close(a.lock.(*stillLock).hold)
		close(h.methods)
		<-ended

		if n := len(h.answers); n != 40 {
			t.Errorf("%d answers to 40 methods", n)
		}

		stop()
	})
}

// The agent reports the lock's changes within reportDelay together, and a motion that
// lasts longer on its own. A change of the desired properties is acknowledged at once.
func TestChangesOfTheLockAreReportedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock, h := serveSettable(t, true, `{}`)
		began := time.Now()
		var reports []string
		positions := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
			for len(h.reports) > 0 {
				lock, _ := (<-h.reports)["lock"].(map[string]any)
				reports = append(reports, fmt.Sprint(time.Since(began).Milliseconds(), " ", lock["position"]))
			}
		}
		move := func(to actuator.Position) { lock.set(func(s *actuator.Status) { s.Position = to }) }
		positions(0)
		reports = nil // the first report on a link

		move(actuator.Moving)
		positions(50 * time.Millisecond)
		move(actuator.Locked)
		positions(99 * time.Millisecond)
		positions(time.Millisecond)
		positions(850 * time.Millisecond)

		move(actuator.Moving) // at 1000 ms
		positions(200 * time.Millisecond)
		h.desire(t, `{"room":"1"}`, 2)
		positions(0)
		positions(100 * time.Millisecond)
		move(actuator.Unlocked) // at 1300 ms
		positions(150 * time.Millisecond)

		move(actuator.Moving) // at 1450 ms
		h.desire(t, `{"room":"2"}`, 3)
		positions(time.Second)
		if want := []string{"150 locked", "1200 moving", "1200 <nil>", "1450 unlocked", "2450 moving"}; !slices.Equal(reports, want) {
			t.Errorf("reports %q, want %q", reports, want)
		}
	})
}
