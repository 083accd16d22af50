package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	queries = 10
	// settle is how long the benchmark waits after the fleet has connected, before it
	// reads the memory.
	settle = 5 * time.Second
	// lastReports is how long after a job its CPU time is measured: the devices report a
	// change up to 150 ms after it.
	lastReports = 1500 * time.Millisecond
	// patience limits each wait. The largest fleet needs minutes to log in.
	patience = 10 * time.Minute
	// otherFiles is how many open files the hub and the fleet need besides those for
	// their connections.
	otherFiles = 128

	jobID, twinJobID = "lock-all", "tune-all"
)

// sources are the addresses from which the devices connect in turn. From one address,
// the kernel can open about 28,000 connections to the hub.
const sources = "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8"

// BenchmarkFleet measures the hub with simulated gateways. latchsim runs the real agents
// in one process, with mock locks whose bolts move in 50 ms. All agents share the
// machine with the hub, and the loopback network, the clock and a garbage collector
// with each other. The environment variable BENCH_DEVICES lists the sizes of the fleet.
//
// Each iteration starts a new hub and a new fleet. It takes these steps, which report the
// metrics in parentheses. A step with a time reports it in seconds (login-s), and the
// CPU time of both processes (login-hub-µs/device, login-fleet-µs/device).
//
//   - login: latchsim registers the devices, and all log in, read their twin and report.
//   - The memory of the hub and of the fleet for each connected device: resident
//     (hub-KiB/device, fleet-KiB/device), and without garbage (heap-, stack-KiB/device).
//   - Queries that read every twin: one finds none (find-ms), one counts them all
//     (count-ms), and the others return them in pages (page100-, page1000-, all-ms).
//   - job: a lockDoor job on all devices, from the request that creates it until the
//     last row is durable. Every bolt moves. The CPU time includes the next 1.5 s.
//     job-failed is the number of doors that were not locked.
//   - twin: a twin job on all devices, in the same way. twin-ack-s is the time until the
//     hub has the acknowledgement of the last device.
//   - relogin: the hub is killed and starts again. All devices connect again after a
//     random wait, read their twin and report.
func BenchmarkFleet(b *testing.B) {
	for _, text := range strings.Fields(cmp.Or(os.Getenv("BENCH_DEVICES"), "100 1000 10000")) {
		devices, err := strconv.Atoi(text)
		if err != nil {
			b.Fatalf("BENCH_DEVICES: %v", err)
		}

		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			skipWithoutFiles(b, devices)
			for b.Loop() {
				f := &fleetRun{B: b, devices: devices}
				f.login()
				f.measureMemory()
				f.runQueries()
				f.measureLive()
				f.lockAll()
				f.tuneAll()
				f.relogin()
				f.fleet.Kill()
				f.hub.Kill()
			}
			b.ReportMetric(0, "ns/op") // hide ns/op; only the other metrics matter
		})
	}
}

// skipWithoutFiles skips the benchmark if a process may not open enough files.
func skipWithoutFiles(b *testing.B, devices int) {
	b.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}

	if need := uint64(devices + otherFiles); limit.Max < need {
		fmt.Printf("skipped %s: hub and fleet need %d open files each, but the hard limit is %d; raise it with: ulimit -Hn %d\n",
			b.Name(), need, limit.Max, need)
		b.SkipNow()
	}
}

// fleetRun is one iteration of BenchmarkFleet.
type fleetRun struct {
	*testing.B
	devices int
	metrics string // URL of the hub's metrics
	hub     *harness.Hub
	fleet   *harness.Process
	client  *rest.Client

	memory     memory // of the hub without devices
	heap       int64  // live bytes of the hub without devices
	stackInUse int64  // bytes of the hub's stacks without devices
}

// login starts the hub and the fleet.
func (f *fleetRun) login() {
	f.Helper()
	address := freeAddress(f.B)
	f.metrics = "http://" + address + "/metrics"
	f.hub = harness.StartHub(f, bin, "--metrics", address)
	f.client = f.hub.Client(f)
	f.memory = readMemory(f.B, f.hub.Process)
	f.heap, f.stackInUse = f.metric("go_gc_heap_live_bytes "), f.metric("go_memstats_stack_inuse_bytes ")

	before, began := readCPUUse(f.B, f.hub.Process), time.Now()
	f.fleet = startFleet(f.B, f.hub, f.devices)
	f.report("login", time.Since(began), before, cpuUse{})
}

// report reports the duration of a step, and the CPU time that the hub and the fleet have
// used since the given earlier values.
func (f *fleetRun) report(step string, took time.Duration, hub, fleet cpuUse) {
	f.Helper()
	perDevice := func(p *harness.Process, before cpuUse) float64 {
		return float64(readCPUUse(f.B, p).since(before).cpu.Microseconds()) / float64(f.devices)
	}
	f.ReportMetric(took.Seconds(), step+"-s")
	f.ReportMetric(perDevice(f.hub.Process, hub), step+"-hub-µs/device")
	f.ReportMetric(perDevice(f.fleet, fleet), step+"-fleet-µs/device")
}

func (f *fleetRun) measureMemory() {
	f.Helper()
	time.Sleep(settle)
	f.ReportMetric(float64(readMemory(f.B, f.hub.Process).rss-f.memory.rss)/float64(f.devices), "hub-KiB/device")
	f.ReportMetric(float64(readMemory(f.B, f.fleet).rss)/float64(f.devices), "fleet-KiB/device")
}

// measureLive reports the hub's live memory. The queries have made garbage, so the last
// garbage collection happened after the fleet had connected.
func (f *fleetRun) measureLive() {
	f.Helper()
	f.ReportMetric(float64(f.metric("go_gc_heap_live_bytes ")-f.heap)/1024/float64(f.devices), "heap-KiB/device")
	f.ReportMetric(float64(f.metric("go_memstats_stack_inuse_bytes ")-f.stackInUse)/1024/float64(f.devices), "stack-KiB/device")
}

func (f *fleetRun) runQueries() {
	f.Helper()
	for unit, q := range map[string]query{
		"find-ms":     {"SELECT * FROM devices WHERE properties.reported.lock.position = 'locked'", 0},
		"count-ms":    {"SELECT COUNT() AS n FROM devices WHERE properties.reported.lock.position = 'unlocked'", 1},
		"page100-ms":  {"SELECT TOP 100 * FROM devices", min(100, f.devices)},
		"page1000-ms": {"SELECT TOP 1000 * FROM devices", min(1000, f.devices)},
		"all-ms":      {"SELECT * FROM devices", f.devices},
	} {
		f.ReportMetric(milliseconds(q.time(f.B, f.client)), unit)
	}
}

// lockAll runs a lockDoor job on all devices.
func (f *fleetRun) lockAll() {
	f.Helper()
	hub, fleet := readCPUUse(f.B, f.hub.Process), readCPUUse(f.B, f.fleet)
	took := runJob(f.B, f.client, f.devices, lockJob())
	time.Sleep(lastReports)
	f.report("job", took, hub, fleet)
	f.ReportMetric(float64(checkRows(f.B, f.hub, f.devices)), "job-failed")
}

// tuneAll runs a job that changes a desired property of all devices.
func (f *fleetRun) tuneAll() {
	f.Helper()
	hub, fleet := readCPUUse(f.B, f.hub.Process), readCPUUse(f.B, f.fleet)
	began := time.Now()
	took := runJob(f.B, f.client, f.devices, iothub.Job{
		JobID: twinJobID, Type: iothub.ScheduleUpdateTwin, QueryCondition: "*",
		UpdateTwin: json.RawMessage(`{"properties":{"desired":{"heldOpenSeconds":77}}}`),
	})

	f.awaitCount("properties.reported.heldOpenSeconds.value = 77 AND properties.reported.heldOpenSeconds.ac = 200")
	f.ReportMetric(time.Since(began).Seconds(), "twin-ack-s")
	time.Sleep(max(0, lastReports-time.Since(began)+took))
	f.report("twin", took, hub, fleet)
}

// relogin kills the hub and starts it again. It first waits for the logins, because the
// metrics cost the hub less than a query.
func (f *fleetRun) relogin() {
	f.Helper()
	fleet, began := readCPUUse(f.B, f.fleet), time.Now()
	f.hub.Kill()
	f.hub.Start(f)
	f.client = f.hub.Client(f)

	f.await("all devices have logged in", func() bool {
		return f.metric(`latchhub_device_logins_total{result="accepted"} `) >= int64(f.devices)
	})
	f.awaitCount("properties.reported.link.reconnects >= 1")
	f.report("relogin", time.Since(began), cpuUse{}, fleet)
}

// awaitCount waits until a condition of the query language is true for all devices.
func (f *fleetRun) awaitCount(condition string) {
	f.Helper()
	f.await(condition, func() bool {
		var answer struct{ N int }
		for row, err := range f.client.Query(f.Context(), "SELECT COUNT() AS n FROM devices WHERE "+condition) {
			if err == nil {
				err = json.Unmarshal(row, &answer)
			}
			if err != nil {
				f.Fatal(err)
			}
		}
		return answer.N == f.devices
	})
}

// await calls check until it returns true. With more devices it calls check less often.
func (f *fleetRun) await(what string, check func() bool) {
	f.Helper()
	timeout := time.After(patience)
	for !check() {
		select {
		case <-time.After(max(10*time.Millisecond, time.Duration(f.devices)*10*time.Microsecond)):
		case <-timeout:
			f.Fatalf("waited %s for: %s", patience, what)
		}
	}
}

// metric reads the hub's metric whose line starts with name.
func (f *fleetRun) metric(name string) int64 {
	f.Helper()
	answer, err := http.Get(f.metrics)
	if err != nil {
		f.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		f.Fatal(err)
	}
	return field(f.B, string(text), name)
}

// freeAddress returns a loopback address on which nobody listens.
func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// startFleet starts latchsim and waits until all its devices have reported. The timeout
// begins anew with each line of progress.
func startFleet(b *testing.B, h *harness.Hub, devices int) *harness.Process {
	b.Helper()
	fleet := harness.Start(b, "latchsim", exec.Command(bin.Path("latchsim"), "--devices", fmt.Sprint(devices),
		"--hub-file", h.ServiceFile(), "--ca-file", h.CA(), "--endpoint", h.Endpoint(), "--mqtt", h.MQTT, "--source-addresses", sources))
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

// lockJob returns a job that locks all doors.
func lockJob() iothub.Job {
	return iothub.Job{
		JobID: jobID, Type: iothub.ScheduleDeviceMethod, QueryCondition: "*",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", Payload: json.RawMessage("null"), ResponseTimeoutInSeconds: 60},
	}
}

// runJob runs a job on all devices and returns the time until the job has ended. With
// more devices it polls the job less often. The result is therefore up to half a percent
// too long.
func runJob(b *testing.B, client *rest.Client, devices int, job iothub.Job) time.Duration {
	b.Helper()
	began := time.Now()
	job, err := client.CreateJob(b.Context(), job)

	poll := time.NewTicker(max(time.Millisecond, time.Duration(devices)*2*time.Microsecond))
	defer poll.Stop()
	for err == nil && !job.Status.Ended() {
		<-poll.C
		job, err = client.Job(b.Context(), job.JobID)
	}
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// checkRows checks that the job has locked the doors, because the time of a failed job
// means nothing. It returns the number of doors that were not locked and fails if there
// is more than one in 1,000: a busy machine may not run the simulation of a bolt in time.
func checkRows(b *testing.B, h *harness.Hub, devices int) (failed int) {
	b.Helper()
	rows := h.Rows(b, jobID)
	if len(rows) != devices {
		b.Fatalf("the job has %d rows, want %d", len(rows), devices)
	}

	var example string
	for _, row := range rows {
		var answer struct{ Changed bool }
		v := row.Judge()
		if v.Outcome == iothub.Succeeded {
			if err := json.Unmarshal(row.Outcome.DeviceMethodResponse.Payload, &answer); err != nil {
				b.Fatal(err)
			}
		}
		if !answer.Changed {
			failed++
			example = fmt.Sprintf("%s: %+v", row.DeviceID, v)
		}
	}

	if failed > devices/1000 {
		b.Fatalf("the job has not locked %d of %d doors, such as %s", failed, devices, example)
	}
	return failed
}
