package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
)

// memory is what a process holds, in KiB as the kernel counts it: resident in
// all, and its proportional share of it, in which pages that it has in common
// with others count in part.
type memory struct{ rss, pss int64 }

func readMemory(b *testing.B, p *harness.Process) memory {
	b.Helper()
	text := readProc(b, p.Pid(), "smaps_rollup")
	return memory{field(b, text, "Rss:"), field(b, text, "Pss:")}
}

// effort is what a process has cost since its start.
type effort struct {
	cpu   time.Duration
	wakes int64 // how often one of its threads has waited, and so was woken
}

func readEffort(b *testing.B, p *harness.Process) effort {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.Pid()))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("%s has no threads: %v", p.Name, err)
	}
	var e effort
	for _, task := range tasks {
		tid := filepath.Base(task)
		var ran int64
		scan(b, readProc(b, p.Pid(), "task", tid, "schedstat"), &ran)
		e.cpu += time.Duration(ran)
		e.wakes += field(b, readProc(b, p.Pid(), "task", tid, "status"), "voluntary_ctxt_switches:")
	}
	return e
}

func (e effort) since(before effort) effort {
	return effort{e.cpu - before.cpu, e.wakes - before.wakes}
}

func readProc(b *testing.B, pid int, name ...string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"/proc", fmt.Sprint(pid)}, name...)...))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// field returns the number that follows the name at the start of a line.
func field(b *testing.B, text, name string) int64 {
	b.Helper()
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			var n int64
			scan(b, rest, &n)
			return n
		}
	}
	b.Fatalf("the kernel does not say %q", name)
	return 0
}

func scan(b *testing.B, text string, to *int64) {
	b.Helper()
	if _, err := fmt.Sscan(text, to); err != nil {
		b.Fatalf("%q is no number: %v", text, err)
	}
}

// quantile returns the value that the share q of them does not exceed.
func quantile(values []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
