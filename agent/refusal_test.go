package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// strictHub is a link whose hub refuses reports as the test decides, as IoT Hub does.
type strictHub struct {
	*hub
	// judge decides on each report. The report is stored if stored is true; err is the
	// answer.
	judge   func(patch iothub.Object) (stored bool, err error)
	reports []string // the names of the properties in each report
	reads   int
	onRead  func() iothub.DeviceTwin // the answer to the next read; nil answers with the twin
}

func (h *strictHub) Twin(ctx context.Context) (iothub.DeviceTwin, error) {
	h.reads++
	<-time.After(time.Millisecond) // the way to the hub
	h.mu.Lock()
	onRead := h.onRead
	h.onRead = nil
	h.mu.Unlock()
	if onRead != nil {
		return onRead(), nil
	}

	defer func() { <-h.fetched }()
	return h.hub.Twin(ctx)
}

func (h *strictHub) Report(_ context.Context, patch iothub.Object) (int64, error) {
	<-time.After(time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	patch = normalize(patch)
	h.reports = append(h.reports, strings.Join(slices.Sorted(names(patch)), " "))
	stored, err := h.judge(patch)
	if stored {
		h.twin.Reported = h.twin.Reported.Merge(patch)
	}
	return 0, err
}

// taken returns the reports since the last call.
func (h *strictHub) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	reports := h.reports
	h.reports = nil
	return reports
}

// names yields the names of the properties in a patch, as PROPERTY.MEMBER for sections.
func names(patch iothub.Object) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name, value := range patch {
			members, isObject := value.(map[string]any)
			if !isObject || isProperty(name) {
				if !yield(name) {
					return
				}
				continue
			}
			for member := range members {
				if !yield(name + "." + member) {
					return
				}
			}
		}
	}
}

func has(patch iothub.Object, name string) bool {
	for n := range names(patch) {
		if n == name {
			return true
		}
	}
	return false
}

// position returns the bolt's position in the hub's twin.
func (h *strictHub) position() any {
	h.mu.Lock()
	defer h.mu.Unlock()
	lock, _ := h.twin.Reported["lock"].(map[string]any)
	return lock["position"]
}

// strictDoor runs an agent with a lock that the test sets, connected to h.
type strictDoor struct {
	*Agent
	lock *settableLock
	log  *observer.ObservedLogs
	stop func()
}

func newStrictDoor(t *testing.T, h *strictHub, store *Store) *strictDoor {
	t.Helper()
	lock := &settableLock{status: actuator.Status{Position: actuator.Locked}}
	lock.changed = make(chan struct{}, 1)
	core, logs := observer.New(zapcore.WarnLevel)
	a := New(Config{Now: time.Now, Rand: func() float64 { return 1 }, Log: zap.New(core), Version: "1.2.3", System: System{Kernel: "6.1"}}, lock, store)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { a.Serve(ctx, h); close(ended) }()
	end := func() { stop(); <-ended }
	t.Cleanup(end)

	pass(time.Second)
	return &strictDoor{a, lock, logs, end}
}

// pass waits for a time and until the agent has nothing left to do.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func memoryStore(t *testing.T) *Store {
	t.Helper()
	store, err := OpenStore("", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func position(p actuator.Position) func(*actuator.Status) {
	return func(s *actuator.Status) { s.Position = p }
}

// A refusal that is not permanent costs the twin at most a minute and a half of truth.
// The next report carries the present state of the door, not the refused one, even if
// the hub has stored the report that it did not acknowledge.
func TestTwinIsTrueAfterTemporaryRefusals(t *testing.T) {
	refusal := func(status int) error { return &iothub.Error{Status: status} }
	for _, answer := range []struct {
		name string
		err  error
	}{
		{"conflict", refusal(409)},
		{"precondition", refusal(412)},
		{"throttled", refusal(429)},
		{"internal error", refusal(500)},
		{"unavailable", refusal(503)},
		{"unauthorized", refusal(401)},
		{"quota", refusal(403)},
		{"no twin", refusal(404)},
		{"no answer", errors.New("the hub did not answer within 30 s")},
	} {
		for _, stored := range []bool{false, true} {
			for _, refusals := range []int{1, 10} {
				for _, back := range []bool{false, true} {
					if refused, isRefusal := errors.AsType[*iothub.Error](answer.err); stored && isRefusal && refused.Status < 500 {
						continue // a hub stores nothing that it refuses with 4xx
					}
					name := fmt.Sprintf("%s, stored %t, %d times, locked again %t", answer.name, stored, refusals, back)
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { checkTemporaryRefusal(t, answer.err, stored, refusals, back) })
					})
				}
			}
		}
	}
}

func checkTemporaryRefusal(t *testing.T, answer error, stored bool, refusals int, back bool) {
	h := &strictHub{hub: newHub(newTwin)}
	left := 0
	var refusedAt []time.Time
	h.judge = func(iothub.Object) (bool, error) {
		if left == 0 {
			return true, nil
		}
		left--
		refusedAt = append(refusedAt, time.Now())
		return stored, answer
	}
	d := newStrictDoor(t, h, memoryStore(t))

	left = refusals
	d.lock.change(position(actuator.Unlocked))
	pass(time.Second)
	want := any("unlocked")
	if back {
		d.lock.change(position(actuator.Locked))
		want = "locked"
	}

	for range refusals {
		pass(maxTwinPause + time.Second)
	}
	if got := h.position(); got != want || len(refusedAt) != refusals && !back && !stored {
		t.Errorf("the twin says %v after %d refusals, want %v after %d", got, len(refusedAt), want, refusals)
	}
	for i := range refusedAt[1:] {
		if pause := refusedAt[i+1].Sub(refusedAt[i]); pause > time.Minute+time.Second {
			t.Errorf("%s between attempts, want 60 s at most", pause)
		}
	}
	if refused, _ := d.Status()["twin"]; refused != nil {
		t.Errorf("after the recovery, the status says %v", refused)
	}
}

// While a temporary failure lasts, the status says so.
func TestStatusShowsThatTheTwinIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &strictHub{hub: newHub(newTwin)}
		h.judge = func(iothub.Object) (bool, error) { return false, iothub.Errorf(iothub.CodeThrottling, "slow down") }
		d := newStrictDoor(t, h, memoryStore(t))
		if got := text(t, d.Status()["twin"]); got != `{"failure":"report properties: slow down (ThrottlingException 429001)"}` {
			t.Errorf("twin %s", got)
		}
	})
}

// If the hub refuses one property permanently, the agent reports all others at once and
// later changes with one request each. Status and log name the property and the reason.
// The same happens after a restart. When the property gets another value, and every ten
// minutes, the agent reports it again.
func TestPermanentRefusalCostsOneProperty(t *testing.T) {
	for _, tc := range []struct {
		refused string // name of the property that the hub refuses
		status  int
	}{
		{"system.kernel", 400},
		{"lock.position", 400},
		{"agent.version", 413},
		{"floor", 400},
	} {
		t.Run(tc.refused, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkPermanentRefusal(t, tc.refused, tc.status) })
		})
	}
}

func checkPermanentRefusal(t *testing.T, refused string, status int) {
	h := &strictHub{hub: newHub(`{"desired":{"floor":3,"room":"1","$version":4},"reported":{"$version":1}}`)}
	var strict atomic.Bool
	strict.Store(true)
	h.judge = func(patch iothub.Object) (bool, error) {
		if strict.Load() && has(patch, refused) {
			return false, &iothub.Error{Status: status, Message: "no " + refused}
		}
		return true, nil
	}
	store := memoryStore(t)

	for _, start := range []string{"first start", "restart"} {
		d := newStrictDoor(t, h, store)
		var missing []string
		for name := range names(difference(h.twin.Reported, d.reported())) {
			missing = append(missing, name)
		}
		if !slices.Equal(missing, []string{refused}) {
			t.Errorf("%s: the twin lacks %q, want %s only", start, missing, refused)
		}
		if got, want := text(t, d.Status()["twin"]), fmt.Sprintf(`{"refused":{%q:"no %s (HTTP status %d)"}}`, refused, refused, status); got != want {
			t.Errorf("%s: status %s, want %s", start, got, want)
		}
		if n := d.log.FilterField(zap.String("property", refused)).Len(); n != 1 {
			t.Errorf("%s: the log names the property %d times, want once", start, n)
		}

		// Later changes cost one request each, and the refused value one in ten minutes.
		h.taken()
		d.lock.change(func(s *actuator.Status) { s.Lockdown = !s.Lockdown })
		pass(refusedPause - 2*time.Second)
		if got := h.taken(); !slices.Equal(got, []string{"lock.lockdown"}) {
			t.Errorf("%s: reported %q after a change of lock.lockdown", start, got)
		}
		pass(24 * time.Hour)
		if got := h.taken(); len(got) != 144 || !slices.Equal(slices.Compact(got), []string{refused}) {
			t.Errorf("%s: reported %q in 24 hours", start, got)
		}
		if n := d.log.FilterField(zap.String("property", refused)).Len(); n != 1 {
			t.Errorf("%s: the log names the property %d times in 24 hours, want once", start, n)
		}
		d.stop()
	}

	// The hub accepts another value.
	d := newStrictDoor(t, h, store)
	strict.Store(false)
	d.config.System.Kernel, d.config.Version = "6.2", "1.2.4"
	d.lock.change(position(actuator.Unlocked))
	h.desire(t, `{"floor":4}`, 5)
	pass(time.Second)
	if change := difference(h.twin.Reported, d.reported()); len(change) != 0 || d.Status()["twin"] != nil {
		t.Errorf("the twin still lacks %v; status %v", change, d.Status()["twin"])
	}
}

// A hub that wrongly refuses the door's position, or whose twin has room again, gets the
// position although it does not change any more.
func TestRefusalThatDoesNotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &strictHub{hub: newHub(newTwin)}
		var wrong atomic.Bool
		h.judge = func(patch iothub.Object) (bool, error) {
			if wrong.Load() && has(patch, "lock.position") {
				return false, &iothub.Error{Status: 400, Message: "no"}
			}
			return true, nil
		}
		d := newStrictDoor(t, h, memoryStore(t))

		wrong.Store(true)
		d.lock.change(position(actuator.Unlocked))
		pass(time.Second)
		wrong.Store(false)
		if got := h.position(); got != "locked" {
			t.Errorf("the twin says %v after the refusal", got)
		}
		pass(refusedPause)
		if got, trouble := h.position(), d.Status()["twin"]; got != "unlocked" || trouble != nil {
			t.Errorf("the twin says %v, and the status %v, ten minutes after the refusal", got, trouble)
		}
	})
}

// A desired number that no twin can report is refused in its own acknowledgement, and
// so is one that an earlier version of the agent has accepted and saved.
func TestNumberThatNoTwinCanReport(t *testing.T) {
	const refusal = "want a whole number from -4503599627370496 to 4503599627370495"
	for _, tc := range []struct {
		floor, accepted, ack string
	}{
		{`4600000000000000.0`, `{}`, "400 <nil>: " + refusal},
		{`4600000000000000`, `{}`, "400 <nil>: " + refusal},
		{`-4503599627370497`, `{"floor":3}`, "400 3: " + refusal},
		{`4600000000000000.0`, `{"floor":4600000000000000.0}`, "400 <nil>: " + refusal},
		{`4503599627370495`, `{}`, "200 4503599627370495"},
		{`-4503599627370496.0`, `{}`, "200 -4503599627370496"},
	} {
		t.Run(tc.floor, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &strictHub{hub: newHub(`{"desired":{"floor":` + tc.floor + `,"$version":4},"reported":{"$version":1}}`)}
				h.judge = func(iothub.Object) (bool, error) { return true, nil }
				store := memoryStore(t)
				store.state.Accepted = object(t, tc.accepted)
				newStrictDoor(t, h, store)
				if got := h.ack("floor"); got != tc.ack {
					t.Errorf("acknowledged %s, want %s", got, tc.ack)
				}
			})
		})
	}
}

// If the agent cannot read a change of the desired properties, it reads the whole twin.
func TestUnreadableChangeMakesTheAgentReadTheTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &strictHub{hub: newHub(newTwin)}
		h.judge = func(iothub.Object) (bool, error) { return true, nil }
		d := newStrictDoor(t, h, memoryStore(t))

		h.mu.Lock()
		h.twin.Desired = object(t, `{"room":"7","$version":2}`)
		h.mu.Unlock()
		h.desired <- nil
		pass(time.Second)
		if room := d.settings().Room; room == nil || *room != "7" || h.reads != 2 {
			t.Errorf("room %v after %d reads of the twin", room, h.reads)
		}
	})
}

// Changes of the desired properties come into force while the agent waits to read the
// twin again.
func TestLockdownWhileTheTwinCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &strictHub{hub: newHub(newTwin)}
		broken := false
		h.judge = func(iothub.Object) (bool, error) {
			if broken {
				return false, &iothub.Error{Status: 500}
			}
			return true, nil
		}
		d := newStrictDoor(t, h, memoryStore(t))

		broken = true
		d.lock.change(position(actuator.Unlocked))
		pass(time.Second)
		h.desire(t, `{"autoRelockSeconds":9}`, 2)
		if got := d.settings().AutoRelockSeconds; got != 9 {
			t.Errorf("autoRelockSeconds = %d while the hub refuses reports", got)
		}
	})
}

// A hub that does not answer a request for the twin delays no change of the desired
// properties, such as a lockdown. The acknowledgement follows when the hub answers again.
func TestSilentHubDelaysNoDesiredChange(t *testing.T) {
	change := func(t *testing.T, h *strictHub) { h.desire(t, `{"autoRelockSeconds":9}`, 2) }
	for name, tc := range map[string]struct {
		read   bool // the hub is silent to a read of the twin; false means to a report
		change func(t *testing.T, h *strictHub)
		inTime bool // the change is in force before the hub answers
	}{
		"report":                            {false, change, true},
		"read, whose answer is older":       {true, change, true},
		"unreadable change during a read":   {true, func(_ *testing.T, h *strictHub) { h.desired <- nil }, false},
		"unreadable change during a report": {false, func(_ *testing.T, h *strictHub) { h.desired <- nil }, false},
		"several changes, one of them is lost": {true, func(t *testing.T, h *strictHub) {
			h.desire(t, `{"autoRelockSeconds":7}`, 2)
			h.desire(t, `{"room":"1"}`, 4)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkSilentHub(t, tc.read, tc.change, tc.inTime) })
		})
	}
}

func checkSilentHub(t *testing.T, read bool, change func(*testing.T, *strictHub), inTime bool) {
	h := &strictHub{hub: newHub(newTwin)}
	var answers atomic.Bool
	answers.Store(true)
	h.judge = func(iothub.Object) (bool, error) {
		if answers.Load() {
			return true, nil
		}
		h.mu.Unlock()
		<-time.After(30 * time.Second)
		h.mu.Lock()
		return false, errors.New("the hub did not answer within 30 s")
	}
	d := newStrictDoor(t, h, memoryStore(t))

	answers.Store(false)
	reading := make(chan struct{})
	h.mu.Lock()
	h.onRead = func() iothub.DeviceTwin {
		h.mu.Lock()
		old := h.twin
		h.mu.Unlock()

		close(reading)
		<-time.After(20 * time.Second)
		return old
	}
	h.mu.Unlock()
	d.lock.change(position(actuator.Unlocked))
	pass(time.Second)
	if read {
		answers.Store(true)
		<-reading
	}

	// The hub has the new properties and tells the agent, while the request waits.
	h.mu.Lock()
	h.twin.Desired = object(t, `{"autoRelockSeconds":9,"$version":4}`)
	h.mu.Unlock()
	change(t, h)
	if got := d.settings().AutoRelockSeconds == 9; got != inTime {
		t.Errorf("the change is in force = %t while the hub is silent, want %t", got, inTime)
	}

	answers.Store(true)
	pass(2 * time.Minute)
	if got := d.settings().AutoRelockSeconds; got != 9 {
		t.Errorf("autoRelockSeconds = %d when the hub answers again, want 9", got)
	}
	if got := h.ack("autoRelockSeconds"); got != "200 9" {
		t.Errorf("acknowledged %s when the hub answers again, want 200 9", got)
	}
}
