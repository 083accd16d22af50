package hub

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchd/latchd/transport/hub/store"
)

// metrics counts what the fronts do. All of it counts from the hub's start.
type metrics struct {
	started           time.Time
	accepted, refused atomic.Int64 // logins of devices
	events            atomic.Int64 // messages from devices

	mu       sync.Mutex
	requests map[int]int64 // to the service API, by status
}

// counted is next with its answers counted.
func (m *metrics) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(watched, r)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.requests[watched.status]++
	})
}

// statusWriter keeps the status that was written.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// handler answers with the metrics in Prometheus' text format.
func (m *metrics) handler(db *store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		devices, err := db.Statistics(r.Context())
		if err != nil {
			http.Error(w, "the store cannot be read, the hub's log may say why", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(m.text(devices))
	})
	return mux
}

func (m *metrics) text(devices store.Statistics) []byte {
	var b bytes.Buffer
	metric := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	metric("latchhub_devices", "gauge", "Devices in the registry, by status.")
	fmt.Fprintf(&b, "latchhub_devices{status=\"disabled\"} %d\n", devices.Disabled)
	fmt.Fprintf(&b, "latchhub_devices{status=\"enabled\"} %d\n", devices.Enabled)
	metric("latchhub_devices_connected", "gauge", "Devices that have a link.")
	fmt.Fprintf(&b, "latchhub_devices_connected %d\n", devices.Connected)
	metric("latchhub_device_logins_total", "counter", "Logins of devices, by result.")
	fmt.Fprintf(&b, "latchhub_device_logins_total{result=\"accepted\"} %d\n", m.accepted.Load())
	fmt.Fprintf(&b, "latchhub_device_logins_total{result=\"refused\"} %d\n", m.refused.Load())
	metric("latchhub_device_messages_total", "counter", "Device-to-cloud messages that were taken.")
	fmt.Fprintf(&b, "latchhub_device_messages_total %d\n", m.events.Load())

	metric("latchhub_api_requests_total", "counter", "Requests to the service API, by the answer's status.")
	m.mu.Lock()
	requests := maps.Clone(m.requests)
	m.mu.Unlock()
	for _, status := range slices.Sorted(maps.Keys(requests)) {
		fmt.Fprintf(&b, "latchhub_api_requests_total{code=\"%d\"} %d\n", status, requests[status])
	}

	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	metric("go_memstats_heap_alloc_bytes", "gauge", "Bytes of the heap in use.")
	fmt.Fprintf(&b, "go_memstats_heap_alloc_bytes %d\n", memory.HeapAlloc)
	metric("go_goroutines", "gauge", "Goroutines.")
	fmt.Fprintf(&b, "go_goroutines %d\n", runtime.NumGoroutine())
	metric("process_start_time_seconds", "gauge", "When the hub was started, in seconds since 1970.")
	fmt.Fprintf(&b, "process_start_time_seconds %d\n", m.started.Unix())
	return b.Bytes()
}

// checkLoopback refuses an address that others can reach: nobody is asked who
// they are there.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("metrics: the address is %q, want HOST:PORT", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("metrics: %s is not a loopback address; choose one such as 127.0.0.1:9464 with --metrics", addr)
	}
	return nil
}
