package bench

import (
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/hub"
)

// BenchmarkHubProfile writes a CPU profile of a hub that runs a lockDoor job on 2,000
// devices to the file that BENCH_PROFILE names. The hub runs in this process, the fleet
// in another one. Without BENCH_PROFILE it is skipped.
func BenchmarkHubProfile(b *testing.B) {
	file := os.Getenv("BENCH_PROFILE")
	if file == "" {
		b.Skip("BENCH_PROFILE names no file")
	}
	const devices = 2000
	debug.SetGCPercent(50) // as in latchhub

	ctx, stop := context.WithCancel(b.Context())
	h := &harness.Hub{Data: filepath.Join(b.TempDir(), "hub")}
	ready, ended := make(chan hub.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- hub.Run(ctx, hub.Options{DataDir: h.Data, MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0",
			Ready: func(a hub.Addresses) { ready <- a }})
	}()
	select {
	case a := <-ready:
		h.MQTT, h.HTTPS = a.MQTT.String(), a.HTTPS.String()
	case err := <-ended:
		b.Fatal(err)
	}
	fleet := startFleet(b, h, devices)

	out, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		b.Fatal(err)
	}
	runJob(b, h.Client(b), devices)
	pprof.StopCPUProfile()

	checkRows(b, h, devices)
	fleet.Kill()
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
}
