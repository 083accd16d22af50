package bench

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	jobID   = "lock-all"
	queries = 10
	// settle is what the hub gets after the fleet has connected, before what it
	// holds is read.
	settle = 5 * time.Second
)

// BenchmarkFleet measures the hub with simulated gateways, the real agents with
// mock locks whose bolts take 50 ms, in one process of their own: the memory
// that each takes of the hub, registry and twin included, queries that read every
// twin and find none of them, count them, and return them whole, a page of 100, one
// of 1,000 and all; and a lockDoor job from the request that creates it until the last device's row is durable.
// As hub and fleet share the machine, the job's CPU time is told apart. Hub and
// fleet are new each time, and every bolt moves.
func BenchmarkFleet(b *testing.B) {
	for _, devices := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			for b.Loop() {
				h := harness.StartHub(b, bin)
				client := h.Client(b)
				empty := readMemory(b, h.Process)
				fleet := startFleet(b, h, devices)
				time.Sleep(settle)
				full := readMemory(b, h.Process)
				b.ReportMetric(float64(full.rss-empty.rss)/float64(devices), "KiB/device")
				for unit, q := range map[string]query{
					"find-ms":     {"SELECT * FROM devices WHERE properties.reported.lock.position = 'locked'", 0},
					"count-ms":    {"SELECT COUNT() AS n FROM devices WHERE properties.reported.lock.position = 'unlocked'", 1},
					"page100-ms":  {"SELECT TOP 100 * FROM devices", min(100, devices)},
					"page1000-ms": {"SELECT TOP 1000 * FROM devices", min(1000, devices)},
					"all-ms":      {"SELECT * FROM devices", devices},
				} {
					b.ReportMetric(milliseconds(q.time(b, client)), unit)
				}
				hubBefore, fleetBefore := readEffort(b, h.Process), readEffort(b, fleet)
				took := runJob(b, client, devices)
				b.ReportMetric(readEffort(b, h.Process).since(hubBefore).cpu.Seconds(), "job-hub-cpu-s")
				b.ReportMetric(readEffort(b, fleet).since(fleetBefore).cpu.Seconds(), "job-fleet-cpu-s")
				b.ReportMetric(took.Seconds(), "job-s")
				b.ReportMetric(float64(devices)/took.Seconds(), "devices/s")
				checkRows(b, h, devices)
				fleet.Kill()
				h.Kill()
			}
			b.ReportMetric(0, "ns/op") // the others say it
		})
	}
}

// startFleet starts latchsim and waits until all its devices have reported, with
// new patience for each line that says how many have.
func startFleet(b *testing.B, h *harness.Hub, devices int) *harness.Process {
	b.Helper()
	fleet := harness.Start(b, "latchsim", exec.Command(bin.Path("latchsim"), "--devices", fmt.Sprint(devices),
		"--hub-file", h.ServiceFile(), "--ca-file", h.CA(), "--endpoint", h.Endpoint(), "--mqtt", h.MQTT))
	for ready := false; !ready; {
		fleet.ExpectFunc(b, "a line that all have connected", func(line string) (string, bool) {
			ready = strings.HasPrefix(line, "latchsim ready ")
			return line, ready || strings.HasPrefix(line, "latchsim: ")
		})
	}
	return fleet
}

// query is asked of the service front; rows is how many it must find.
type query struct {
	text string
	rows int
}

// time returns the median of some runs of the query, each after the other.
func (q query) time(b *testing.B, client *rest.Client) time.Duration {
	b.Helper()
	took := make([]time.Duration, queries)
	for i := range took {
		began, rows := time.Now(), 0
		for _, err := range client.Query(b.Context(), q.text) {
			if err != nil {
				b.Fatal(err)
			}
			rows++
		}
		took[i] = time.Since(began)
		if rows != q.rows {
			b.Fatalf("%s\nhas %d rows, want %d", q.text, rows, q.rows)
		}
	}
	return quantile(took, 0.5)
}

// runJob runs a lockDoor job on all devices to its end and returns how long it
// took. The more devices, the rarer it looks for the end, which makes the figure
// longer than the truth by up to half a percent.
func runJob(b *testing.B, client *rest.Client, devices int) time.Duration {
	b.Helper()
	began := time.Now()
	job, err := client.CreateJob(b.Context(), iothub.Job{
		JobID: jobID, Type: iothub.ScheduleDeviceMethod, QueryCondition: "*",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", Payload: json.RawMessage("null"), ResponseTimeoutInSeconds: 60},
	})
	again := time.NewTicker(max(time.Millisecond, time.Duration(devices)*2*time.Microsecond))
	defer again.Stop()
	for err == nil && !job.Status.Ended() {
		<-again.C
		job, err = client.Job(b.Context(), jobID)
	}
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// checkRows checks that every door was moved, and says so: a figure for a job
// that has failed would be worth nothing.
func checkRows(b *testing.B, h *harness.Hub, devices int) {
	b.Helper()
	rows := h.Rows(b, jobID)
	if len(rows) != devices {
		b.Fatalf("the job has %d rows, want %d", len(rows), devices)
	}
	for _, row := range rows {
		var answer struct{ Changed bool }
		v := row.Judge()
		if v.Outcome == iothub.Succeeded {
			if err := json.Unmarshal(row.Outcome.DeviceMethodResponse.Payload, &answer); err != nil {
				b.Fatal(err)
			}
		}
		if !answer.Changed {
			b.Fatalf("%s was not locked by the job: %+v", row.DeviceID, v)
		}
	}
}
