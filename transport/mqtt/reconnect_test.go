package mqtt_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// simulated is time in which back-off takes none, and tokens grow old when the
// test says so.
type simulated struct {
	mu     sync.Mutex
	time   time.Time
	passed time.Duration
	linked bool
	armed  chan chan time.Time // the renewal of each link that comes
}

const renewAfter = 48 * time.Minute // with the middle of chance

func (s *simulated) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time
}

func (s *simulated) after(d time.Duration) <-chan time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan time.Time, 1)
	switch {
	case d == renewAfter:
		s.linked = true
		s.armed <- c
	case !s.linked: // between two links
		s.time, s.passed = s.time.Add(d), s.passed+d
		c <- s.time
	}
	return c // what bounds an answer is not needed: the peer answers
}

// goOn lets time go on while there is a link.
func (s *simulated) goOn(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time, s.passed = s.time.Add(d), s.passed+d
}

// step sets the clock.
func (s *simulated) step(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = s.time.Add(d)
}

func (s *simulated) unlinked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linked = false
}

// A thousand links come and go, by all that ends links, with hubs that refuse and
// clocks that are set: memory and goroutines stay what they were.
// LATCHD_TEST_RECONNECTS says how many; the seed is printed.
func TestReconnects(t *testing.T) {
	links := 1000
	if text := os.Getenv("LATCHD_TEST_RECONNECTS"); text != "" {
		var err error
		if links, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	var refusals, code atomic.Int32
	p := newPeer(t, func(p *peer) {
		p.connack = func(int) byte {
			if refusals.Add(-1) >= 0 {
				return byte(code.Load())
			}
			return packets.Accepted
		}
	})
	sim := &simulated{time: connectedAt, armed: make(chan chan time.Time, 1)}
	d := startDevice(t, p, func(o *mqtt.Options) {
		o.Now, o.After, o.Logger = sim.now, sim.after, zap.NewNop()
	})
	var before use
	renewals, attempts := 0, 0
	for n := range links {
		s := p.next(t)
		for attempts++; s.filters == nil; attempts++ { // refused
			s = p.next(t)
		}
		link, renew := d.link(t), receive(t, sim.armed, "the link's renewal")
		if n == links/10 {
			before = measure()
		}
		id := strconv.Itoa(n)
		s.method(id, "lockDoor", "null")
		receive(t, link.Methods(), "a method")
		if err := link.Respond(t.Context(), id, iothub.MethodResponse{Status: 200}); err != nil {
			t.Fatal(err)
		}
		sim.goOn(time.Duration(random.IntN(120)) * time.Second)
		switch random.IntN(5) {
		case 0:
			renewals++
			sim.goOn(renewAfter)
			renew <- sim.now()
		case 1:
			sim.unlinked()
			d.giveUp <- errors.New("the twin cannot be read")
		case 2: // the hub is away, or takes nobody, for a while
			refusals.Store(int32(random.IntN(20)))
			code.Store([]int32{packets.ErrRefusedServerUnavailable, packets.ErrRefusedNotAuthorised, hangUp}[random.IntN(3)])
			sim.unlinked()
			s.conn.Close()
		case 3:
			sim.step(time.Duration(random.IntN(240)-120) * time.Second)
			sim.unlinked()
			s.conn.Close()
		case 4:
			sim.unlinked()
			s.conn.Close()
		}
		receiveEnd(t, link.ctx)
		sim.unlinked()
	}
	s := p.next(t)
	for s.filters == nil {
		s = p.next(t)
	}
	d.link(t)
	after := measure()
	for range 50 { // what ends is given the time to
		if after.goroutines <= before.goroutines {
			break
		}
		time.Sleep(20 * time.Millisecond)
		after = measure()
	}
	t.Logf("%d links, %d attempts, %d renewals in %s of simulated time; heap %d -> %d kB, goroutines %d -> %d",
		links, attempts, renewals, sim.passed.Round(time.Minute), before.heap/1024, after.heap/1024, before.goroutines, after.goroutines)
	if after.heap > before.heap+256<<10 {
		t.Errorf("the heap grew from %d to %d bytes", before.heap, after.heap)
	}
	if after.goroutines > before.goroutines {
		t.Errorf("goroutines grew from %d to %d", before.goroutines, after.goroutines)
	}
}

// use is what a process uses.
type use struct {
	heap       uint64
	goroutines int
}

func measure() use {
	runtime.GC()
	runtime.GC() // what the first one has finalizers run for
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return use{m.HeapAlloc, runtime.NumGoroutine()}
}
