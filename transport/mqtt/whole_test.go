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
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/trust"
)

// testHub is an embedded hub and a client of its service API. Tests connect a real
// agent to this hub through a real link, and disturb the connection.
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
	h.Client = rest.New(service, rest.Options{Endpoint: &url.URL{Scheme: "https", Host: h.at.HTTPS.String()}, RootCAs: trust.Pool(h.roots)})
	t.Cleanup(h.CloseIdleConnections)
	return h
}

// run starts the hub at the given addresses and waits until the hub is ready.
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
		h.t.Fatalf("the hub did not start: %v", err)
	}
}

func (h *testHub) stop() {
	h.end()
	if err := <-h.ended; err != nil {
		h.t.Errorf("the hub: %v", err)
	}
}

// gateway is a door with its real agent. It stays connected to the hub until the test
// ends.
type gateway struct {
	t        *testing.T
	hub      *testHub
	id       string
	lock     *actuator.Lock
	events   *events.Log
	links    atomic.Int64  // number of links that are open now
	most     atomic.Int64  // largest number of links that were open at the same time
	all      atomic.Int64  // number of links that were opened since the start
	up       chan struct{} // receives a value when a link is opened
	answered atomic.Int64  // number of methods that the door answered with the status 200

	mu       sync.Mutex
	executed map[string]int // how often a command reached the lock; key: the reason sent with the command
}

// Do passes the command to the lock and counts it.
func (g *gateway) Do(ctx context.Context, c actuator.Command) (actuator.Result, error) {
	g.mu.Lock()
	g.executed[c.Reason]++
	g.mu.Unlock()
	return g.lock.Do(ctx, c)
}
func (g *gateway) SetLockdown(ctx context.Context, on bool) error    { return g.lock.SetLockdown(ctx, on) }
func (g *gateway) Tune(ctx context.Context, t actuator.Tuning) error { return g.lock.Tune(ctx, t) }
func (g *gateway) Status() actuator.Status                           { return g.lock.Status() }
func (g *gateway) Changed() <-chan struct{}                          { return g.lock.Changed() }

// startGateway creates a device in the hub and runs the device's gateway. The gateway
// connects to address.
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
	g.events = events.Open(t.TempDir(), events.DefaultLimits, zap.NewNop())
	driver := mock.New(mock.Config{}, actuator.Locked)
	g.lock = actuator.New(actuator.Config{
		AtPowerOn: actuator.Locked, ConfirmTimeout: 4 * time.Second,
	}, driver, agent.Recorder{Store: store, Events: g.events}, store.Get().Lock, clock, zap.NewNop())
	a := agent.New(agent.Config{
		Driver: "mock", Mode: actuator.Hold, Version: "test", Now: time.Now, Log: zap.NewNop(), Events: g.events,
	}, g, store)

	opts := mqtt.Options{
		Device:   iothub.Device{HostName: "localhost", DeviceID: id, Key: key},
		Endpoint: address, RootCAs: trust.Pool(h.roots), KeepAlive: 5 * time.Second, ModelID: agent.ModelID,
	}

	if change != nil {
		change(&opts)
	}
	ctx, end := context.WithCancel(context.Background())
	lockCtx, endLock := context.WithCancel(context.Background())
	var locks, links sync.WaitGroup
	locks.Go(func() { g.lock.Run(lockCtx) })
	locks.Go(func() { a.Run(lockCtx) })

	links.Go(func() {
		err := mqtt.Run(ctx, opts, func(ctx context.Context, link *mqtt.Link) error {
			g.most.Store(max(g.most.Load(), g.links.Add(1)))
			defer g.links.Add(-1)
			g.all.Add(1)
			select {
			case g.up <- struct{}{}:
			default:
			}
			a.Serve(ctx, link)
			return nil
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

// call locks the door if n is odd and unlocks it if n is even. The reason that it sends
// is different for each n. call returns the hub's error. It fails the test if the door
// answers with a status other than 200.
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

// converged waits until door and hub work together again: a change of the desired
// properties reaches the door, the reported properties match the lock's state, the lock
// executes a command, and all events are sent. If that takes too long, converged
// returns an error that says what does not work.
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
			return fmt.Errorf("the door acknowledged room %v, want %s", ack["value"], room)
		case lock["position"] != string(status.Position) || last["reason"] != status.Last.Reason:
			return fmt.Errorf("the door reported %v for %v, but the lock is %s for %s", lock["position"], last["reason"], status.Position, status.Last.Reason)
		case twin.ConnectionState != iothub.Connected:
			return errors.New("the hub reports that the device is not connected")
		}
		if waiting := g.events.Counts().Waiting; waiting > 0 {
			return fmt.Errorf("%d events are not sent yet", waiting)
		}
		return nil
	})
}

// check fails the test if a command ran twice, or if a command was answered but did not
// run. It also fails the test if the gateway had more than one link at a time.
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
			g.t.Errorf("%s was answered but ran %d times", reason, g.executed[reason])
		}
	}

	if n := g.most.Load(); n > 1 {
		g.t.Errorf("there were %d links at the same time", n)
	}
}

// eventually calls check until it returns nil. If that takes too long, eventually
// returns the last error.
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
