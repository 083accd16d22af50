package simulation

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/trust"
)

// epoch is the time at which a run begins. The bubble's own epoch is 2000; certificates
// and the agent's checks of the clock expect a present date.
var epoch = time.Date(2026, 6, 1, 6, 0, 0, 0, time.UTC)

// settings describe a run.
type settings struct {
	seed     uint64
	gateways int
	duration time.Duration // of the commands and faults
	bugs     bugs
	log      *zap.Logger
}

// world is one run: the hub's site, the gateways, the technician and the network.
type world struct {
	settings
	network    *network
	site       *site
	limits     events.Limits
	gateways   []*gateway
	technician *technician
	front      *front
	ca         *x509.CertPool

	mu         sync.Mutex
	failures   []failure
	faultCount int
	rows       int
	planned    string
	heapGrowth int64          // in bytes; of use only if no other run happens at the same time
	actions    sync.WaitGroup // commands of the technician and repairs that are in progress
}

// failure is a broken rule.
type failure struct {
	rule int // 0 if the run itself failed
	at   time.Duration
	text string
}

func (f failure) String() string { return fmt.Sprintf("rule %d, after %s: %s", f.rule, f.at, f.text) }

func (w *world) roots() *x509.CertPool { return w.ca }

func (w *world) fail(rule int, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, failure{rule, time.Since(epoch).Round(time.Millisecond), fmt.Sprintf(format, args...)})
}

// report is the result of a run.
type report struct {
	failures   []failure
	counts     counts
	plan       string // the steps of the plan
	heapGrowth int64
}

// counts say how much happened in a run.
type counts struct {
	simulated                                        time.Duration
	faults, commands, executed, jobs, rows, arrivals int
	crashes, drives, rolls                           int
}

// simulate runs the system with the faults and commands of a seed and judges it.
func simulate(t *testing.T, s settings) (r report) {
	root, err := os.MkdirTemp(memoryDir(), "latchd-simulation-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)

	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(epoch))
		w := &world{settings: s, network: newNetwork(), limits: events.DefaultLimits}
		if w.log == nil {
			w.log = zap.NewNop()
		}
		w.run(root)
		r.failures = w.failures
		r.counts, r.plan = w.count(), w.planned
		r.heapGrowth = w.heapGrowth
	})
	return r
}

// memoryDir returns a directory in memory, if there is one: the hub syncs each commit.
func memoryDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (w *world) run(root string) {
	random := rand.New(rand.NewPCG(w.seed, 0))
	w.site = &site{world: w, root: root, busy: make(chan struct{}, 1)}
	if err := w.site.start(filepath.Join(root, "hub-0")); err != nil {
		w.fail(0, "%v", err)
		return
	}
	var err error
	if w.front, err = startFront(w); err != nil {
		w.fail(0, "%v", err)
		return
	}
	defer w.end()
	if err := w.populate(random); err != nil {
		w.fail(0, "%v", err)
		return
	}
	w.settle()
	before, heapBefore := goroutines(), heap()

	p := newPlan(random, w)
	w.faultCount, w.planned = p.faults, p.String()
	w.play(p)
	w.repair()
	time.Sleep(2 * time.Minute)
	w.judgeTwins()

	time.Sleep(rest15)
	w.actions.Wait()
	w.judgeJobs()
	w.judgeAcknowledged()
	w.judgeCauses()
	w.judgeEvents()
	w.judgeGoroutines(before)
	w.heapGrowth = int64(heap()) - int64(heapBefore)
}

// heap returns the number of bytes in use on the heap. It includes those of other runs in
// this process.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first only moves the content of sync.Pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// play executes the steps of a plan at their times.
func (w *world) play(p plan) {
	began := time.Now()
	for _, s := range p.steps {
		time.Sleep(s.at - time.Since(began))
		w.log.Info("step", zap.String("step", s.name))
		s.do()
	}
	time.Sleep(p.duration - time.Since(began))
}

// rest15 is the time in which the last jobs end and the last events arrive.
const rest15 = 15 * time.Minute

// populate registers the devices and starts their gateways.
func (w *world) populate(random *rand.Rand) error {
	var err error
	if w.technician, err = newTechnician(w, random.Uint64()); err != nil {
		return err
	}
	for i := range w.settings.gateways {
		id := fmt.Sprintf("door%02d", i)
		created, err := w.technician.client.CreateDevice(context.Background(), iothub.DeviceIdentity{DeviceID: id})
		if err != nil {
			return err
		}
		key, err := iothub.ParseKey(created.Authentication.SymmetricKey.PrimaryKey)
		if err != nil {
			return err
		}
		g := newGateway(w, iothub.Device{HostName: hubName, DeviceID: id, Key: key}, random.Uint64())
		if i == 0 { // the plan needs at least one
			g.fitting.front, g.fitting.webSocket = true, false
		}
		w.gateways = append(w.gateways, g)
	}
	for _, g := range w.gateways {
		g.start(false)
	}
	return nil
}

// settle waits until all agents are idle and the technician's idle connections are
// closed.
func (w *world) settle() {
	time.Sleep(time.Minute)
	w.technician.client.CloseIdleConnections()
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

// end ends all processes.
func (w *world) end() {
	w.actions.Wait()
	for _, g := range w.gateways {
		g.stop(true)
	}
	w.technician.client.CloseIdleConnections()
	w.front.close()
	if err := w.site.stop(); err != nil {
		w.fail(0, "the hub ended with %v", err)
	}
	w.bugs.release()
}

// goroutines returns the stacks of the goroutines of this bubble, by the function that
// started them.
func goroutines() map[string][]string {
	text := make([]byte, 64<<20)
	text = text[:runtime.Stack(text, true)]
	blocks := strings.Split(string(text), "\n\n")
	own := bubbleOf(blocks[0])
	stacks := make(map[string][]string)
	for _, b := range blocks {
		if bubbleOf(b) != own {
			continue
		}
		_, creator, _ := strings.Cut(b, "\ncreated by ")
		creator, _, _ = strings.Cut(creator, " in goroutine")
		stacks[creator] = append(stacks[creator], b)
	}
	return stacks
}

// bubbleOf returns the name of the bubble in the first line of a goroutine's stack.
func bubbleOf(stack string) string {
	line, _, _ := strings.Cut(stack, "\n")
	_, bubble, _ := strings.Cut(line, "synctest bubble ")
	bubble, _, _ = strings.Cut(bubble, "]")
	bubble, _, _ = strings.Cut(bubble, ",")
	return bubble
}

// client returns a service client for the hub.
func (w *world) client(p *path, random *rand.Rand) (*rest.Client, error) {
	service, roots, err := w.site.owner()
	if err != nil {
		return nil, err
	}
	w.ca = roots
	return rest.New(service, rest.Options{
		Endpoint: &url.URL{Scheme: "https", Host: frontHTTPSAddress},
		RootCAs:  trust.Pool(roots), Dial: p.dial, Now: w.site.now, Jitter: locked(random),
	}), nil
}

// locked returns random numbers in [0, 1). Any goroutine may call it.
func locked(random *rand.Rand) func() float64 {
	var mu sync.Mutex
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return random.Float64()
	}
}

// quiet returns a logger that discards everything.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
