package bench

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// pollEvery is how often the end of a job is looked for: the figures are longer
// than the truth by up to as much.
const pollEvery = 5 * time.Millisecond

const jobID = "lock-all"

// BenchmarkLockDoorJob measures a lockDoor job on simulated gateways, the real
// agents with mock locks whose bolts take 50 ms, in one process of their own:
// from the request that creates the job until the last device's row is durable.
// Hub and fleet are new each time, and every bolt moves.
func BenchmarkLockDoorJob(b *testing.B) {
	for _, devices := range []int{100, 1000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				h := harness.StartHub(b, bin)
				fleet := startFleet(b, h, devices)
				client := h.Client(b)
				b.StartTimer()
				runJob(b, client, devices)
				b.StopTimer()
				checkRows(b, h, devices)
				fleet.Kill()
				h.Kill()
				b.StartTimer()
			}
			b.ReportMetric(float64(devices*b.N)/b.Elapsed().Seconds(), "devices/s")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/job")
			b.ReportMetric(0, "ns/op") // s/job says it
		})
	}
}

// startFleet starts latchsim and waits until all its devices have reported.
func startFleet(b *testing.B, h *harness.Hub, devices int) *harness.Process {
	b.Helper()
	fleet := harness.Start(b, "latchsim", exec.Command(bin.Path("latchsim"), "--devices", fmt.Sprint(devices),
		"--hub-file", h.ServiceFile(), "--ca-file", h.CA(), "--endpoint", h.Endpoint(), "--mqtt", h.MQTT))
	fleet.Expect(b, "latchsim ready ")
	return fleet
}

// runJob runs a lockDoor job on all devices to its end.
func runJob(b *testing.B, client *rest.Client, devices int) {
	b.Helper()
	job, err := client.CreateJob(b.Context(), iothub.Job{
		JobID: jobID, Type: iothub.ScheduleDeviceMethod, QueryCondition: "*",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", Payload: json.RawMessage("null"), ResponseTimeoutInSeconds: 60},
	})
	again := time.NewTicker(pollEvery)
	defer again.Stop()
	for err == nil && !job.Status.Ended() {
		<-again.C
		job, err = client.Job(b.Context(), jobID)
	}
	if err != nil {
		b.Fatal(err)
	}
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
