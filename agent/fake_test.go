package agent

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// hub is a link whose hub is simulated by the test.
type hub struct {
	mu        sync.Mutex
	twin      iothub.DeviceTwin
	refuse    error // answer to the next report; nil accepts it
	methods   chan iothub.Method
	desired   chan iothub.Object
	answers   chan iothub.MethodResponse
	reports   chan iothub.Object
	fetched   chan struct{}
	messages  chan iothub.Message
	send      func(iothub.Message) error // result of Send; nil accepts every message
	read      func() error               // result of Twin; nil answers every request
	lastError string
	replayed  int64
}

func newHub(twin string) *hub {
	h := &hub{
		methods:  make(chan iothub.Method, 10),
		desired:  make(chan iothub.Object, 10),
		answers:  make(chan iothub.MethodResponse, 10),
		reports:  make(chan iothub.Object, 100),
		fetched:  make(chan struct{}, 10),
		messages: make(chan iothub.Message, 100),
	}
	if err := json.Unmarshal([]byte(twin), &h.twin); err != nil {
		panic(err)
	}
	return h
}

func (h *hub) Twin(context.Context) (iothub.DeviceTwin, error) {
	if h.read != nil {
		if err := h.read(); err != nil {
			return iothub.DeviceTwin{}, err
		}
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	h.fetched <- struct{}{}
	return h.twin, nil
}

func (h *hub) Report(_ context.Context, patch iothub.Object) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.refuse; err != nil {
		h.refuse = nil
		return 0, err
	}
	patch = normalize(patch)
	h.twin.Reported = h.twin.Reported.Merge(patch)
	h.reports <- patch
	return h.twin.Reported.Version() + 1, nil
}

func (h *hub) Respond(_ context.Context, _ string, r iothub.MethodResponse) error {
	h.answers <- r
	return nil
}

func (h *hub) Send(_ context.Context, m iothub.Message) error {
	if h.send != nil {
		if err := h.send(m); err != nil {
			return err
		}
	}
	h.messages <- m
	return nil
}

func (h *hub) Methods() <-chan iothub.Method { return h.methods }
func (h *hub) Desired() <-chan iothub.Object { return h.desired }
func (h *hub) LastError() string             { return h.lastError }
func (h *hub) Replayed() int64               { return h.replayed }

// call invokes a method and returns its answer.
func (h *hub) call(t *testing.T, name, payload string) (int, string) {
	t.Helper()
	h.methods <- iothub.Method{RequestID: "1", Name: name, Payload: []byte(payload)}
	select {
	case r := <-h.answers:
		return r.Status, string(r.Payload)
	case <-time.After(10 * time.Second):
		t.Fatalf("%s is not answered", name)
		return 0, ""
	}
}

// until waits until the reported properties satisfy want.
func (h *hub) until(t *testing.T, what string, want func(reported iothub.Object) bool) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		h.mu.Lock()
		reported := h.twin.Reported
		h.mu.Unlock()
		if want(reported) {
			return
		}
		select {
		case <-h.reports:
		case <-timeout:
			t.Fatalf("the twin never showed %s: %v", what, reported)
		}
	}
}

// door is an agent with a mock lock.
type door struct {
	*Agent
	driver *mock.Driver
	store  *Store
}

// newDoor starts a door whose bolt is at level. dir is the state directory; if it is
// empty, the state is in memory only.
func newDoor(t *testing.T, dir string, fault mock.Fault, level actuator.Position) *door {
	t.Helper()
	return newDoorWith(t, dir, fault, level, nil)
}

// newDoorWith is newDoor with a queue for the lock's events.
func newDoorWith(t *testing.T, dir string, fault mock.Fault, level actuator.Position, log *events.Log) *door {
	t.Helper()
	store, err := OpenStore(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}

	clock, err := actuator.SystemClock()
	if err != nil {
		t.Fatal(err)
	}

	driver := mock.New(mock.Config{Fault: fault}, level)
	lock := actuator.New(actuator.Config{AtPowerOn: level, ConfirmTimeout: 100 * time.Millisecond}, driver, Recorder{store, log}, store.Get().Lock, clock, zap.NewNop())
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { lock.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait(); store.Close() })
	for s := lock.Status(); s.Position != level; s = lock.Status() {
		<-lock.Changed()
	}

	a := New(Config{
		Driver: "mock", Mode: "hold", Version: "1.2.3", Now: time.Now, Log: zap.NewNop(),
		System: System{OS: "Debian", Kernel: "6.1", Arch: "arm64"},
	}, lock, store)
	running.Go(func() { a.Run(ctx) })

	return &door{a, driver, store}
}

// serve connects the door to the hub until the test ends.
func (d *door) serve(t *testing.T, h *hub) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { d.Serve(ctx, h); close(ended) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}

// newTwin is the twin of a device that has never connected.
const newTwin = `{"desired":{"$version":1},"reported":{"$version":1}}`
