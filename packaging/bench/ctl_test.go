package bench

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

const (
	ctlRuns = 50
	ctlJobs = 50
)

// BenchmarkCtl measures the run time of two latchctl commands: the help, and the list
// of a hub's jobs.
func BenchmarkCtl(b *testing.B) {
	h := harness.StartHub(b, bin)
	client := h.Client(b)
	h.CreateDevice(b, "door")
	for n := range ctlJobs {
		job := iothub.Job{JobID: fmt.Sprintf("job-%d", n), Type: iothub.ScheduleUpdateTwin, QueryCondition: "*", UpdateTwin: []byte(`{"etag":"*","tags":{"a":1}}`)}
		if _, err := client.CreateJob(b.Context(), job); err != nil {
			b.Fatal(err)
		}
	}

	for b.Loop() {
		for _, command := range []struct {
			name string
			make func() *exec.Cmd
		}{
			{"help", func() *exec.Cmd { return bin.Ctl("--help") }},
			{"job-list", func() *exec.Cmd { return h.Command("job", "list") }},
		} {
			var times []time.Duration
			for range ctlRuns {
				cmd := command.make()
				began := time.Now()
				if err := cmd.Run(); err != nil {
					b.Fatalf("%s: %v", cmd, err)
				}
				times = append(times, time.Since(began))
			}
			b.ReportMetric(milliseconds(quantile(times, 0.5)), command.name+"-ms")
			b.ReportMetric(milliseconds(quantile(times, 0.99)), command.name+"-p99-ms")
		}
	}
	b.ReportMetric(0, "ns/op") // hide ns/op; only the other metrics matter
}
