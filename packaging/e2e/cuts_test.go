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
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// cuts cuts the power during jobs, as often as the environment variable E2E_CUTS says.
// It shows that the agent and the hub have stored everything that they acknowledged. It
// also shows that after a cut only the setting at_power_on moves the door.
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
	hub := &acknowledged{jobs: map[string]bool{}}
	for i := range n {
		levels := cutDuringJob(g, r, i, hub)
		g.boot()
		g.run(`systemctl is-active -q latchhub || systemctl start latchhub`)

		rows := strings.Fields(g.run(technician + `latchctl query "SELECT * FROM devices.jobs" -o json | grep -o '"jobId": *"[^"]*"' | cut -d '"' -f 4`))
		for id := range hub.jobs {
			if !slices.Contains(rows, id) {
				t.Errorf("cut %d: the hub lost the row of job %s, which it had acknowledged", i, id)
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
		if twin.Tags.Write < hub.write || desired.Write < hub.write || desired.Version < hub.version {
			t.Errorf("cut %d: the hub acknowledged write %d at version %d, but the twin has %+v", i, hub.write, hub.version, twin)
			lostWrites++
		}

		// The simulated chip is not plugged in yet, so the agent cannot have changed
		// its state since the power cut.
		var state struct {
			Lock struct{ Level, Position, Motion string }
		}
		if err := json.Unmarshal([]byte(g.run(`cat /var/lib/latchd/state.json`)), &state); err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		if l := state.Lock.Level; l != levels.acknowledged && l != levels.requested {
			t.Errorf("cut %d: the agent's state has %s; it acknowledged %s, and the last request was %s", i, l, levels.acknowledged, levels.requested)
			lostStates++
		}

		want := map[string]int{"locked": 1, "unlocked": 0}[state.Lock.Level]
		g.plug(true, func() { g.bolt(1, 100*time.Millisecond, false) })
		o := g.observe(g.chip, 0, func() {
			g.twin("the position "+state.Lock.Level, func(r map[string]any) bool { return reportedLock("position", state.Lock.Level)(r) })
		})
		for _, e := range o.Events {
			if e.Kind == trace.Set && e.Level != want {
				t.Errorf("cut %d: the line was set to %d, but at_power_on selects %s: %+v", i, e.Level, state.Lock.Level, o.Events)
				moved++
			}
		}
	}

	record(t, lostJobs == 0, "power cut: rows of acknowledged jobs", n, fmt.Sprintf("%d lost", lostJobs), "0 lost")
	record(t, lostWrites == 0, "power cut: acknowledged writes to the twin", n, fmt.Sprintf("%d lost", lostWrites), "0 lost")
	record(t, lostStates == 0, "power cut: state of acknowledged commands", n, fmt.Sprintf("%d lost", lostStates), "0 lost")
	record(t, moved == 0, "power cut: motions not from at_power_on", n, fmt.Sprint(moved), "0")
}

// acknowledged records what the hub has acknowledged since the first power cut.
type acknowledged struct {
	jobs    map[string]bool // ids of the acknowledged jobs
	write   int             // number of the last acknowledged write to the twin
	version int             // version of the twin after that write
}

// levels holds the targets of two jobs that lock or unlock the door. A target is
// "locked" or "unlocked".
type levels struct {
	acknowledged string // target of the last job that was acknowledged
	requested    string // target of the last job that was started
}

// cutDuringJob cuts the power at a random moment. Until then, it runs jobs that lock
// and unlock the door, and writes to the twin after each job. It records in hub what
// the hub acknowledges.
func cutDuringJob(g *gateway, r *rand.Rand, round int, hub *acknowledged) levels {
	g.t.Helper()
	present := map[int]string{0: "unlocked", 1: "locked"}[g.level("LOCK")]
	l := levels{present, present}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			verb, target := "lock", "locked"
			if i%2 == 0 {
				verb, target = "unlock", "unlocked"
			}
			id := fmt.Sprintf("cut-%d-%d", round, i)

			l.requested = target
			result, err := g.try(technician + fmt.Sprintf("latchctl job schedule method %sDoor --where \"deviceId = 'front'\" --id %s --watch", verb, id))
			if err != nil {
				return // the machine has no power any more
			}
			if result.Status == 0 {
				l.acknowledged = target
				hub.jobs[id] = true
			}

			write := hub.write + 1
			result, err = g.try(technician + fmt.Sprintf(`latchctl twin update front --tags '{"write":%d}' --desired '{"write":%d}' -o json | grep '"$version": [0-9]'`, write, write))
			if err != nil {
				return
			}
			var version int
			if _, err := fmt.Sscanf(strings.TrimSpace(result.Output), `"$version": %d`, &version); err != nil {
				continue // the hub did not acknowledge the write
			}
			hub.write, hub.version = write, version
		}
	}()

	// Cut the power at a random moment, so that each round hits another state.
	<-time.After(2*time.Second + time.Duration(r.Int64N(int64(3*time.Second))))
	g.cut()
	<-done
	return l
}
