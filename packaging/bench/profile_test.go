package bench

import (
	"context"
	"os"
	"path/filepath"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/hub"
)

// BenchmarkHubProfile writes CPU profiles of a hub with 2,000 devices: of their first
// login, of a lockDoor job on all of them, and of queries that return a page of 1,000
// twins. The hub runs in this process, the fleet in another one. The profile of the
// queries contains the client, too. Each profile gets the name that BENCH_PROFILE holds,
// with the suffix .login, .job or .page. Without BENCH_PROFILE, the benchmark is skipped.
func BenchmarkHubProfile(b *testing.B) {
	file := os.Getenv("BENCH_PROFILE")
	if file == "" {
		b.Skip("BENCH_PROFILE names no file")
	}
	const devices, pages = 2000, 100
	h, stop := runHub(b)

	var fleet *harness.Process
	profile(b, file+".login", devices, func() { fleet = startFleet(b, h, devices) })
	client := h.Client(b)
	profile(b, file+".job", devices, func() { runJob(b, client, devices, lockJob()) })
	checkRows(b, h, devices)
	profile(b, file+".page", pages, func() {
		for range pages {
			query{"SELECT TOP 1000 * FROM devices", 1000}.run(b, client)
		}
	})

	fleet.Kill()
	stop()
	b.ReportMetric(0, "ns/op")
}

// runHub runs a hub in this process. The function stop ends it.
func runHub(b *testing.B) (h *harness.Hub, stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	h = &harness.Hub{Data: filepath.Join(b.TempDir(), "hub")}
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
	return h, func() {
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	}
}

// profile writes a CPU profile of work to a file. It reports the CPU time and the
// allocated memory of this process, divided by n.
func profile(b *testing.B, file string, n int, work func()) {
	b.Helper()
	out, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()

	began, allocated := processTime(b), allocatedBytes()
	if err := pprof.StartCPUProfile(out); err != nil {
		b.Fatal(err)
	}
	work()
	pprof.StopCPUProfile()

	part := strings.TrimPrefix(filepath.Ext(file), ".")
	b.ReportMetric(float64((processTime(b)-began).Microseconds())/float64(n), part+"-µs")
	b.ReportMetric(float64(allocatedBytes()-allocated)/float64(n)/1024, part+"-KiB")
}

// processTime returns the CPU time of this process.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// allocatedBytes returns the bytes that this process has allocated on its heap so far.
func allocatedBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
