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

// simulated is a clock on which the waits between links take no time. A test fires a
// link's renewal timer to let the token expire.
type simulated struct {
	mu     sync.Mutex
	time   time.Time
	passed time.Duration
	linked bool
	armed  chan chan time.Time // receives the renewal timer of each new link
}

const renewAfter = 48 * time.Minute // 80 % of the token's life: the random number is 0.5

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
	case !s.linked: // a wait between two links
		s.time, s.passed = s.time.Add(d), s.passed+d
		c <- s.time
	}
	return c // a timer that limits an answer never fires, because the simulated hub answers
}

// advance lets the time d pass while there is a link.
func (s *simulated) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time, s.passed = s.time.Add(d), s.passed+d
}

// step sets the clock forward or back. The step does not count as time that has passed.
func (s *simulated) step(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = s.time.Add(d)
}

// unlinked tells the clock that the link has ended. From then on, waits take no time.
func (s *simulated) unlinked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linked = false
}

// TestReconnects opens a thousand links and ends them in all possible ways. Some hubs
// refuse logins, and some clocks are set forward or back. The process must not use more
// and more memory or goroutines. The environment variable LATCHD_TEST_RECONNECTS sets
// the number of links. The test logs its random seed.
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
		for attempts++; s.filters == nil; attempts++ { // a session without subscriptions was refused
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
		sim.advance(time.Duration(random.IntN(120)) * time.Second)
		switch random.IntN(5) {
		case 0:
			renewals++
			sim.advance(renewAfter)
			renew <- sim.now()
		case 1:
			sim.unlinked()
			d.giveUp <- errors.New("the twin cannot be read")
		case 2: // the hub hangs up, or it refuses logins for a while
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
	for range 50 { // wait for goroutines that are about to end
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

// use is the memory and the number of goroutines that a process uses.
type use struct {
	heap       uint64
	goroutines int
}

// measure returns the memory in use and the number of goroutines.
func measure() use {
	runtime.GC()
	runtime.GC() // a second collection frees the memory of objects with finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return use{m.HeapAlloc, runtime.NumGoroutine()}
}
