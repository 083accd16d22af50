package actuator

import (
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestExplore visits every state that the machine can reach in a small simulated world.
// In this world, times are one to three ticks and at most two commands wait for
// answers. In each state the test tries every event and checks the step against the
// invariants in world.take. States that differ only in irrelevant details count as one:
// see world.encode.
//
// The test covers each pair of configuration values, in configurations that differ from
// the simplest one of their mode in at most two values. In short mode and with the race
// detector, they differ in at most one value. With LATCHD_TEST_EXPLORE=N, the test
// explores all configurations that differ in at most N values. It then stops after
// exploreMost states of a configuration and logs that it stopped.
func TestExplore(t *testing.T) {
	t.Parallel()
	configs, long := pairwise(), false
	if most, err := strconv.Atoi(os.Getenv("LATCHD_TEST_EXPLORE")); err == nil {
		configs, long = allConfigs(), true
		configs = slices.DeleteFunc(configs, func(c exploreConfig) bool { return c.features() > most })
	}
	if raceEnabled || testing.Short() { // the race detector makes the test ten times slower and finds nothing in a single goroutine
		configs = slices.DeleteFunc(configs, func(c exploreConfig) bool { return c.features() > 1 })
	}

	var states, cut atomic.Int64
	t.Cleanup(func() { // after the parallel subtests
		t.Logf("%d configurations, %d states, %d configurations not explored to the end", len(configs), states.Load(), cut.Load())
	})
	for _, c := range configs {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			x := &explorer{T: t, config: c, parents: make(map[uint64]origin)}
			closed := x.run()
			states.Add(int64(len(x.parents)))
			t.Logf("%d states, %d steps, explored to the end: %v", len(x.parents), x.steps, closed)
			if !closed {
				cut.Add(1)
			}
			if !closed && !long {
				t.Error("too many states: the key does not leave enough out")
			}
		})
	}
}

// exploreMost is the maximum number of states per configuration. It limits the memory
// that the test needs.
const exploreMost = 1_000_000

// explorer visits the states of one configuration.
type explorer struct {
	*testing.T
	config  exploreConfig
	set     settings
	parents map[uint64]origin // how the test first reached each state
	queue   []*node
	scratch world // the world in which try carries out a step
	steps   int
	seed    maphash.Seed
	buffer  []byte
}

// node is a world whose events the test must still try.
type node struct {
	world
	key uint64
}

// origin is the step by which the test reached a state: the previous state and an
// event.
type origin struct {
	parent uint64
	event  event
}

// run explores a configuration. It reports whether it has visited all states.
func (x *explorer) run() (closed bool) {
	x.set, x.seed = x.config.settings(), maphash.MakeSeed()
	w := &world{set: &x.set, now: 100 * exploreTick, door: "", exit: ""}
	s, acts := start(x.set, Record{}, at(w.now))
	s.tuning.HeldOpen = exploreTick
	w.state = s
	w.take(nil, state{}, acts)
	x.visit(w, 0, "start")

	for len(x.queue) > 0 { // breadth first, so that the trace of a failure is short
		n := x.queue[0]
		x.queue[0] = nil // frees its memory
		x.queue = x.queue[1:]
		for _, e := range n.events(x.config) {
			x.try(n, e)
		}
		if len(x.parents) > exploreMost {
			return false
		}
	}
	return true
}

// try applies an event to a copy of the world, checks the step and visits the new
// state.
func (x *explorer) try(n *node, e event) {
	w := &x.scratch
	*w = n.world
	if wait, ok := e.(waitEvent); ok {
		w.now += time.Duration(wait)
		e = tick{}
	}
	w.apply(e)
	var acts []action
	w.state, acts = step(x.set, w.state, e, at(w.now))
	x.steps++

	if problem := w.take(e, n.state, acts); problem != "" {
		x.fail(n.key, e, problem, acts)
	}
	x.visit(w, n.key, e)
}

func (x *explorer) fail(key uint64, last event, problem string, acts []action) {
	var trace []string
	for key != 0 {
		o := x.parents[key]
		trace = append(trace, fmt.Sprintf("%T%v", o.event, o.event))
		key = o.parent
	}
	slices.Reverse(trace)
	x.Fatalf("%s\n%s\n%T%v -> %s; tells %s", problem, strings.Join(trace, "\n"), last, last, show(acts), showEvents(acts))
}

func (x *explorer) visit(w *world, parent uint64, e event) {
	key := x.key(w)
	if _, ok := x.parents[key]; ok {
		return
	}
	x.parents[key] = origin{parent, e}
	x.queue = append(x.queue, &node{*w, key})
}
