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
	"github.com/latchd/latchd/transport/trust"
)

// stopwatch measures the time from the arrival of a method at the agent to the call
// that drives the lock's GPIO line. It starts at the first bytes that arrive after a
// call of arm. These bytes may belong to an earlier packet, so the measured time may be
// too long but never too short.
type stopwatch struct {
	armed   atomic.Bool
	arrival atomic.Int64 // arrival of the first bytes, in nanoseconds since origin
	driven  chan time.Duration
	origin  time.Time
}

func (w *stopwatch) arm() {
	w.arrival.Store(0)
	w.armed.Store(true)
}

// timedConn is the agent's TCP connection, below TLS. It tells a stopwatch when the
// first bytes arrive.
type timedConn struct {
	net.Conn
	*stopwatch
}

func (c timedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.armed.CompareAndSwap(true, false) {
		c.arrival.Store(int64(time.Since(c.origin)))
	}
	return n, err
}

// timedLine is a mock lock that tells a stopwatch of each call of Drive.
type timedLine struct {
	*mock.Driver
	*stopwatch
}

func (l timedLine) Drive(target actuator.Position) error {
	l.driven <- time.Since(l.origin) - time.Duration(l.arrival.Load())
	return l.Driver.Drive(target)
}

// BenchmarkDrive measures the time from the first byte of a method on the agent's
// connection to the call that drives the lock's GPIO line. This time covers TLS, MQTT,
// the agent and the lock's state machine. The state machine stores its state on disk.
// The agent runs in this process.
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
	w := &stopwatch{driven: make(chan time.Duration, 1), origin: time.Now()}
	defer startTimedAgent(b, h, w)()
	client := h.Client(b)

	var took []time.Duration
	for i := range methods {
		w.arm()
		call(b, client, "timed", []string{"unlockDoor", "lockDoor"}[i%2])
		took = append(took, <-w.driven)
	}
	return took
}

// startTimedAgent runs the agent of a new device until stop is called.
func startTimedAgent(b *testing.B, h *harness.Hub, w *stopwatch) (stop func()) {
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
	line := timedLine{mock.New(mock.Config{}, actuator.Locked), w}
	set := actuator.Config{Mode: actuator.Hold, AtPowerOn: actuator.Locked, ConfirmTimeout: time.Second}
	lock := actuator.New(set, line, agent.Recorder{Store: store}, actuator.Record{}, clock, zap.NewNop())
	a := agent.New(agent.Config{Driver: "mock", Mode: set.Mode, BootID: clock.BootID, Now: time.Now, Log: zap.NewNop()}, lock, store)
	options := mqtt.Options{
		Device: h.CreateDevice(b, "timed"), Endpoint: h.MQTT, RootCAs: trust.Pool(roots), ModelID: agent.ModelID,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return timedConn{conn, w}, err
		},
	}
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	all.Go(func() { lock.Run(ctx) })
	all.Go(func() {
		mqtt.Run(ctx, options, func(ctx context.Context, link *mqtt.Link) error {
			a.Serve(ctx, link)
			return nil
		})
	})
	return func() { cancel(); all.Wait(); line.Close(); store.Close() }
}
