package hub

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	rtmetrics "runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/store"
)

// metrics counts logins, messages and requests since the hub started.
type metrics struct {
	started time.Time

	acceptedLogins, refusedLogins atomic.Int64 // logins of devices
	messages                      atomic.Int64 // device-to-cloud messages

	mu       sync.Mutex
	requests map[int]int64 // requests to the service API, by status code
}

func newMetrics(started time.Time) *metrics {
	return &metrics{started: started, requests: make(map[int]int64)}
}

// countRequests returns a handler that calls next and counts its answers by status code.
func (m *metrics) countRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)

		m.mu.Lock()
		defer m.mu.Unlock()
		m.requests[recorder.status]++
	})
}

// statusRecorder is a ResponseWriter that records the status code of the answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the original ResponseWriter, which http.ResponseController needs.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// handler returns an HTTP handler that serves the metrics in the Prometheus text format.
func (m *metrics) handler(db *store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		devices, err := db.Statistics(r.Context())
		if err != nil {
			http.Error(w, "cannot read the store: see the hub's log", http.StatusInternalServerError)
			return
		}

		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(m.text(devices))
	})
	return mux
}

// text returns all metrics in the Prometheus text format.
func (m *metrics) text(devices store.Statistics) []byte {
	var b bytes.Buffer
	metric := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}

	metric("latchhub_devices", "gauge", "Devices in the registry, by status.")
	fmt.Fprintf(&b, "latchhub_devices{status=\"disabled\"} %d\n", devices.Disabled)
	fmt.Fprintf(&b, "latchhub_devices{status=\"enabled\"} %d\n", devices.Enabled)
	metric("latchhub_devices_connected", "gauge", "Devices that are connected.")
	fmt.Fprintf(&b, "latchhub_devices_connected %d\n", devices.Connected)

	metric("latchhub_device_logins_total", "counter", "Logins of devices, by result.")
	fmt.Fprintf(&b, "latchhub_device_logins_total{result=\"accepted\"} %d\n", m.acceptedLogins.Load())
	fmt.Fprintf(&b, "latchhub_device_logins_total{result=\"refused\"} %d\n", m.refusedLogins.Load())
	metric("latchhub_device_messages_total", "counter", "Device-to-cloud messages accepted.")
	fmt.Fprintf(&b, "latchhub_device_messages_total %d\n", m.messages.Load())

	metric("latchhub_api_requests_total", "counter", "Requests to the service API, by status of the answer.")
	m.mu.Lock()
	requests := maps.Clone(m.requests)
	m.mu.Unlock()
	for _, status := range slices.Sorted(maps.Keys(requests)) {
		fmt.Fprintf(&b, "latchhub_api_requests_total{code=\"%d\"} %d\n", status, requests[status])
	}

	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	metric("go_memstats_heap_alloc_bytes", "gauge", "Heap bytes in use.")
	fmt.Fprintf(&b, "go_memstats_heap_alloc_bytes %d\n", memory.HeapAlloc)
	live := []rtmetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	rtmetrics.Read(live)
	metric("go_gc_heap_live_bytes", "gauge", "Heap bytes that the last garbage collection found in use.")
	fmt.Fprintf(&b, "go_gc_heap_live_bytes %d\n", live[0].Value.Uint64())
	metric("go_memstats_stack_inuse_bytes", "gauge", "Bytes of goroutine stacks.")
	fmt.Fprintf(&b, "go_memstats_stack_inuse_bytes %d\n", memory.StackInuse)
	metric("go_goroutines", "gauge", "Number of goroutines.")
	fmt.Fprintf(&b, "go_goroutines %d\n", runtime.NumGoroutine())
	metric("process_start_time_seconds", "gauge", "Start time of the hub, in seconds since 1970.")
	fmt.Fprintf(&b, "process_start_time_seconds %d\n", m.started.Unix())

	return b.Bytes()
}
