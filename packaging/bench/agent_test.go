package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	starts     = 5    // how often each agent is started
	methods    = 1000 // how many methods are called on each agent
	idlePeriod = time.Minute
)

// agentKind is a kind of device agent, and the name of a method that it answers
// immediately.
type agentKind struct {
	name, method string
	start        func(b *testing.B, h *harness.Hub, device iothub.Device) *harness.Process
}

var agentKinds = []agentKind{
	{"latchd", "ping", func(b *testing.B, h *harness.Hub, device iothub.Device) *harness.Process {
		d := harness.NewDoor(b, h, device, "")
		d.Start(b)
		return d.Process
	}},
	{"node", "lockDoor", official("node", "--dns-result-order=ipv4first", "../interop/device.js")},
}

// official returns a function that starts a program. The program uses an official SDK and
// simulates the door of IoT Hub's tutorial on jobs. It trusts only the hub's CA, like latchd:
// the Node program reads CA_FILE, and OpenSSL in the C program reads SSL_CERT_FILE.
func official(program string, args ...string) func(*testing.B, *harness.Hub, iothub.Device) *harness.Process {
	return func(b *testing.B, h *harness.Hub, device iothub.Device) *harness.Process {
		b.Helper()
		_, port, err := net.SplitHostPort(h.MQTT)
		if err != nil {
			b.Fatal(err)
		}
		device.Gateway = net.JoinHostPort("localhost", port)
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "DEVICE_CONNECTION_STRING="+device.ConnectionString(), "CA_FILE="+h.CA(), "SSL_CERT_FILE="+h.CA())
		return harness.Start(b, "official device "+device.DeviceID, cmd)
	}
}

// figures holds the measurements of one kind of agent.
type figures struct {
	start  []time.Duration // time from the start of the process to its first answer
	idle   memory          // memory at the end of the idle period
	used   memory          // memory after all methods were called
	cpuUse cpuUse          // CPU use during the idle period
	trips  []time.Duration // round-trip times of the method calls
}

// BenchmarkAgent compares latchd, with a mock lock, with a device that uses the official
// Node SDK. If BENCH_CSDK names the program that csdk/build.sh builds, BenchmarkAgent also
// compares it with the official C SDK. All connect to the same hub. The benchmark starts
// the agents alternately and leaves all idle for a minute. Then it calls their methods
// alternately. The idle figures describe an agent that has just connected.
func BenchmarkAgent(b *testing.B) {
	if _, err := os.Stat("../interop/node_modules/azure-iot-device"); err != nil {
		b.Skipf("the official Node SDK is not installed; run 'npm ci' in packaging/interop: %v", err)
	}
	kinds := agentKinds
	if program := os.Getenv("BENCH_CSDK"); program != "" {
		kinds = append(slices.Clip(kinds), agentKind{"csdk", "lockDoor", official(program)})
	} else {
		b.Log("without the C SDK: packaging/bench/csdk/build.sh builds its program for BENCH_CSDK")
	}

	for b.Loop() {
		for i, f := range measureAgents(b, kinds) {
			f.report(b, kinds[i].name)
		}
	}
	b.ReportMetric(0, "ns/op") // hide ns/op; only the other metrics matter
}

func measureAgents(b *testing.B, kinds []agentKind) []figures {
	b.Helper()
	h := harness.StartHub(b, bin, "--name", "hub.localhost") // the C SDK refuses a name without a dot
	client := h.Client(b)
	measured := make([]figures, len(kinds))
	running := make([]*harness.Process, len(kinds))

	for n := range starts {
		for i, k := range kinds {
			if running[i] != nil {
				running[i].Kill()
			}
			var took time.Duration
			running[i], took = k.startAndCall(b, h, client, n)
			measured[i].start = append(measured[i].start, took)
		}
	}

	before := make([]cpuUse, len(kinds))
	for i, p := range running {
		before[i] = readCPUUse(b, p)
	}
	time.Sleep(idlePeriod)
	for i, p := range running {
		measured[i].cpuUse = readCPUUse(b, p).since(before[i])
		measured[i].idle = readMemory(b, p)
	}

	for range methods {
		for i, k := range kinds {
			began := time.Now()
			call(b, client, k.id(starts-1), k.method)
			measured[i].trips = append(measured[i].trips, time.Since(began))
		}
	}
	for i, p := range running {
		measured[i].used = readMemory(b, p)
		p.Kill()
	}
	h.Kill()
	return measured
}

func (k agentKind) id(n int) string { return fmt.Sprintf("%s-%d", k.name, n) }

// startAndCall calls a method of a new device and then starts the device. The hub
// delivers the call when the device has subscribed to methods. startAndCall returns the
// time from the call to the answer, which includes the start of the device.
func (k agentKind) startAndCall(b *testing.B, h *harness.Hub, client *rest.Client, n int) (*harness.Process, time.Duration) {
	b.Helper()
	id := k.id(n)
	device := h.CreateDevice(b, id)
	answered := make(chan error, 1)
	began := time.Now()
	go func() { answered <- invoke(b, client, id, k.method) }()
	p := k.start(b, h, device)
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
		err = fmt.Errorf("the device answered with status %d", response.Status)
	}
	if err != nil {
		return fmt.Errorf("method %s of %s: %w", method, id, err)
	}
	return nil
}

// report reports the figures as metrics. Each metric's unit ends in the agent's name,
// so that sorted output shows one figure of all agents together.
func (f figures) report(b *testing.B, agent string) {
	for unit, value := range map[string]float64{
		"start-ms":     milliseconds(quantile(f.start, 0.5)),
		"idle-MiB":     float64(f.idle.rss) / 1024,
		"idlePss-MiB":  float64(f.idle.pss) / 1024,
		"idleAnon-MiB": float64(f.idle.anon) / 1024,
		"used-MiB":     float64(f.used.rss) / 1024,
		"usedAnon-MiB": float64(f.used.anon) / 1024,
		"cpu-ms/min":   milliseconds(f.cpuUse.cpu),
		"wakes/min":    float64(f.cpuUse.wakes),
		"trip-ms":      milliseconds(quantile(f.trips, 0.5)),
		"trip99-ms":    milliseconds(quantile(f.trips, 0.99)),
	} {
		b.ReportMetric(value, unit+"-"+agent)
	}
}
