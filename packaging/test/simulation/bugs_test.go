package simulation

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
)

// bugs are parts that a run breaks on purpose. A nil function breaks nothing.
type bugs struct {
	link     func(agent.Link) agent.Link  // of each connection, as the agent sees it
	started  func(w *world, driver *line) // called at the start of each process
	copied   func(database string) error  // called with each copy of the hub's database
	released func()                       // called at the end of the run
}

func (b bugs) breakLink(l agent.Link) agent.Link {
	if b.link == nil {
		return l
	}
	return b.link(l)
}

func (b bugs) breakProcess(w *world, driver *line) {
	if b.started != nil {
		b.started(w, driver)
	}
}

func (b bugs) breakCopy(database string) error {
	if b.copied == nil {
		return nil
	}
	return b.copied(database)
}

func (b bugs) release() {
	if b.released != nil {
		b.released()
	}
}

// Each rule catches a bug that was planted for it. A run without a bug breaks no rule.
func TestPlantedBugs(t *testing.T) {
	var leak leak
	for _, test := range []struct {
		name string
		rule int // 0 if no rule is broken
		bugs bugs
	}{
		{"no bug", 0, bugs{}},
		{"a link delivers each method twice", 1, bugs{link: func(l agent.Link) agent.Link { return newDoublingLink(l) }}},
		{"an agent turns refusals into successes", 1, bugs{link: func(l agent.Link) agent.Link { return lyingLink{l} }}},
		{"a crash loses the newest half of the hub's write-ahead log", 2, bugs{copied: loseHalf}},
		{"a lock moves by itself", 3, bugs{started: moveByItself}},
		{"an agent never reports", 4, bugs{link: func(l agent.Link) agent.Link { return silentLink{l} }}},
		{"a queue swaps events", 5, bugs{link: func(l agent.Link) agent.Link { return &swappingLink{Link: l} }}},
		{"a queue loses events", 5, bugs{link: func(l agent.Link) agent.Link { return &losingLink{Link: l} }}},
		{"each link leaves a goroutine", 6, bugs{link: leak.link, released: leak.release}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := simulate(t, settings{seed: 1, gateways: 8, duration: 40 * time.Minute, bugs: test.bugs, log: journal(t)})
			broken := slices.ContainsFunc(r.failures, func(f failure) bool { return f.rule == test.rule })
			switch {
			case test.rule == 0 && len(r.failures) > 0:
				t.Errorf("the run broke a rule: %s", r.failures[0])
			case test.rule != 0 && !broken:
				t.Errorf("rule %d did not catch the bug; all failures: %v", test.rule, r.failures)
			case test.rule != 0:
				i := slices.IndexFunc(r.failures, func(f failure) bool { return f.rule == test.rule })
				t.Logf("%d failures, such as %s", len(r.failures), r.failures[i])
			}
		})
	}
}

// doublingLink delivers each method twice.
type doublingLink struct {
	agent.Link
	methods chan iothub.Method
}

func newDoublingLink(l agent.Link) *doublingLink {
	d := &doublingLink{l, make(chan iothub.Method, 1000)}
	go func() {
		defer close(d.methods)
		for m := range l.Methods() {
			d.methods <- m
			d.methods <- m
		}
	}()
	return d
}

func (l *doublingLink) Methods() <-chan iothub.Method { return l.methods }

// lyingLink answers each refused method with success.
type lyingLink struct{ agent.Link }

func (l lyingLink) Respond(ctx context.Context, requestID string, response iothub.MethodResponse) error {
	return l.Link.Respond(ctx, requestID, iothub.MethodResponse{Status: 200, Payload: response.Payload})
}

// loseHalf cuts the write-ahead log of a copied database in half.
func loseHalf(database string) error {
	info, err := os.Stat(database + "-wal")
	if err != nil {
		return err
	}
	return os.Truncate(database+"-wal", info.Size()/2)
}

// moveByItself unlocks a door 20 minutes after the start of its agent.
func moveByItself(w *world, driver *line) {
	w.actions.Go(func() {
		time.Sleep(20 * time.Minute)
		driver.Drive(actuator.Unlocked)
	})
}

// silentLink accepts reports and does not send them.
type silentLink struct{ agent.Link }

func (l silentLink) Report(context.Context, iothub.Object) (int64, error) { return 1, nil }

// swappingLink sends every second message before the one that precedes it.
type swappingLink struct {
	agent.Link
	held *iothub.Message
}

func (l *swappingLink) Send(ctx context.Context, m iothub.Message) error {
	if m.ID == "" {
		return l.Link.Send(ctx, m)
	}
	if l.held == nil {
		l.held = &m
		return nil
	}
	first := *l.held
	l.held = nil
	if err := l.Link.Send(ctx, m); err != nil {
		return err
	}
	return l.Link.Send(ctx, first)
}

// losingLink loses every tenth message.
type losingLink struct {
	agent.Link
	number int
}

func (l *losingLink) Send(ctx context.Context, m iothub.Message) error {
	if l.number++; l.number%10 == 0 {
		return nil
	}
	return l.Link.Send(ctx, m)
}

// leak lets each link leave a goroutine, until the run ends.
type leak struct {
	mu  sync.Mutex
	end []chan struct{}
}

func (l *leak) link(inner agent.Link) agent.Link {
	end := make(chan struct{})
	l.mu.Lock()
	l.end = append(l.end, end)
	l.mu.Unlock()
	go func() { <-end }()
	return inner
}

func (l *leak) release() {
	for _, end := range l.end {
		close(end)
	}
}

// maxHeapGrowth is the number of bytes by which the heap may grow in TestMemory. The
// judge's own records need most of it.
const maxHeapGrowth = 3 << 20

// The second half of rule 6: the heap returns to its earlier level. A planted leak does
// not pass.
func TestMemory(t *testing.T) {
	var kept keeping
	for _, test := range []struct {
		name  string
		leaks bool
		bugs  bugs
	}{
		{"no bug", false, bugs{}},
		{"each link keeps 256 KiB", true, bugs{link: kept.link}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := simulate(t, settings{seed: 1, gateways: 8, duration: 40 * time.Minute, bugs: test.bugs, log: journal(t)})
			t.Logf("the heap has grown by %d KiB", r.heapGrowth>>10)
			if leaks := r.heapGrowth > maxHeapGrowth; leaks != test.leaks {
				t.Errorf("the heap has grown by %d KiB, allowed are %d", r.heapGrowth>>10, maxHeapGrowth>>10)
			}
		})
	}
}

// keeping lets each link keep memory.
type keeping struct {
	mu     sync.Mutex
	memory [][]byte
}

func (k *keeping) link(inner agent.Link) agent.Link {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.memory = append(k.memory, make([]byte, 256<<10))
	return inner
}
