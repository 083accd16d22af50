package hub_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/iothub"
)

func scrape(t *testing.T, r *running) string {
	t.Helper()
	answer, err := http.Get("http://" + r.at.Metrics.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s %s, %v", answer.Status, answer.Header, err)
	}
	return string(text)
}

func TestMetrics(t *testing.T) {
	t.Parallel()

	r := startWith(t, t.TempDir(), func(o *hub.Options) { o.Metrics = "127.0.0.1:0" })
	key := r.createDevice("door1")
	r.createDevice("door2")
	r.do("POST", "/devices", []map[string]any{{"id": "door2", "importMode": "Update", "status": "disabled"}}, nil)
	d, err := r.connect("door1", key, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.connect("door1", iothub.NewKey(), true); err == nil {
		t.Fatal("a device can log in with a wrong key")
	}
	if token := d.Publish(iothub.EventTopic("door1", nil), 1, false, "x"); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	awaitConnected(t, r, "door1")
	runtime.GC() // before the first collection, the live heap is unknown
	text := scrape(t, r)
	for _, want := range []string{
		`latchhub_devices{status="disabled"} 1`, `latchhub_devices{status="enabled"} 1`, "latchhub_devices_connected 1",
		`latchhub_device_logins_total{result="accepted"} 1`, `latchhub_device_logins_total{result="refused"} 1`,
		"latchhub_device_messages_total 1",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the metrics lack %q:\n%s", want, text)
		}
	}
	for _, name := range []string{"go_gc_heap_live_bytes", "go_memstats_stack_inuse_bytes"} {
		if !regexp.MustCompile("(?m)^" + name + " [1-9]").MatchString(text) {
			t.Errorf("the metrics lack %s:\n%s", name, text)
		}
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[a-z0-9]+"\})? [0-9]+)$`)
	for l := range strings.Lines(text) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("malformed line %q", l)
		}
	}
	if !regexp.MustCompile(`(?m)^latchhub_api_requests_total\{code="200"\} [1-9]`).MatchString(text) {
		t.Errorf("the metrics count no requests:\n%s", text)
	}
}

// awaitConnected waits until the hub's API says that the device is connected.
func awaitConnected(t *testing.T, r *running, id string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var identity iothub.DeviceIdentity
		r.do("GET", "/devices/"+id, nil, &identity)
		if identity.ConnectionState == iothub.Connected {
			return
		}
		<-tick.C
	}
}

// Metrics need no login. So the hub refuses an address that other machines can reach.
func TestMetricsStayOnTheMachine(t *testing.T) {
	t.Parallel()

	for addr, want := range map[string]string{
		":9464": "not a loopback address", "0.0.0.0:9464": "not a loopback address", "192.0.2.1:1": "not a loopback address",
		"[::]:1": "not a loopback address", "example.com:1": "not a loopback address", "127.0.0.1": "want HOST:PORT",
	} {
		err := hub.Run(context.Background(), hub.Options{DataDir: t.TempDir(), MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", Metrics: addr})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", addr, err, want)
		}
	}
}
