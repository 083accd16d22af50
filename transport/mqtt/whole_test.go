package mqtt_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/rest"
)

// The tests of the whole put the real agent and the real link on one side, the
// embedded hub on the other, and trouble between.

// testHub is a hub, and a technician's way to it.
type testHub struct {
	*rest.Client
	t     *testing.T
	dir   string
	at    hub.Addresses
	roots *x509.CertPool
	end   context.CancelFunc
	ended chan error
}

func startHub(t *testing.T) *testHub {
	t.Helper()
	h := &testHub{t: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	h.run("127.0.0.1:0", "127.0.0.1:0")
	t.Cleanup(h.stop)
	owner, err := os.ReadFile(filepath.Join(h.dir, "service.connection-string"))
	if err != nil {
		t.Fatal(err)
	}
	service, err := iothub.ParseService(string(owner))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(h.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	h.roots.AppendCertsFromPEM(ca)
	h.Client = rest.New(service, rest.Options{Endpoint: &url.URL{Scheme: "https", Host: h.at.HTTPS.String()}, RootCAs: h.roots})
	t.Cleanup(h.CloseIdleConnections)
	return h
}

// run starts the hub's process, as it were.
func (h *testHub) run(mqttAddress, httpsAddress string) {
	h.t.Helper()
	ctx, end := context.WithCancel(context.Background())
	h.end, h.ended = end, make(chan error, 1)
	ready := make(chan hub.Addresses, 1)
	go func() {
		h.ended <- hub.Run(ctx, hub.Options{
			DataDir: h.dir, MQTTAddr: mqttAddress, HTTPSAddr: httpsAddress, Name: "localhost",
			Ready: func(a hub.Addresses) { ready <- a },
		})
	}()
	select {
	case h.at = <-ready:
	case err := <-h.ended:
		h.t.Fatalf("the hub does not start: %v", err)
	}
}

func (h *testHub) stop() {
	h.end()
	if err := <-h.ended; err != nil {
		h.t.Errorf("the hub: %v", err)
	}
}

// gateway is a door with its agent, linked to a hub until the test ends.
type gateway struct {
	t        *testing.T
	hub      *testHub
	id       string
	lock     *actuator.Lock
	events   *agent.Events
	links    atomic.Int64  // that are served now
	most     atomic.Int64  // that were served at the same time
	all      atomic.Int64  // that were ever served
	up       chan struct{} // has a value when a link has begun
	answered atomic.Int64  // methods that a technician got a 200 for

	mu       sync.Mutex
	executed map[string]int // commands that reached the lock, by reason
}

// Do counts what reaches the lock.
func (g *gateway) Do(ctx context.Context, c actuator.Command) (actuator.Result, error) {
	g.mu.Lock()
	g.executed[c.Reason]++
	g.mu.Unlock()
	return g.lock.Do(ctx, c)
}
func (g *gateway) Status() actuator.Status  { return g.lock.Status() }
func (g *gateway) Changed() <-chan struct{} { return g.lock.Changed() }

// startGateway makes a device in the hub and runs it, by way of address.
func startGateway(t *testing.T, h *testHub, id, address string, change func(o *mqtt.Options)) *gateway {
	t.Helper()
	identity, err := h.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: id})
	if err != nil {
		t.Fatal(err)
	}
	key, err := iothub.ParseKey(identity.Authentication.SymmetricKey.PrimaryKey)
	if err != nil {
		t.Fatal(err)
	}
	store, err := agent.OpenStore("", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	clock, err := actuator.SystemClock()
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, hub: h, id: id, up: make(chan struct{}, 1), executed: make(map[string]int)}
	g.events = agent.OpenEvents(t.TempDir(), agent.MaxEvents, zap.NewNop())
	driver := mock.New(mock.Config{}, actuator.Locked)
	g.lock = actuator.New(actuator.Config{
		AtPowerOn: actuator.Locked, ConfirmTimeout: 4 * time.Second, Observe: g.events.Observe,
	}, driver, store, store.Get().Lock, clock, zap.NewNop())
	a := agent.New(agent.Config{
		Driver: "mock", Mode: actuator.Hold, Version: "test", Now: time.Now, Log: zap.NewNop(), Events: g.events,
	}, g, store)
	opts := mqtt.Options{
		Device:   iothub.Device{HostName: "localhost", DeviceID: id, Key: key},
		Endpoint: address, RootCAs: h.roots, KeepAlive: 5 * time.Second, ModelID: agent.ModelID,
	}
	if change != nil {
		change(&opts)
	}
	ctx, end := context.WithCancel(context.Background())
	lockCtx, endLock := context.WithCancel(context.Background())
	var locks, links sync.WaitGroup
	locks.Go(func() { g.lock.Run(lockCtx) })
	links.Go(func() {
		err := mqtt.Run(ctx, opts, func(ctx context.Context, link *mqtt.Link) error {
			g.most.Store(max(g.most.Load(), g.links.Add(1)))
			defer g.links.Add(-1)
			g.all.Add(1)
			select {
			case g.up <- struct{}{}:
			default:
			}
			return a.Serve(ctx, link)
		})
		if err != nil {
			t.Errorf("the link: %v", err)
		}
	})
	t.Cleanup(func() {
		end()
		links.Wait()
		endLock()
		locks.Wait()
		driver.Close()
		g.events.Close()
		store.Close()
	})
	return g
}

// call has the door unlocked or locked for a reason that is nobody else's. It
// returns the hub's error; an answer of the door other than 200 fails the test.
func (g *gateway) call(n int) (reason string, err error) {
	name := "unlockDoor"
	if n%2 == 1 {
		name = "lockDoor"
	}
	reason = fmt.Sprintf("%s %d", g.id, n)
	answer, err := g.hub.InvokeMethod(context.Background(), g.id, iothub.MethodRequest{
		MethodName: name, Payload: []byte(fmt.Sprintf(`{"reason":%q}`, reason)), ResponseTimeoutInSeconds: iothub.MinResponseTimeout,
	})
	if err == nil && answer.Status != 200 {
		g.t.Errorf("%s: answer %d %s", reason, answer.Status, answer.Payload)
	}
	if err == nil {
		g.answered.Add(1)
	}
	return reason, err
}

// converged reports what is not yet as it has to be when all trouble is over: a
// change of the desired properties arrives, the reported ones are the lock's own,
// a command is carried out, all events are gone.
func (g *gateway) converged(ctx context.Context, room string, n int) error {
	if _, err := g.hub.UpdateTwin(ctx, g.id, iothub.TwinPatch{
		Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"room": room}},
	}, ""); err != nil {
		return err
	}
	reason := ""
	return eventually(ctx, func() error {
		if reason == "" {
			called, err := g.call(n)
			n += 2
			if err != nil {
				return err
			}
			reason = called
		}
		twin, err := g.hub.Twin(ctx, g.id)
		if err != nil {
			return err
		}
		ack, _ := twin.Properties.Reported["room"].(map[string]any)
		lock, _ := twin.Properties.Reported["lock"].(map[string]any)
		last, _ := lock["lastCommand"].(map[string]any)
		switch status := g.lock.Status(); {
		case ack["value"] != room:
			return fmt.Errorf("room %v is acknowledged, want %s", ack["value"], room)
		case lock["position"] != string(status.Position) || last["reason"] != status.Last.Reason:
			return fmt.Errorf("reported %v for %v, the lock is %s for %s", lock["position"], last["reason"], status.Position, status.Last.Reason)
		case twin.ConnectionState != iothub.Connected:
			return errors.New("the hub says that the device is not connected")
		}
		if waiting, _ := g.events.Counts(); waiting > 0 {
			return fmt.Errorf("%d events wait", waiting)
		}
		return nil
	})
}

// check fails unless each command ran at most once, those that were answered ran,
// and there was never more than one link.
func (g *gateway) check(answered []string) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for reason, n := range g.executed {
		if n > 1 {
			g.t.Errorf("%s ran %d times", reason, n)
		}
	}
	for _, reason := range answered {
		if g.executed[reason] != 1 {
			g.t.Errorf("%s was answered and ran %d times", reason, g.executed[reason])
		}
	}
	if n := g.most.Load(); n > 1 {
		g.t.Errorf("there were %d links at a time", n)
	}
}

// eventually asks until there is no error, and returns the last one when it takes
// too long.
func eventually(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return err
		}
	}
}
