package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/trust"
)

// testHub is an embedded hub with a client of its service API.
type testHub struct {
	*rest.Client
	args []string // flags with which latchsim connects to the hub
}

// startHub starts a hub with its data in a temporary directory. The hub is stopped at
// the end of the test.
func startHub(t *testing.T) *testHub {
	t.Helper()
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan hub.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- hub.Run(ctx, hub.Options{
			DataDir: dir, MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0",
			Ready: func(a hub.Addresses) { ready <- a },
		})
	}()
	var addresses hub.Addresses
	select {
	case addresses = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}

	hubFile := filepath.Join(dir, "service.connection-string")
	text, err := os.ReadFile(hubFile)
	if err != nil {
		t.Fatal(err)
	}
	service, err := iothub.ParseService(string(text))
	if err != nil {
		t.Fatal(err)
	}

	caFile := filepath.Join(dir, "ca.pem")
	roots, err := trust.ReadCAFile(caFile)
	if err != nil {
		t.Fatal(err)
	}

	client := rest.New(service, rest.Options{Endpoint: &url.URL{Scheme: "https", Host: addresses.HTTPS.String()}, RootCAs: trust.Pool(roots)})
	t.Cleanup(func() {
		client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the hub: %v", err)
		}
	})
	return &testHub{client, []string{"--hub-file", hubFile, "--ca-file", caFile,
		"--mqtt", addresses.MQTT.String(), "--endpoint", "https://" + addresses.HTTPS.String()}}
}

// startFleet runs latchsim. It returns the line that latchsim prints when the fleet is
// ready. It also returns a function that ends latchsim.
func (h *testHub) startFleet(t *testing.T, args ...string) (ready string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append(args, h.args...), in, io.Discard)
		in.CloseWithError(io.EOF)
		ended <- err
	}()

	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { stop() })

	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("no ready line: %v", stop())
	}
	return lines.Text(), stop
}

func TestFleet(t *testing.T) {
	h := startHub(t)
	// The hub already has one of the devices. latchsim cannot derive this device's
	// keys.
	if _, err := h.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "door-00002"}); err != nil {
		t.Fatal(err)
	}
	args := []string{"--devices", "12", "--prefix", "door-", "--jam", "20%", "--offline", "20%", "--tags", `{"building":"43"}`}
	o, err := parseOptions(append(args, h.args...))
	if err != nil {
		t.Fatal(err)
	}
	p := o.plan()
	if p.count(jam) == 0 || p.count(offline) == 0 || p.count(healthy) == 0 {
		t.Fatalf("the plan must have healthy, jammed and offline doors: %s", p)
	}

	ready, stop := h.startFleet(t, args...)
	if want := fmt.Sprintf("latchsim ready devices=12 connected=%d", 12-p.count(offline)); ready != want {
		t.Errorf("got %q, want %q", ready, want)
	}
	var calls sync.WaitGroup
	for _, d := range p.doors {
		calls.Go(func() { h.checkDoor(t, d) })
	}
	calls.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// A second run of latchsim must use the devices of the first run.
	ready, stop = h.startFleet(t, "--devices", "12", "--prefix", "door-")
	if want := "latchsim ready devices=12 connected=12"; ready != want {
		t.Errorf("second run: got %q, want %q", ready, want)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// checkDoor sends a lock command to one door. It checks that the result matches the
// door's fault.
func (h *testHub) checkDoor(t *testing.T, d door) {
	t.Helper()
	twin, err := h.Twin(t.Context(), d.id)
	if err != nil || twin.Tags["building"] != "43" {
		t.Errorf("%s: tags %v, %v", d.id, twin.Tags, err)
	}

	lock, _ := twin.Properties.Reported["lock"].(map[string]any)
	if reported := lock["position"] == "unlocked" && lock["driver"] == "mock"; reported == (d.fault == offline) {
		t.Errorf("%s %s: reported %v", d.id, d.fault, lock)
	}

	answer, err := h.InvokeMethod(t.Context(), d.id, iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 20})
	switch d.fault {
	case offline:
		if !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceNotOnline}) {
			t.Errorf("%s, which is offline: %+v, %v", d.id, answer, err)
		}
	case jam:
		if err != nil || answer.Status != 500 || !strings.Contains(string(answer.Payload), `"code":"jammed"`) {
			t.Errorf("%s, which jams: %+v, %v", d.id, answer, err)
		}
	default:
		if err != nil || answer.Status != 200 || !strings.Contains(string(answer.Payload), `"position":"locked","confirmed":true,"changed":true`) {
			t.Errorf("%s: %+v, %v", d.id, answer, err)
		}
	}
}

func TestLateDoorAnswers(t *testing.T) {
	h := startHub(t)
	h.startFleet(t, "--devices", "1", "--late", "100%")
	began := time.Now()
	answer, err := h.InvokeMethod(t.Context(), "sim-00001", iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 20})
	if err != nil || answer.Status != 200 {
		t.Fatalf("%+v, %v", answer, err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("the door answered after %s, want 2 s or more", took)
	}
}

func TestSourceAddresses(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(strings.Fields("--devices 3 --hub-file f --source-addresses 127.0.0.2,127.0.0.3"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	for i, want := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2"} {
		conn, err := o.dialer(i)(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got, _, _ := net.SplitHostPort(conn.LocalAddr().String()); got != want {
			t.Errorf("device %d connected from %s, want %s", i, got, want)
		}
	}
}

// latchsim must end on request even before the fleet has connected.
func TestEndBeforeReady(t *testing.T) {
	h := startHub(t)
	args := append([]string{"--devices", "3"}, h.args...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, args, io.Discard, io.Discard); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	good := file("good", "HostName=h;SharedAccessKeyName=owner;SharedAccessKey=c2VjcmV0")
	bad := file("bad", "HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0")

	for _, test := range []struct{ name, hub, ca, want string }{
		{"no hub file", filepath.Join(dir, "none"), "", "read the service connection string: open " + dir + "/none: no such file or directory"},
		{"a device's string", bad, "", bad + ": connection string: the name of part 2 is unknown; allowed: HostName, SharedAccessKeyName, SharedAccessKey"},
		{"no CA file", good, filepath.Join(dir, "none"), "CA file: open " + dir + "/none: no such file or directory"},
		{"a CA file without certificates", good, good, "CA file: " + good + " contains no certificate in PEM format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), []string{"--devices", "1", "--hub-file", test.hub, "--ca-file", test.ca}, io.Discard, io.Discard)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if code := exitCode(io.Discard, err); code != 1 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}
