package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// number returns the integer in an environment variable, or short if it is not set. The
// long form of a test sets it.
func number(t *testing.T, variable string, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// limited returns programs of which latchhub has at most n file descriptors.
func limited(t *testing.T, n int) harness.Binaries {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n", n, bin.Path("latchhub"))
	if err := os.WriteFile(filepath.Join(dir, "latchhub"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return harness.Binaries(dir)
}

// doors are devices that answer each method with status 200.
type doors struct {
	connected chan struct{} // receives an element when a door has connected for the first time
}

// openDoors lets devices log in. They stay connected until the end of the test.
func openDoors(t *testing.T, h *harness.Hub, devices []iothub.Device) *doors {
	t.Helper()
	d := &doors{connected: make(chan struct{}, len(devices))}
	roots := h.Roots(t)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })

	for _, device := range devices {
		running.Go(func() {
			var first sync.Once
			err := mqtt.Run(ctx, mqtt.Options{Device: device, Endpoint: h.MQTT, RootCAs: trust.Pool(roots)}, func(ctx context.Context, link *mqtt.Link) error {
				first.Do(func() { d.connected <- struct{}{} })
				for m := range link.Methods() {
					if link.Respond(ctx, m.RequestID, iothub.MethodResponse{Status: 200, Payload: json.RawMessage("null")}) != nil {
						return nil // the link was lost
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", device.DeviceID, err)
			}
		})
	}
	return d
}

// createDevices creates n devices.
func createDevices(t *testing.T, h *harness.Hub, n int) []iothub.Device {
	t.Helper()
	client := h.Client(t)
	devices := make([]iothub.Device, n)
	var workers sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				id := fmt.Sprintf("door-%05d", i)
				identity, err := client.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: id})
				if err != nil {
					t.Error(err)
					return
				}
				key, err := iothub.ParseKey(identity.Authentication.SymmetricKey.PrimaryKey)
				if err != nil {
					t.Error(err)
					return
				}
				devices[i] = iothub.Device{HostName: client.HostName(), DeviceID: id, Key: key}
			}
		})
	}
	workers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return devices
}

// callAll calls a method on each of the first n devices.
func callAll(t *testing.T, h *harness.Hub, n int) {
	t.Helper()
	client := h.Client(t)
	var callers sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		callers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				id := fmt.Sprintf("door-%05d", i)
				m := iothub.MethodRequest{MethodName: "ping", ConnectTimeoutInSeconds: 60}
				if r, err := client.InvokeMethod(t.Context(), id, m); err != nil || r.Status != 200 {
					t.Errorf("%s: status %d, %v", id, r.Status, err)
				}
			}
		})
	}
	callers.Wait()
}

// take receives n elements from a channel within a time.
func take(t *testing.T, events <-chan struct{}, n int, within time.Duration, what string) {
	t.Helper()
	timeout := time.After(within)
	for i := range n {
		select {
		case <-events:
		case <-timeout:
			t.Fatalf("waited %s for %d %s, but saw %d", within, n, what, i)
		}
	}
}

// With 300 file descriptors and more strangers than that on both fronts, doors that share
// the strangers' address log in, and their owner can call them.
func TestStrangersDoNotLockOutDoors(t *testing.T) {
	// Not parallel: the other tests' strangers would take the doors' time.
	const within = 30 * time.Second
	h := harness.StartHub(t, limited(t, 300))
	devices := createDevices(t, h, 100)
	s := sendStrangers(t, h, 400)
	take(t, s.closed, 100, harness.Patience, "strangers to lose their connections")

	began := time.Now()
	d := openDoors(t, h, devices)
	take(t, d.connected, len(devices), within, "doors to log in")
	t.Logf("%d doors logged in within %v", len(devices), time.Since(began).Round(time.Millisecond))

	began = time.Now()
	callAll(t, h, len(devices))
	t.Logf("%d methods were answered within %v", len(devices), time.Since(began).Round(time.Millisecond))
}

// Many strangers take a bounded amount of memory, and all devices answer. The long form
// has 3,000 strangers and 10,000 devices.
func TestStrangersTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	count, crowd := number(t, "LATCHD_TEST_DEVICES", 50), number(t, "LATCHD_TEST_STRANGERS", 500)
	h := harness.StartHub(t, bin)
	d := openDoors(t, h, createDevices(t, h, count))
	take(t, d.connected, count, 5*time.Minute, "doors to log in")
	before := anonymous(t, h.Pid())

	s := sendStrangers(t, h, crowd)
	take(t, s.closed, crowd, 5*time.Minute, "strangers to lose their connections")
	callAll(t, h, count)

	// The hub has at most 2,048 strangers, with at most 55 KiB each. The rest is for the
	// garbage of handshakes and calls.
	after := anonymous(t, h.Pid())
	limit := before*3/2 + (55*min(crowd, 2048)+64<<10)*3/2
	t.Logf("%d devices take %d KiB; with %d strangers, they take %d KiB", count, before, crowd, after)
	if after > limit {
		t.Errorf("the hub has %d KiB, want at most %d KiB", after, limit)
	}
}

// anonymous returns the resident memory of a process that belongs to no file, in KiB.
func anonymous(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatalf("read RssAnon of the hub: %v", err)
	}
	return kib
}

// A flood of refused logins writes at most 1 MB of log. The log still shows which device
// the hub refused at another address, and who created and ran a job meanwhile.
func TestFloodWritesLittleLog(t *testing.T) {
	t.Parallel()
	const limit = 1_000_000
	seconds := number(t, "LATCHD_TEST_FLOOD_SECONDS", 2)
	h := harness.StartHub(t, bin)
	devices := createDevices(t, h, 1)

	flood, stop := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	defer stop()
	var threads sync.WaitGroup
	var refusals atomic.Int64
	for range 8 {
		threads.Go(func() {
			for i := 0; flood.Err() == nil; i++ {
				if err := refused(&net.Dialer{}, h, "x", userNames[i%len(userNames)]); err != nil {
					t.Errorf("flood: %v", err)
					return
				}
				refusals.Add(1)
			}
		})
	}
	job := iothub.Job{JobID: "in-the-flood", Type: iothub.ScheduleDeviceMethod, QueryCondition: "deviceId = '" + devices[0].DeviceID + "'",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor"}}
	if _, err := h.Client(t).CreateJob(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	threads.Wait()

	for _, record := range []string{"change by a service client", "job started", "job ended"} {
		h.ExpectFunc(t, "the record of the job: "+record, func(line string) (string, bool) {
			return "", strings.Contains(line, record) && strings.Contains(line, job.JobID)
		})
	}

	elsewhere := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	user := iothub.UserName{HostName: devices[0].HostName, DeviceID: devices[0].DeviceID}.String()
	if err := refused(elsewhere, h, devices[0].DeviceID, user); err != nil {
		t.Fatal(err)
	}
	h.ExpectFunc(t, "the refusal of a device at another address", func(line string) (string, bool) {
		return "", strings.Contains(line, "refused a device") && strings.Contains(line, devices[0].DeviceID)
	})

	size := len(h.Output())
	t.Logf("%d refusals wrote %d bytes of log", refusals.Load(), size)
	if size > limit {
		t.Errorf("the log has %d bytes, want at most %d", size, limit)
	}
}
