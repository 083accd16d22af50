//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// cuts cuts the power in the middle of jobs. What was acknowledged is on disk, in
// the agent as in the hub, and after it the door moves by at_power_on alone.
func cuts(t *testing.T, g *gateway) {
	n, err := strconv.Atoi(os.Getenv("E2E_CUTS"))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	g.run(`sync`)
	g.cut()
	g.boot()
	g.plug(true)
	g.configure(settings{mode: "hold", keys: "at_power_on = \"last\"\nmin_interval = \"0s\"", gpio: `active = "locked"`, sensor: true})
	g.run(`systemctl enable -q latchd; systemctl stop latchd; rm -f /var/lib/latchd/state.json`)
	g.bolt(1, 100*time.Millisecond, false)
	g.start()
	var lostJobs, lostWrites, lostStates, moved int
	kept := &kept{jobs: map[string]string{}}
	for i := range n {
		acknowledged, asked := cutInAJob(g, r, i, kept)
		g.boot()
		g.run(`systemctl is-active -q latchhub || systemctl start latchhub`)
		rows := strings.Fields(g.run(technician + `latchctl query "SELECT * FROM devices.jobs" -o json | grep -o '"jobId": *"[^"]*"' | cut -d '"' -f 4`))
		for id := range kept.jobs {
			if !slices.Contains(rows, id) {
				t.Errorf("cut %d: the row of job %s was acknowledged and is lost", i, id)
				lostJobs++
			}
		}
		var twin struct {
			Tags       struct{ Write int }
			Properties struct {
				Desired struct {
					Write   int
					Version int `json:"$version"`
				}
			}
		}
		if err := json.Unmarshal([]byte(g.run(technician+`latchctl twin show front -o json`)), &twin); err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		desired := twin.Properties.Desired
		if twin.Tags.Write < kept.write || desired.Write < kept.write || desired.Version < kept.version {
			t.Errorf("cut %d: write %d at version %d was acknowledged; the twin has %+v", i, kept.write, kept.version, twin)
			lostWrites++
		}
		// The agent has no chip yet: its state is the one before the cut.
		var state struct {
			Lock struct{ Level, Position, Motion string }
		}
		if err := json.Unmarshal([]byte(g.run(`cat /var/lib/latchd/state.json`)), &state); err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		if l := state.Lock.Level; l != acknowledged && l != asked {
			t.Errorf("cut %d: the state says %s; %s was acknowledged and %s asked", i, l, acknowledged, asked)
			lostStates++
		}
		want := map[string]int{"locked": 1, "unlocked": 0}[state.Lock.Level]
		g.plug(true, func() { g.bolt(1, 100*time.Millisecond, false) })
		o := g.observe(g.chip, 0, func() {
			g.twin("its lock", func(r map[string]any) bool { return reportedLock("position", state.Lock.Level)(r) })
		})
		for _, e := range o.Events {
			if e.Kind == trace.Set && e.Level != want {
				t.Errorf("cut %d: the line was set to %d, and at_power_on says %s: %+v", i, e.Level, state.Lock.Level, o.Events)
				moved++
			}
		}
	}
	record(t, lostJobs == 0, "power cut: rows of acknowledged jobs", n, fmt.Sprintf("%d lost", lostJobs), "0 lost")
	record(t, lostWrites == 0, "power cut: acknowledged writes of the twin", n, fmt.Sprintf("%d lost", lostWrites), "0 lost")
	record(t, lostStates == 0, "power cut: state of acknowledged commands", n, fmt.Sprintf("%d lost", lostStates), "0 lost")
	record(t, moved == 0, "power cut: motions but at_power_on's", n, fmt.Sprint(moved), "0")
}

// kept is what the hub has acknowledged over all cuts.
type kept struct {
	jobs           map[string]string // with their target
	write, version int               // of the twin: the last write, and its version
}

// cutInAJob locks and unlocks by jobs, and changes the twin after each, until the
// power is cut at a random moment. It returns the target of the last job that was
// acknowledged and that of the one that was under way, and adds to what is kept.
func cutInAJob(g *gateway, r *rand.Rand, round int, kept *kept) (acknowledged, asked string) {
	g.t.Helper()
	level := map[int]string{0: "unlocked", 1: "locked"}
	acknowledged = level[g.level("LOCK")]
	asked = acknowledged
	var mu sync.Mutex
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			verb, target := "lock", "locked"
			if i%2 == 0 {
				verb, target = "unlock", "unlocked"
			}
			id := fmt.Sprintf("cut-%d-%d", round, i)
			mu.Lock()
			asked = target
			mu.Unlock()
			result, err := g.try(technician + fmt.Sprintf("latchctl job schedule method %sDoor --where \"deviceId = 'front'\" --id %s --watch", verb, id))
			if err != nil {
				return // the power is cut
			}
			if result.Status == 0 {
				mu.Lock()
				acknowledged = target
				kept.jobs[id] = target
				mu.Unlock()
			}
			write := kept.write + 1
			result, err = g.try(technician + fmt.Sprintf(`latchctl twin update front --tags '{"write":%d}' --desired '{"write":%d}' -o json | grep '"$version": [0-9]'`, write, write))
			if err != nil {
				return
			}
			var version int
			if _, err := fmt.Sscanf(strings.TrimSpace(result.Output), `"$version": %d`, &version); err != nil {
				continue // the hub did not acknowledge it
			}
			mu.Lock()
			kept.write, kept.version = write, version
			mu.Unlock()
		}
	}()
	<-time.After(2*time.Second + time.Duration(r.Int64N(int64(3*time.Second)))) // not a wait for anything: the moment is the test
	g.cut()
	<-done
	return acknowledged, asked
}
