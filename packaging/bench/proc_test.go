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

// memory is the memory of a process in KiB, as measured by the kernel. rss is the
// resident memory. pss counts a page that several processes share only in part. anon is
// memory without a file, which no other process shares.
type memory struct{ rss, pss, anon int64 }

func readMemory(b *testing.B, p *harness.Process) memory {
	b.Helper()
	text := readProc(b, p.Pid(), "smaps_rollup")
	return memory{field(b, text, "Rss:"), field(b, text, "Pss:"), field(b, text, "Anonymous:")}
}

// cpuUse is how much CPU time a process has used since its start.
type cpuUse struct {
	cpu   time.Duration
	wakes int64 // how often a thread of the process has waited and was woken
}

func readCPUUse(b *testing.B, p *harness.Process) cpuUse {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.Pid()))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("%s has no threads: %v", p.Name, err)
	}
	var use cpuUse
	for _, task := range tasks {
		tid := filepath.Base(task)

		var ran int64
		scan(b, readProc(b, p.Pid(), "task", tid, "schedstat"), &ran)
		use.cpu += time.Duration(ran)
		use.wakes += field(b, readProc(b, p.Pid(), "task", tid, "status"), "voluntary_ctxt_switches:")
	}
	return use
}

func (u cpuUse) since(before cpuUse) cpuUse {
	return cpuUse{u.cpu - before.cpu, u.wakes - before.wakes}
}

func readProc(b *testing.B, pid int, name ...string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"/proc", fmt.Sprint(pid)}, name...)...))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// field returns the number in the line of text that starts with name.
func field(b *testing.B, text, name string) int64 {
	b.Helper()
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			var n int64
			scan(b, rest, &n)
			return n
		}
	}
	b.Fatalf("the kernel reports no %q", name)
	return 0
}

// scan parses the number at the beginning of text.
func scan(b *testing.B, text string, to *int64) {
	b.Helper()
	if _, err := fmt.Sscan(text, to); err != nil {
		b.Fatalf("%q is not a number: %v", text, err)
	}
}

// quantile returns the smallest value v for which at least the share q of all values
// are at most v.
func quantile(values []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
