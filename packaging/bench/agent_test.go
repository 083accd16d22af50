package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	starts  = 5
	methods = 1000
	idle    = time.Minute
)

// subject is a kind of device, with a method that it answers at once.
type subject struct {
	name, method string
	start        func(b *testing.B, h *harness.Hub, device iothub.Device) *harness.Process
}

var subjects = []subject{
	{"latchd", "ping", func(b *testing.B, h *harness.Hub, device iothub.Device) *harness.Process {
		d := harness.NewDoor(b, h, device, "")
		d.Start(b)
		return d.Process
	}},
	{"node", "lockDoor", startNode},
}

// startNode starts the device of packaging/interop on the official Node SDK,
// which simulates a door as the tutorial of IoT Hub's jobs does.
func startNode(b *testing.B, h *harness.Hub, device iothub.Device) *harness.Process {
	b.Helper()
	_, port, err := net.SplitHostPort(h.MQTT)
	if err != nil {
		b.Fatal(err)
	}
	device.Gateway = net.JoinHostPort("localhost", port)
	cmd := exec.Command("node", "--dns-result-order=ipv4first", "../interop/device.js")
	cmd.Env = append(os.Environ(), "DEVICE_CONNECTION_STRING="+device.ConnectionString(), "CA_FILE="+h.CA())
	return harness.Start(b, "official device "+device.DeviceID, cmd)
}

// figures are what is measured of a subject.
type figures struct {
	start      []time.Duration
	idle, used memory // after the minute, and after the methods
	effort     effort // of the idle minute
	trips      []time.Duration
}

// BenchmarkAgent measures latchd with a mock lock beside the official SDK's
// device, on the same hub: starts in turn, an idle minute of both at the same
// time, and then methods of one after the other. The idle figures are those of
// a device that has just started and connected.
func BenchmarkAgent(b *testing.B) {
	if _, err := os.Stat("../interop/node_modules/azure-iot-device"); err != nil {
		b.Skipf("the official Node SDK is not installed; run 'npm ci' in packaging/interop: %v", err)
	}
	for b.Loop() {
		for i, f := range measureAgents(b) {
			f.report(b, subjects[i].name)
		}
	}
	b.ReportMetric(0, "ns/op") // the others say it
}

func measureAgents(b *testing.B) []figures {
	b.Helper()
	h := harness.StartHub(b, bin)
	client := h.Client(b)
	measured := make([]figures, len(subjects))
	running := make([]*harness.Process, len(subjects))
	for n := range starts {
		for i, s := range subjects {
			if running[i] != nil {
				running[i].Kill()
			}
			var took time.Duration
			running[i], took = s.startAndCall(b, h, client, n)
			measured[i].start = append(measured[i].start, took)
		}
	}
	before := make([]effort, len(subjects))
	for i, p := range running {
		before[i] = readEffort(b, p)
	}
	time.Sleep(idle) // what is measured is that nothing happens
	for i, p := range running {
		measured[i].effort = readEffort(b, p).since(before[i])
		measured[i].idle = readMemory(b, p)
	}
	for i, s := range subjects {
		for range methods {
			began := time.Now()
			call(b, client, s.id(starts-1), s.method)
			measured[i].trips = append(measured[i].trips, time.Since(began))
		}
		measured[i].used = readMemory(b, running[i])
	}
	for _, p := range running {
		p.Kill()
	}
	h.Kill()
	return measured
}

func (s subject) id(n int) string { return fmt.Sprintf("%s-%d", s.name, n) }

// startAndCall starts a new device and returns how long it took until the
// answer to a method that was called before: the hub holds the call back until
// the device has subscribed to methods.
func (s subject) startAndCall(b *testing.B, h *harness.Hub, client *rest.Client, n int) (*harness.Process, time.Duration) {
	b.Helper()
	id := s.id(n)
	device := h.CreateDevice(b, id)
	answered := make(chan error, 1)
	began := time.Now()
	go func() { answered <- invoke(b, client, id, s.method) }()
	p := s.start(b, h, device)
	if err := <-answered; err != nil {
		b.Fatal(err)
	}
	return p, time.Since(began)
}

func call(b *testing.B, client *rest.Client, id, method string) {
	b.Helper()
	if err := invoke(b, client, id, method); err != nil {
		b.Fatal(err)
	}
}

func invoke(b *testing.B, client *rest.Client, id, method string) error {
	response, err := client.InvokeMethod(b.Context(), id, iothub.MethodRequest{
		MethodName: method, ResponseTimeoutInSeconds: 30, ConnectTimeoutInSeconds: 60})
	if err == nil && response.Status != 200 {
		err = fmt.Errorf("the status is %d", response.Status)
	}
	if err != nil {
		return fmt.Errorf("method %s of %s: %w", method, id, err)
	}
	return nil
}

// report names the figures so that those of all subjects sort side by side.
func (f figures) report(b *testing.B, subject string) {
	for unit, value := range map[string]float64{
		"start-ms":    milliseconds(quantile(f.start, 0.5)),
		"idle-MiB":    float64(f.idle.rss) / 1024,
		"idlePss-MiB": float64(f.idle.pss) / 1024,
		"used-MiB":    float64(f.used.rss) / 1024,
		"cpu-ms/min":  milliseconds(f.effort.cpu),
		"wakes/min":   float64(f.effort.wakes),
		"trip-ms":     milliseconds(quantile(f.trips, 0.5)),
		"trip99-ms":   milliseconds(quantile(f.trips, 0.99)),
	} {
		b.ReportMetric(value, unit+"-"+subject)
	}
}
