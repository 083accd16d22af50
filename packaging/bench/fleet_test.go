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
	// settle is how long the benchmark waits after the fleet has connected, before it
	// reads the hub's memory.
	settle = 5 * time.Second
)

// BenchmarkFleet measures the hub with simulated gateways. latchsim runs the real agents
// in one process, with mock locks whose bolts move in 50 ms. The benchmark reports:
//
//   - the hub's memory for each device, including its identity and twin;
//   - the times of queries that read every twin: one finds none, one counts them all,
//     and the others return them in pages of 100, 1,000 and all devices;
//   - the time of a lockDoor job, from the request that creates it until the last
//     device's row is durable, and the CPU time of the hub and of the fleet meanwhile.
//
// Each iteration starts a new hub and a new fleet, and every bolt moves.
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

				hubBefore, fleetBefore := readCPUUse(b, h.Process), readCPUUse(b, fleet)
				took := runJob(b, client, devices)
				b.ReportMetric(readCPUUse(b, h.Process).since(hubBefore).cpu.Seconds(), "job-hub-cpu-s")
				b.ReportMetric(readCPUUse(b, fleet).since(fleetBefore).cpu.Seconds(), "job-fleet-cpu-s")
				b.ReportMetric(took.Seconds(), "job-s")
				b.ReportMetric(float64(devices)/took.Seconds(), "devices/s")

				checkRows(b, h, devices)
				fleet.Kill()
				h.Kill()
			}
			b.ReportMetric(0, "ns/op") // hide ns/op; only the other metrics matter
		})
	}
}

// startFleet starts latchsim and waits until all its devices have reported. The timeout
// begins anew with each line of progress.
func startFleet(b *testing.B, h *harness.Hub, devices int) *harness.Process {
	b.Helper()
	fleet := harness.Start(b, "latchsim", exec.Command(bin.Path("latchsim"), "--devices", fmt.Sprint(devices),
		"--hub-file", h.ServiceFile(), "--ca-file", h.CA(), "--endpoint", h.Endpoint(), "--mqtt", h.MQTT))
	for ready := false; !ready; {
		fleet.ExpectFunc(b, "a line of progress", func(line string) (string, bool) {
			ready = strings.HasPrefix(line, "latchsim ready ")
			return line, ready || strings.HasPrefix(line, "latchsim: ")
		})
	}
	return fleet
}

// query is a query for the hub's service API.
type query struct {
	text string
	rows int // how many rows the query must return
}

// time runs the query several times in a row and returns the median time.
func (q query) time(b *testing.B, client *rest.Client) time.Duration {
	b.Helper()
	took := make([]time.Duration, queries)
	for i := range took {
		began := time.Now()
		q.run(b, client)
		took[i] = time.Since(began)
	}
	return quantile(took, 0.5)
}

// run runs the query once and checks the number of rows.
func (q query) run(b *testing.B, client *rest.Client) {
	b.Helper()
	rows := 0
	for _, err := range client.Query(b.Context(), q.text) {
		if err != nil {
			b.Fatal(err)
		}
		rows++
	}
	if rows != q.rows {
		b.Fatalf("%s\nhas %d rows, want %d", q.text, rows, q.rows)
	}
}

// runJob runs a lockDoor job on all devices and returns the time until the job has
// ended. With more devices it polls the job less often. The result is therefore up to
// half a percent too long.
func runJob(b *testing.B, client *rest.Client, devices int) time.Duration {
	b.Helper()
	began := time.Now()
	job, err := client.CreateJob(b.Context(), iothub.Job{
		JobID: jobID, Type: iothub.ScheduleDeviceMethod, QueryCondition: "*",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", Payload: json.RawMessage("null"), ResponseTimeoutInSeconds: 60},
	})

	poll := time.NewTicker(max(time.Millisecond, time.Duration(devices)*2*time.Microsecond))
	defer poll.Stop()
	for err == nil && !job.Status.Ended() {
		<-poll.C
		job, err = client.Job(b.Context(), jobID)
	}
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// checkRows checks that the job has locked every door, because the time of a failed job
// means nothing.
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
