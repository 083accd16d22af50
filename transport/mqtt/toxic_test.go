package mqtt_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/latchd/latchd/transport/mqtt"
)

// network is what is between a gateway and its hub.
type network struct {
	t *testing.T
	*toxiproxy.Proxy
}

func newNetwork(t *testing.T, h *testHub) *network {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := toxiproxy.NewProxy(server, strings.ReplaceAll(t.Name(), "/", "_"), "127.0.0.1:0", h.at.MQTT.String())
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &network{t, p}
}

// poison makes both directions bad in a way.
func (n *network) poison(kind, attributes string) {
	n.t.Helper()
	for _, direction := range []string{"upstream", "downstream"} {
		n.poisonOne(direction, kind, attributes)
	}
}

func (n *network) poisonOne(direction, kind, attributes string) {
	n.t.Helper()
	toxic := fmt.Sprintf(`{"name":"%s","type":"%s","stream":"%s","attributes":{%s}}`, direction, kind, direction, attributes)
	if _, err := n.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		n.t.Fatal(err)
	}
}

// heal makes the network good again.
func (n *network) heal() { n.Toxics.ResetToxics(context.Background()) }

func (n *network) start() {
	n.t.Helper()
	if err := n.Start(); err != nil {
		n.t.Error(err)
	}
}

// cut ends all connections; new ones can be made.
func (n *network) cut() {
	n.t.Helper()
	n.Stop()
	n.start()
}

// Whatever the network does while commands come and go: when it is good again
// there is one link, the twin is true, and no command has run twice.
func TestTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	h := startHub(t)
	for _, trouble := range []struct {
		name      string
		keepAlive time.Duration
		// make it and heal it; a link is up when it begins.
		cause func(n *network, g *gateway)
	}{
		{"cut", 5 * time.Second, func(n *network, g *gateway) {
			n.cut()
			g.nextLink()
		}},
		{"cut for a while", 5 * time.Second, func(n *network, g *gateway) {
			n.Stop()
			g.noLink()
			time.Sleep(2 * time.Second) // of attempts that fail
			n.start()
			g.nextLink()
		}},
		{"all packets dropped", 2 * time.Second, func(n *network, g *gateway) {
			n.poison("timeout", `"timeout":0`)
			g.noLink() // found by keep-alive: the connection stands
			n.heal()
			g.nextLink()
		}},
		{"packets to the gateway dropped", 2 * time.Second, func(n *network, g *gateway) {
			n.poisonOne("downstream", "timeout", `"timeout":0`)
			g.noLink()
			n.heal()
			g.nextLink()
		}},
		{"packets to the hub dropped", 2 * time.Second, func(n *network, g *gateway) {
			n.poisonOne("upstream", "timeout", `"timeout":0`)
			g.noLink()
			n.heal()
			g.nextLink()
		}},
		{"2 s of latency", 5 * time.Second, func(n *network, g *gateway) {
			n.poisonOne("downstream", "latency", `"latency":2000`)
			g.carriesOn(1)
			n.heal()
		}},
		{"a login with 2 s of latency", 5 * time.Second, func(n *network, g *gateway) {
			n.poisonOne("downstream", "latency", `"latency":2000`)
			n.cut()
			g.nextLink()
			g.carriesOn(1)
			n.heal()
		}},
		{"1 kB/s", 5 * time.Second, func(n *network, g *gateway) {
			n.poison("bandwidth", `"rate":1`)
			n.cut()
			g.nextLink()
			g.carriesOn(1)
			n.heal()
		}},
		{"reset", 5 * time.Second, func(n *network, g *gateway) {
			n.poisonOne("upstream", "reset_peer", `"timeout":0`)
			g.noLink()
			n.heal()
			g.nextLink()
		}},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, h)
			id := "door-" + strings.NewReplacer(" ", "-", "/", "-").Replace(trouble.name)
			g := startGateway(t, h, id, n.Listen, func(o *mqtt.Options) { o.KeepAlive = trouble.keepAlive })
			g.nextLink()
			if err := g.converged(t.Context(), "before", 0); err != nil {
				t.Fatalf("before any trouble: %v", err)
			}
			answered, end := g.traffic(1000)
			trouble.cause(n, g)
			end()
			if err := g.converged(t.Context(), "after", 1_000_000); err != nil {
				t.Errorf("after the trouble: %v", err)
			}
			g.check(answered())
			t.Logf("%d links, %d methods answered", g.all.Load(), g.answered.Load())
		})
	}
}

// traffic calls methods, the next as soon as one is answered or has failed, and
// every half second at least, until end is called. answered returns the reasons
// of those that were answered well.
func (g *gateway) traffic(first int) (answered func() []string, end func()) {
	stop := make(chan struct{})
	var calls sync.WaitGroup
	var mu sync.Mutex
	var reasons []string
	calls.Go(func() {
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for n := first; ; n++ {
			done := make(chan struct{})
			calls.Go(func() {
				defer close(done)
				if reason, err := g.call(n); err == nil {
					mu.Lock()
					defer mu.Unlock()
					reasons = append(reasons, reason)
				}
			})
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
			select {
			case <-done:
			case <-ticker.C:
			case <-stop:
				return
			}
		}
	})
	return func() []string { return reasons }, func() { close(stop); calls.Wait() }
}

// nextLink waits for a link that has begun.
func (g *gateway) nextLink() {
	g.t.Helper()
	select {
	case <-g.up:
	case <-time.After(3 * patience):
		g.t.Fatal("there is no link")
	}
}

// noLink waits until there is no link.
func (g *gateway) noLink() {
	g.t.Helper()
	err := eventually(context.Background(), func() error {
		if g.links.Load() > 0 {
			return fmt.Errorf("the link is still there")
		}
		return nil
	})
	if err != nil {
		g.t.Error(err)
	}
}

// carriesOn waits until n more methods were answered on the link that there is.
func (g *gateway) carriesOn(n int64) {
	g.t.Helper()
	links, want := g.all.Load(), g.answered.Load()+n
	err := eventually(context.Background(), func() error {
		if have := g.answered.Load(); have < want {
			return fmt.Errorf("%d methods are still not answered", want-have)
		}
		return nil
	})
	if now := g.all.Load(); err != nil || now != links {
		g.t.Errorf("%v; %d links more", err, now-links)
	}
}
