package system

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// fleet is a group of simulated devices in the test's process. A test can see which
// devices were called, and decides when they answer.
type fleet struct {
	ids     []string
	calls   chan string   // receives the id of a device when it is called
	answers chan string   // receives the id of a device when it has sent its answer
	release chan struct{} // closed by the test; only then do the devices in hold answer

	mu     sync.Mutex
	called map[string]int // number of calls of each device so far
}

// startFleet registers n devices and waits until the hub can call each of them. A
// device for which hold returns true answers only after the channel release is closed.
func startFleet(t *testing.T, h *harness.Hub, n int, hold func(i int) bool) *fleet {
	t.Helper()
	f := &fleet{calls: make(chan string, 10*n), answers: make(chan string, 10*n), release: make(chan struct{}), called: make(map[string]int)}
	roots := h.Roots(t)
	ctx, stop := context.WithCancel(context.Background())
	var devices sync.WaitGroup
	t.Cleanup(func() { stop(); devices.Wait() })

	connected := make(chan struct{}, 10*n)
	for i := range n {
		id := fmt.Sprintf("door-%02d", i)
		f.ids = append(f.ids, id)
		opts := mqtt.Options{Device: h.CreateDevice(t, id), Endpoint: h.MQTT, RootCAs: trust.Pool(roots)}
		devices.Go(func() {
			err := mqtt.Run(ctx, opts, func(ctx context.Context, link *mqtt.Link) error {
				select {
				case connected <- struct{}{}:
				default:
				}
				return f.serve(ctx, id, link, hold(i))
			})
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	take(t, connected, n, "devices to connect")
	return f
}

// take receives n device ids from a channel.
func take[T any](t *testing.T, events <-chan T, n int, what string) {
	t.Helper()
	timeout := time.After(harness.Patience)
	for i := range n {
		select {
		case <-events:
		case <-timeout:
			t.Fatalf("waited %s for %d %s, but saw %d", harness.Patience, n, what, i)
		}
	}
}

// serve answers the methods of one device until the link ends.
func (f *fleet) serve(ctx context.Context, id string, link *mqtt.Link, hold bool) error {
	for m := range link.Methods() {
		f.mu.Lock()
		f.called[id]++
		f.mu.Unlock()
		f.calls <- id
		if hold {
			select {
			case <-f.release:
			case <-ctx.Done():
				return nil
			}
		}
		answer := iothub.MethodResponse{Status: 200, Payload: json.RawMessage(fmt.Sprintf(`{"id":%q}`, id))}
		if err := link.Respond(ctx, m.RequestID, answer); err != nil {
			return nil // the link was lost; Run calls serve again with the next link
		}
		f.answers <- id
	}
	<-ctx.Done()
	return nil
}

// timesCalled returns how often each device has been called so far.
func (f *fleet) timesCalled() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	times := make(map[string]int)
	for id, n := range f.called {
		times[id] = n
	}
	return times
}
