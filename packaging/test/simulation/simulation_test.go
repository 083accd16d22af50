package simulation

import (
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"
)

// The environment variables that select the runs.
const (
	seedVariable  = "LATCHD_SIM_SEED"  // runs this seed only
	seedsVariable = "LATCHD_SIM_SEEDS" // number of seeds
	logVariable   = "LATCHD_SIM_LOG"   // file that receives the journals of all processes
)

// The size of a run.
const (
	gatewayCount = 24
	runDuration  = 40 * time.Minute
	seedCount    = 20
)

// TestSimulation runs the system with the faults and commands of some seeds. No seed may
// break a rule.
func TestSimulation(t *testing.T) {
	for _, seed := range seeds(t) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			r := simulate(t, settings{seed: seed, gateways: gatewayCount, duration: runDuration, log: journal(t)})
			t.Logf("%+v", r.counts)
			for _, f := range r.failures {
				t.Error(f)
			}
			if t.Failed() {
				t.Errorf("to repeat this run: %s=%d go test ./packaging/test/simulation -run TestSimulation", seedVariable, seed)
			}
		})
	}
}

// The same seed makes the same plan, and another seed makes another.
func TestSeedDeterminesThePlan(t *testing.T) {
	plan := func(seed uint64) string {
		return simulate(t, settings{seed: seed, gateways: 3, duration: 10 * time.Minute}).plan
	}
	first := plan(1)
	if again := plan(1); first == "" || again != first {
		t.Errorf("seed 1 made two plans:\n%s\n%s", first, again)
	}
	if other := plan(2); other == first {
		t.Errorf("seeds 1 and 2 made the same plan:\n%s", other)
	}
}

// seeds returns the seeds to run.
func seeds(t *testing.T) []uint64 {
	t.Helper()
	if text := os.Getenv(seedVariable); text != "" {
		return []uint64{number(t, text)}
	}
	n := uint64(seedCount)
	if text := os.Getenv(seedsVariable); text != "" {
		n = number(t, text)
	}
	var all []uint64
	for seed := uint64(1); seed <= n; seed++ {
		all = append(all, seed)
	}
	return all
}

func number(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// journal returns a logger that writes to the file in LATCHD_SIM_LOG, or nil.
func journal(t *testing.T) *zap.Logger {
	t.Helper()
	file := os.Getenv(logVariable)
	if file == "" {
		return nil
	}
	config := zap.NewDevelopmentConfig()
	config.OutputPaths = []string{file}
	config.DisableStacktrace, config.DisableCaller = true, true
	log, err := config.Build()
	if err != nil {
		t.Fatal(err)
	}
	return log
}
