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
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/transport/iothub"
)

// doored is a lock without hardware that has a door, too.
type doored struct {
	*mock.Driver
	door chan actuator.DoorReading
}

func (d doored) Door() <-chan actuator.DoorReading { return d.door }

// serveMock has an agent with a mock lock that stands at position serve the socket
// beside the configuration that is returned.
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
	driver.door <- actuator.DoorReading{Door: door, At: clock.Uptime()}
	set := actuator.Config{Mode: actuator.Hold, AtPowerOn: position, ConfirmTimeout: 200 * time.Millisecond}
	lock := actuator.New(set, driver, store, store.Get().Lock, clock, zap.NewNop())
	a := agent.New(agent.Config{Driver: "mock", Mode: set.Mode, Now: time.Now, Log: zap.NewNop()}, lock, store)
	listener, err := listenControl(c.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { lock.Run(ctx) })
	local := &control{agent: a, device: "door-1", linked: new(atomic.Bool), log: zap.NewNop()}
	all.Go(func() { local.serve(ctx, listener) })
	t.Cleanup(func() { stop(); all.Wait(); driver.Close(); store.Close() })
	for lock.Status().Position != position || lock.Status().Door != door {
		<-lock.Changed()
	}
	return file
}

// A self-test moves the lock away and back and says what was seen; it asks first,
// and moves nothing that could not come back.
func TestSelftest(t *testing.T) {
	for name, tc := range map[string]struct {
		fault    mock.Fault
		position actuator.Position
		door     actuator.DoorState
		yes      bool
		typed    string
		said     string // a pattern for all of it
		failed   string
		leaves   string
	}{
		"locked": {mock.None, "locked", actuator.DoorClosed, true, "",
			`The lock of door-1 is locked \(sensor\)\. It will be moved twice: unlockDoor, lockDoor\.
unlockDoor  ok: unlocked after \d+ ms, seen by the sensor
lockDoor    ok: locked after \d+ ms, seen by the sensor
`, "", "locked"},
		"unlocked": {mock.None, "unlocked", actuator.DoorClosed, true, "", `(?s).*: lockDoor, unlockDoor\.
lockDoor    ok: locked .*
unlockDoor  ok: unlocked .*`, "", "unlocked"},
		"agreed": {mock.None, "locked", actuator.DoorClosed, false, "yes\n",
			`(?s).*Type yes to move it: unlockDoor  ok: .*lockDoor    ok: .*`, "", "locked"},
		"declined": {mock.None, "locked", actuator.DoorClosed, false, "y\n",
			`(?s).*Type yes to move it: `, "nothing was moved; type yes, or give --yes", "locked"},
		"nobody there": {mock.None, "locked", actuator.DoorClosed, false, "",
			"(?s).*Type yes to move it: \n", "nothing was moved", "locked"},
		"open door": {mock.None, "locked", actuator.DoorOpen, true, "", ``, "the door is open; close it", "locked"},
		"jammed": {mock.Jam, "locked", actuator.DoorClosed, true, "", `.*\n`,
			"unlockDoor: 500 jammed: ", "jammed"},
	} {
		t.Run(name, func(t *testing.T) {
			file := serveMock(t, tc.fault, tc.position, tc.door)
			var said strings.Builder
			err := selftest(t.Context(), file, tc.yes, strings.NewReader(tc.typed), &said)
			if tc.failed == "" && err != nil || tc.failed != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.failed)) {
				t.Errorf("ends with %v, want %q", err, tc.failed)
			}
			if !regexp.MustCompile("^" + tc.said + "$").MatchString(said.String()) {
				t.Errorf("says\n%s\nwant\n%s", &said, tc.said)
			}
			status, err := askStatus(filepath.Join(filepath.Dir(file), "state"))
			if err != nil || textAt(status, "lock", "position") != tc.leaves {
				t.Errorf("leaves the lock %v (%v), want %s", textAt(status, "lock", "position"), err, tc.leaves)
			}
		})
	}
}

// Only what a technician needs can be asked for on the machine itself.
func TestControlTakesFewMethods(t *testing.T) {
	state := filepath.Join(filepath.Dir(serveMock(t, mock.None, "locked", actuator.DoorClosed)), "state")
	for _, m := range []string{"reboot", "ping", ""} {
		if answer, err := ask(state, iothub.MethodRequest{MethodName: m}); err != nil || answer.Status != http.StatusNotFound {
			t.Errorf("%q: %+v, %v", m, answer, err)
		}
	}
	answer, err := ask(state, iothub.MethodRequest{MethodName: "lockDoor", Payload: json.RawMessage(`{"because":1}`)})
	if err != nil || answer.Status != http.StatusBadRequest {
		t.Errorf("a bad payload: %+v, %v", answer, err)
	}
}
