package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
)

// doored is a mock driver with a door sensor.
type doored struct {
	*mock.Driver
	door chan actuator.DoorReading
}

func (d doored) Door() <-chan actuator.DoorReading { return d.door }

// serveMock starts an agent with a mock lock, whose bolt is at position, and its control
// socket. It returns the path of its configuration file.
func serveMock(t *testing.T, fault mock.Fault, position actuator.Position, door actuator.DoorState) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "latchd.toml")
	text := strings.Replace(testConfig, "ENDPOINT", "localhost", 1) + "min_interval = \"0s\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Mkdir(c.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}

	store, err := agent.OpenStore(c.StateDir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}

	clock, err := actuator.SystemClock()
	if err != nil {
		t.Fatal(err)
	}

	driver := doored{mock.New(mock.Config{Fault: fault}, position), make(chan actuator.DoorReading, 1)}
	driver.door <- actuator.DoorReading{Door: door, Time: clock.Uptime()}
	set := actuator.Config{Mode: actuator.Hold, AtPowerOn: position, ConfirmTimeout: 200 * time.Millisecond}
	lock := actuator.New(set, driver, agent.Recorder{Store: store}, store.Get().Lock, clock, zap.NewNop())
	a := agent.New(agent.Config{Driver: "mock", Mode: set.Mode, Now: time.Now, Log: zap.NewNop()}, lock, store)
	listener, err := listenControl(stateSocket(c.StateDir))
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { lock.Run(ctx) })
	hub := &hubLink{device: new(deviceName)}
	hub.device.set("door-1")
	control := &controlServer{agent: a, hub: hub, problems: newProblems(zap.NewNop()), log: zap.NewNop()}
	all.Go(func() { control.serve(ctx, listener) })
	t.Cleanup(func() { stop(); all.Wait(); driver.Close(); store.Close() })
	for lock.Status().Position != position || lock.Status().Door != door {
		<-lock.Changed()
	}

	return file
}

// 'latchd selftest' asks for confirmation, moves the lock to its other position and back,
// and prints each result. It does not start while the door is open.
func TestSelftest(t *testing.T) {
	for name, tc := range map[string]struct {
		fault    mock.Fault
		position actuator.Position
		door     actuator.DoorState
		yes      bool
		typed    string
		output   string // regular expression for the whole output
		failed   string // beginning of the error; empty if the test succeeds
		leaves   string // final position
	}{
		"locked": {mock.None, "locked", actuator.DoorClosed, true, "",
			`The lock of door-1 is locked \(sensor\)\. The test will move it twice: unlockDoor, lockDoor\.
unlockDoor  ok: unlocked after \d+ ms, confirmed by the sensor
lockDoor    ok: locked after \d+ ms, confirmed by the sensor
`, "", "locked"},
		"unlocked": {mock.None, "unlocked", actuator.DoorClosed, true, "", `(?s).*: lockDoor, unlockDoor\.
lockDoor    ok: locked .*
unlockDoor  ok: unlocked .*`, "", "unlocked"},
		"confirmed": {mock.None, "locked", actuator.DoorClosed, false, "yes\n",
			`(?s).*Type yes to move it: unlockDoor  ok: .*lockDoor    ok: .*`, "", "locked"},
		"declined": {mock.None, "locked", actuator.DoorClosed, false, "y\n",
			`(?s).*Type yes to move it: `, "the lock was not moved; type yes, or give --yes", "locked"},
		"no input": {mock.None, "locked", actuator.DoorClosed, false, "",
			"(?s).*Type yes to move it: \n", "the lock was not moved", "locked"},
		"open door": {mock.None, "unlocked", actuator.DoorOpen, true, "", ``, "the door is open; close it", "unlocked"},
		"jammed": {mock.Jam, "locked", actuator.DoorClosed, true, "", `.*\n`,
			"unlockDoor: 500 jammed: ", "jammed"},
	} {
		t.Run(name, func(t *testing.T) {
			file := serveMock(t, tc.fault, tc.position, tc.door)
			var output strings.Builder
			err := selftest(t.Context(), file, tc.yes, strings.NewReader(tc.typed), &output)
			if tc.failed == "" && err != nil || tc.failed != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.failed)) {
				t.Errorf("err = %v, want %q", err, tc.failed)
			}
			if !regexp.MustCompile("^" + tc.output + "$").MatchString(output.String()) {
				t.Errorf("output\n%s\nwant\n%s", &output, tc.output)
			}

			status, err := askStatus(file)
			if err != nil || textAt(status, "lock", "position") != tc.leaves {
				t.Errorf("leaves the lock %v (%v), want %s", textAt(status, "lock", "position"), err, tc.leaves)
			}
		})
	}
}

// The control socket offers only the methods that a technician needs.
func TestControlOffersFewMethods(t *testing.T) {
	file := serveMock(t, mock.None, "locked", actuator.DoorClosed)
	for _, m := range []string{"reboot", "ping", ""} {
		if answer, err := ask(file, controlRequest{MethodName: m}); err != nil || answer.Status != http.StatusNotFound {
			t.Errorf("%q: %+v, %v", m, answer, err)
		}
	}
	answer, err := ask(file, controlRequest{MethodName: "unlockDoor", Payload: json.RawMessage(`{"because":1}`)})
	if err != nil || answer.Status != http.StatusBadRequest {
		t.Errorf("a bad payload: %+v, %v", answer, err)
	}
}
