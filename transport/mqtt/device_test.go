package mqtt_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "16") // the parallel tests spend most of their time waiting
	code := m.Run()
	if err := leaks(code); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// leaks returns an error if goroutines are still running after 40 s. A request that
// paho received while the link was being lost ends only after the write timeout of 30
// s.
func leaks(code int) error {
	var err error
	for end := time.Now().Add(40 * time.Second); code == 0 && time.Now().Before(end); {
		if err = goleak.Find(); err == nil {
			return nil
		}
	}
	return err
}

// connectedAt is the start time of the simulated clocks. The official Node SDK made a
// token for one hour at this time, with which the tests compare.
var connectedAt = time.Unix(1795437432-3600, 0)

const testKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// device runs mqtt.Run against a simulated hub. The channel links delivers each new
// link. The serve function returns when its context ends or when giveUp delivers an
// error.
type device struct {
	opts   mqtt.Options
	clock  *clock
	logs   *observer.ObservedLogs
	links  chan served
	giveUp chan error
	cancel context.CancelFunc
	ended  chan error
}

// served is a link together with the context that Run passed to the serve function.
type served struct {
	*mqtt.Link
	ctx context.Context
}

func startDevice(t *testing.T, p *peer, change func(o *mqtt.Options)) *device {
	t.Helper()

	key, err := iothub.ParseKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)

	d := &device{
		clock: newClock(), logs: logs,
		links: make(chan served, 16), giveUp: make(chan error), ended: make(chan error, 1),
	}

	d.opts = mqtt.Options{
		Device: iothub.Device{HostName: "localhost", DeviceID: "d1", Key: key},
		Logger: zap.New(core),
		Now:    d.clock.now, After: d.clock.after, Rand: func() float64 { return 0.5 },
	}
	if p != nil {
		d.opts.Endpoint, d.opts.RootCAs = p.address, trust.Pool(p.roots)
	}

	if change != nil {
		change(&d.opts)
	}
	var ctx context.Context
	ctx, d.cancel = context.WithCancel(t.Context())

	go func() {
		d.ended <- mqtt.Run(ctx, d.opts, func(ctx context.Context, link *mqtt.Link) error {
			d.links <- served{link, ctx}
			select {
			case <-ctx.Done():
				return nil
			case err := <-d.giveUp:
				return err
			}
		})
		close(d.ended)
	}()

	t.Cleanup(func() {
		d.cancel()
		d.clock.fireAll()
		for range d.ended { // the channel is closed when Run has returned
		}
	})

	return d
}

// link waits for the next link of the device and returns it.
func (d *device) link(t *testing.T) served {
	t.Helper()
	return receive(t, d.links, "a link")
}

// stop ends Run and returns the error of Run.
func (d *device) stop(t *testing.T) error {
	t.Helper()
	d.cancel()
	return receive(t, d.ended, "the end of Run")
}

// clock is a simulated clock. Its time changes only when a test advances it.
type clock struct {
	mu     sync.Mutex
	time   time.Time
	timers []timer
	added  chan struct{} // receives a value when a timer is added
	free   bool          // whether timers fire as soon as they are added
}

type timer struct {
	wait time.Duration // duration with which the timer was started
	at   time.Time
	c    chan time.Time
}

func newClock() *clock { return &clock{time: connectedAt, added: make(chan struct{}, 1)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.time
}

func (c *clock) after(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := timer{d, c.time.Add(d), make(chan time.Time, 1)}
	if c.free {
		t.c <- t.at
		return t.c
	}

	c.timers = append(c.timers, t)
	select {
	case c.added <- struct{}{}:
	default:
	}
	return t.c
}

// fire waits until a timer of duration d is added. It advances the clock to the timer's
// end and fires the timer.
func (c *clock) fire(t *testing.T, d time.Duration) {
	t.Helper()

	for {
		c.mu.Lock()
		for i, timer := range c.timers {
			if timer.wait == d {
				c.timers = append(c.timers[:i], c.timers[i+1:]...)
				if timer.at.After(c.time) {
					c.time = timer.at
				}
				timer.c <- c.time
				c.mu.Unlock()
				return
			}
		}
		c.mu.Unlock()
		receive(t, c.added, "a timer of "+d.String())
	}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time = c.time.Add(d)
}

// fireAll fires all timers. From then on, each new timer fires as soon as it is added.
func (c *clock) fireAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = true
	for _, t := range c.timers {
		t.c <- t.at
	}
	c.timers = nil
}
