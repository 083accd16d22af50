package bench

import (
	"context"
	"crypto/x509"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/mqtt"
)

// watch notes the first bytes that come after a method was asked for, and the call
// that drives the line. What comes first may be of something else, so the time
// between is rather too long than too short.
type watch struct {
	asked  atomic.Bool
	came   atomic.Int64 // nanoseconds since began; 0 is not yet
	driven chan time.Duration
	began  time.Time
}

func (w *watch) ask() {
	w.came.Store(0)
	w.asked.Store(true)
}

// watchedConn is the agent's connection below TLS.
type watchedConn struct {
	net.Conn
	*watch
}

func (c watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.asked.CompareAndSwap(true, false) {
		c.came.Store(int64(time.Since(c.began)))
	}
	return n, err
}

// watchedLine is a lock whose line is not there.
type watchedLine struct {
	*mock.Driver
	*watch
}

func (l watchedLine) Drive(target actuator.Position) error {
	l.driven <- time.Since(l.began) - time.Duration(l.came.Load())
	return l.Driver.Drive(target)
}

// BenchmarkDrive measures the time from the first byte of a method on the agent's
// connection to the call that sets the line: TLS, MQTT, the agent and the lock's
// state machine, with its state on disk. The agent runs in this process.
func BenchmarkDrive(b *testing.B) {
	for b.Loop() {
		took := measureDrives(b)
		b.ReportMetric(milliseconds(quantile(took, 0.5)), "drive-ms")
		b.ReportMetric(milliseconds(quantile(took, 0.99)), "drive99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

func measureDrives(b *testing.B) []time.Duration {
	b.Helper()
	h := harness.StartHub(b, bin)
	defer h.Kill()
	w := &watch{driven: make(chan time.Duration, 1), began: time.Now()}
	defer startWatched(b, h, w)()
	client := h.Client(b)
	var took []time.Duration
	for i := range methods {
		w.ask()
		call(b, client, "watched", []string{"unlockDoor", "lockDoor"}[i%2])
		took = append(took, <-w.driven)
	}
	return took
}

// startWatched has an agent serve the device until it is stopped.
func startWatched(b *testing.B, h *harness.Hub, w *watch) (stop func()) {
	b.Helper()
	authority, err := os.ReadFile(h.CA())
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	store, err := agent.OpenStore(b.TempDir(), zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	clock, err := actuator.SystemClock()
	if err != nil {
		b.Fatal(err)
	}
	line := watchedLine{mock.New(mock.Config{}, actuator.Locked), w}
	set := actuator.Config{Mode: actuator.Hold, AtPowerOn: actuator.Locked, ConfirmTimeout: time.Second}
	lock := actuator.New(set, line, store, actuator.Record{}, clock, zap.NewNop())
	a := agent.New(agent.Config{Driver: "mock", Mode: set.Mode, BootID: clock.BootID, Now: time.Now, Log: zap.NewNop()}, lock, store)
	options := mqtt.Options{
		Device: h.CreateDevice(b, "watched"), Endpoint: h.MQTT, RootCAs: roots, ModelID: agent.ModelID,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return watchedConn{conn, w}, err
		},
	}
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	all.Go(func() { lock.Run(ctx) })
	all.Go(func() {
		mqtt.Run(ctx, options, func(ctx context.Context, link *mqtt.Link) error { return a.Serve(ctx, link) })
	})
	return func() { cancel(); all.Wait(); line.Close(); store.Close() }
}
