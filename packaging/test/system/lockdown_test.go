package system

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// Keys of a door with a door sensor, and with an exit button that unlocks the door.
const (
	sensorKeys = `relock = "close"
settle = "200ms"
auto_relock = "30s"

[lock.door_sensor]
`
	exitKeys = `
[lock.exit]
action = "unlock"
`
)

// Lockdown reaches a door that was offline. The door reconnects, locks when it is closed,
// and refuses unlocks. The exit button works throughout, and the door locks again after
// each exit. A door without a way out refuses lockdown.
func TestLockdown(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	front := startDoor(t, h, "front", sensorKeys+exitKeys)
	yard := startDoor(t, h, "yard", sensorKeys+exitKeys)
	hall := startDoor(t, h, "hall", sensorKeys+exitKeys)
	vault := startDoor(t, h, "vault", sensorKeys)
	yard.Mock(t, "open")
	awaitDoor(t, h, "yard", "open", func(s doorState) bool { return s.Door.Open })
	hall.Stop(t)
	awaitDoor(t, h, "hall", "offline", func(s doorState) bool { return !s.connected })

	// One command reaches all doors. Each result is what the door itself acknowledges.
	r := h.Ctl(t, "lockdown", "on", "--where", "*", "--yes", "-o", "jsonl").Want(t, 3)
	results := make(map[string]deviceResult)
	for line := range strings.Lines(r.Stdout) {
		var d deviceResult
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		results[d.DeviceID] = d
	}
	for id, want := range map[string]deviceResult{
		"front": {"front", iothub.Succeeded, ""},
		"yard":  {"yard", iothub.Pending, "the door is open"},
		"hall":  {"hall", iothub.Pending, "is offline"},
		"vault": {"vault", iothub.Refused, "403: lockdown could trap people"},
	} {
		if got := results[id]; got.Result != want.Result || !strings.Contains(got.Reason, want.Reason) {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}

	checkLockdown(t, h, front)
	yard.Mock(t, "close")
	checkLockdown(t, h, yard)
	h.Ctl(t, "unlock", "vault").Want(t, 0) // vault is not in lockdown
	if code := vault.Stop(t); code != 0 {
		t.Errorf("vault's latchd exited with %d", code)
	}

	// The door that was offline is open when it connects: it locks as soon as it is closed.
	h.Stop(t)
	hall.Start(t)
	harness.Await(t, "hall's control socket", func() error { return hall.TryMock(t, "open") })
	h.Start(t)
	awaitDoor(t, h, "hall", "in lockdown, but not locked", func(s doorState) bool {
		return s.connected && s.Lockdown.Code == 202 && s.Lock.Pending
	})
	checkRefused(t, h, "hall")
	hall.Mock(t, "close")
	checkLockdown(t, h, hall)

	// The end of lockdown moves nothing, and unlocks work again.
	h.Ctl(t, "lockdown", "off", "front", "yard", "hall", "--yes").Want(t, 0)
	for _, id := range []string{"front", "yard", "hall"} {
		if s := stateOf(t, h, id); s.Lock.Position != "locked" || s.Lockdown.Code != 200 {
			t.Errorf("after lockdown, %s is %+v", id, s)
		}
	}
	h.Ctl(t, "unlock", "front", "yard", "hall", "--yes").Want(t, 0)
}

// A lock of an open door is pending: latchctl says what it waits for and exits with 3. The
// door locks by itself when it is closed.
func TestLockWaitsForTheDoor(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	front := startDoor(t, h, "front", sensorKeys+exitKeys)
	front.Mock(t, "open")
	awaitDoor(t, h, "front", "open", func(s doorState) bool { return s.Door.Open })

	r := h.Ctl(t, "lock", "front", "--reason", "closing time").Want(t, 3)
	if !strings.Contains(r.Stdout, "waits for the door") || !strings.Contains(r.Stdout, "0 failed, 1 pending") {
		t.Errorf("latchctl lock prints:\n%s", r.Stdout)
	}
	awaitDoor(t, h, "front", "pending", func(s doorState) bool { return s.Lock.Pending && s.Lock.Position == "unlocked" })

	front.Mock(t, "close")
	awaitDoor(t, h, "front", "secured", func(s doorState) bool { return s.Lock.Secured && !s.Lock.Pending })
	h.Ctl(t, "lock", "front").Want(t, 0)
}

// deviceResult is a line of latchctl -o jsonl.
type deviceResult struct {
	DeviceID string         `json:"deviceId"`
	Result   iothub.Outcome `json:"result"`
	Reason   string         `json:"reason"`
}

// startDoor starts a door whose bolt is unlocked, with more keys in its configuration.
func startDoor(t *testing.T, h *harness.Hub, id, keys string) *harness.Door {
	t.Helper()
	d := harness.NewDoor(t, h, h.CreateDevice(t, id), "")
	d.Configure(t, keys)
	d.Start(t)
	h.Invoke(t, id, "ping", nil)
	return d
}

// checkLockdown checks that a closed door in lockdown gets locked, refuses an unlock, and
// lets people out twice.
func checkLockdown(t *testing.T, h *harness.Hub, d *harness.Door) {
	t.Helper()
	locked := func(s doorState) bool { return s.Lock.Secured && s.Lock.Lockdown && s.Lockdown.Code == 200 }
	awaitDoor(t, h, d.ID, "locked by lockdown", locked)
	checkRefused(t, h, d.ID)

	for range 2 {
		d.Mock(t, "exit")
		awaitDoor(t, h, d.ID, "unlocked by the exit button", func(s doorState) bool { return s.Lock.Position == "unlocked" })
		d.Mock(t, "open")
		checkRefused(t, h, d.ID)
		d.Mock(t, "close")
		awaitDoor(t, h, d.ID, "locked after the exit", locked)
	}
}

// checkRefused checks that a door in lockdown refuses an unlock from the hub.
func checkRefused(t *testing.T, h *harness.Hub, id string) {
	t.Helper()
	r := h.Ctl(t, "unlock", id).Want(t, 3)
	if !strings.Contains(r.Stdout, "403 lockdown") || !strings.Contains(r.Stderr, "latchctl lockdown off") {
		t.Errorf("latchctl unlock %s prints:\n%s%s", id, r.Stdout, r.Stderr)
	}
}

// doorState is what a door reports.
type doorState struct {
	Lock struct {
		Position                   string
		Pending, Secured, Lockdown bool
	}
	Door     struct{ Open bool }
	Lockdown struct {
		Value bool
		Code  int `json:"ac"`
	}
	connected bool
}

func stateOf(t *testing.T, h *harness.Hub, id string) doorState {
	t.Helper()
	twin := h.Twin(t, id)
	text, err := json.Marshal(twin.Properties.Reported)
	if err != nil {
		t.Fatal(err)
	}

	s := doorState{connected: twin.ConnectionState == iothub.Connected}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%s reports %s: %v", id, text, err)
	}
	return s
}

// awaitDoor waits until a door has reported a state.
func awaitDoor(t *testing.T, h *harness.Hub, id, what string, reached func(doorState) bool) {
	t.Helper()
	harness.Await(t, id+" to be "+what, func() error {
		if s := stateOf(t, h, id); !reached(s) {
			return fmt.Errorf("it is %+v", s)
		}
		return nil
	})
}
