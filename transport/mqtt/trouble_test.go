package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/mqtt"
)

// TestTrouble disturbs the network while a technician calls methods. After the
// disturbance has ended, the gateway must have one link and an up-to-date twin. No
// command may have run twice.
func TestTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()

	h := startHub(t)
	for _, trouble := range []struct {
		name      string
		keepAlive time.Duration
		// cause disturbs the network and ends the disturbance. The gateway has a link
		// when cause is called.
		cause func(n *network, g *gateway)
	}{
		{"cut", 5 * time.Second, func(n *network, g *gateway) {
			n.cut()
			g.nextLink()
		}},
		{"cut for a while", 5 * time.Second, func(n *network, g *gateway) {
			n.stop()
			g.noLink()
			time.Sleep(2 * time.Second) // meanwhile the gateway tries to connect and fails
			n.start()
			g.nextLink()
		}},
		{"all packets dropped", 2 * time.Second, func(n *network, g *gateway) {
			n.impair(faults{drop: true}, faults{drop: true})
			g.noLink() // the keep-alive detects the dead connection, which stays open
			n.heal()
			g.nextLink()
		}},
		{"packets to the gateway dropped", 2 * time.Second, func(n *network, g *gateway) {
			n.impair(faults{}, faults{drop: true})
			g.noLink()
			n.heal()
			g.nextLink()
		}},
		{"packets to the hub dropped", 2 * time.Second, func(n *network, g *gateway) {
			n.impair(faults{drop: true}, faults{})
			g.noLink()
			n.heal()
			g.nextLink()
		}},
		{"2 s of latency", 5 * time.Second, func(n *network, g *gateway) {
			n.impair(faults{}, faults{latency: 2 * time.Second})
			g.carriesOn(1)
			n.heal()
		}},
		{"a login with 2 s of latency", 5 * time.Second, func(n *network, g *gateway) {
			n.impair(faults{}, faults{latency: 2 * time.Second})
			n.cut()
			g.nextLink()
			g.carriesOn(1)
			n.heal()
		}},
		{"1 kB/s", 5 * time.Second, func(n *network, g *gateway) {
			n.impair(faults{bytesPerSecond: 1000}, faults{bytesPerSecond: 1000})
			n.cut()
			g.nextLink()
			g.carriesOn(1)
			n.heal()
		}},
		{"reset", 5 * time.Second, func(n *network, g *gateway) {
			n.impair(faults{reset: true}, faults{})
			g.noLink()
			n.heal()
			g.nextLink()
		}},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()

			n := newNetwork(t, h)
			id := "door-" + strings.NewReplacer(" ", "-", "/", "-").Replace(trouble.name)
			g := startGateway(t, h, id, n.address, func(o *mqtt.Options) { o.KeepAlive = trouble.keepAlive })
			g.nextLink()
			if err := g.converged(t.Context(), "before", 0); err != nil {
				t.Fatalf("before the trouble: %v", err)
			}

			calls := g.startCalls(1000)
			trouble.cause(n, g)
			answered := calls.stop()

			if err := g.converged(t.Context(), "after", 1_000_000); err != nil {
				t.Errorf("after the trouble: %v", err)
			}
			g.check(answered)
			t.Logf("%d links, %d methods answered", g.all.Load(), g.answered.Load())
		})
	}
}

// methodCalls is a simulated technician who calls methods of a gateway until stop is
// called.
type methodCalls struct {
	gateway *gateway
	end     chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	answered []string // reasons sent with the calls that the door has answered
}

// startCalls starts a technician who calls methods with the numbers first, first+1 and
// so on. The next call starts when the previous one has ended, or after half a second.
func (g *gateway) startCalls(first int) *methodCalls {
	c := &methodCalls{gateway: g, end: make(chan struct{})}
	c.running.Go(func() {
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()

		for n := first; ; n++ {
			done := make(chan struct{})
			c.running.Go(func() {
				defer close(done)
				c.call(n)
			})

			select {
			case <-ticker.C:
			case <-c.end:
				return
			}
			select {
			case <-done:
			case <-ticker.C:
			case <-c.end:
				return
			}
		}
	})

	return c
}

func (c *methodCalls) call(n int) {
	reason, err := c.gateway.call(n)
	if err != nil {
		return
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = append(c.answered, reason)
}

// stop ends the calls and waits for those in progress. It returns the reasons that were
// sent with all answered calls.
func (c *methodCalls) stop() []string {
	close(c.end)
	c.running.Wait()
	return c.answered
}

// nextLink waits until the gateway has a new link.
func (g *gateway) nextLink() {
	g.t.Helper()

	select {
	case <-g.up:
	case <-time.After(3 * patience):
		g.t.Fatal("the gateway does not connect")
	}
}

// noLink waits until the gateway has no link.
func (g *gateway) noLink() {
	g.t.Helper()

	err := eventually(context.Background(), func() error {
		if g.links.Load() > 0 {
			return errors.New("the gateway still has a link")
		}
		return nil
	})
	if err != nil {
		g.t.Error(err)
	}
}

// carriesOn waits until the door has answered n more methods over the link that it has
// now.
func (g *gateway) carriesOn(n int64) {
	g.t.Helper()

	links, want := g.all.Load(), g.answered.Load()+n
	err := eventually(context.Background(), func() error {
		if have := g.answered.Load(); have < want {
			return fmt.Errorf("%d methods are unanswered", want-have)
		}
		return nil
	})
	if now := g.all.Load(); err != nil || now != links {
		g.t.Errorf("%v; %d new links", err, now-links)
	}
}
