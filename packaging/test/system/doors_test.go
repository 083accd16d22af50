package system

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
)

// listedDoor is a door in the output of latchctl doors.
type listedDoor struct {
	DeviceID     string     `json:"deviceId"`
	State        string     `json:"state"`
	Safe         bool       `json:"safe"`
	Since        *time.Time `json:"since"`
	OfflineSince *time.Time `json:"offlineSince"`
	Position     string     `json:"position"`
	Door         string     `json:"door"`
}

// latchctl doors shows what real doors report, and what they were before they went offline.
func TestDoors(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	front := startDoor(t, h, "front", sensorKeys)
	startDoor(t, h, "side", sensorKeys)
	vault := startDoor(t, h, "vault", "held_open = \"1s\"\n"+sensorKeys)
	h.Ctl(t, "lock", "front").Want(t, 0)
	vault.Mock(t, "open")
	awaitListed(t, h, "held open", func(d map[string]listedDoor) bool { return d["vault"].State == "held open" && d["front"].Safe })

	// The door that is held open comes first.
	r := h.Ctl(t, "doors").Want(t, 0)
	lines := strings.Split(r.Stdout, "\n")
	if !strings.HasPrefix(lines[1], "vault") || lines[4] != "3 doors: 1 held open, 1 unlocked, 1 locked" {
		t.Errorf("latchctl doors prints:\n%s", r.Stdout)
	}

	// A door that was locked is not locked any more when it goes offline.
	front.Kill()
	doors := awaitListed(t, h, "offline", func(d map[string]listedDoor) bool { return d["front"].State == "offline" })
	if d := doors["front"]; d.Safe || d.Position != "locked" || d.Since == nil || d.OfflineSince == nil || time.Since(*d.OfflineSince) > harness.Patience {
		t.Errorf("front is %+v", d)
	}
	if d := doors["vault"]; d.Since == nil || d.Door != "open" {
		t.Errorf("vault is %+v", d)
	}
	if r := h.Ctl(t, "doors", "--where", "deviceId = 'front'").Want(t, 0); !strings.Contains(r.Stdout, "was locked") || !strings.Contains(r.Stdout, "offline since") {
		t.Errorf("latchctl doors prints:\n%s", r.Stdout)
	}
}

// latchctl events shows who unlocked a door and that a door was held open, from the moment at
// which it has connected.
func TestEvents(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	startDoor(t, h, "side", sensorKeys)
	front := startDoor(t, h, "front", "held_open = \"1s\"\n"+sensorKeys)
	h.Ctl(t, "lock", "front", "side").Want(t, 0)

	events := harness.Start(t, "latchctl events", h.Command("events", "--where", "deviceId = 'front'", "-o", "jsonl"))
	harness.Await(t, "latchctl to show an event", func() error {
		h.Ctl(t, "unlock", "front", "side", "--yes", "--reason", "delivery").Want(t, 0)
		if !strings.Contains(events.Output(), `"type":"unlocked"`) {
			return fmt.Errorf("latchctl events prints %s", events.Output())
		}
		return nil
	})
	front.Mock(t, "open")
	events.ExpectFunc(t, "an event heldOpen", func(line string) (string, bool) { return line, strings.Contains(line, `"type":"heldOpen"`) })

	text := events.Output()
	if strings.Contains(text, "side") {
		t.Errorf("latchctl shows events of a door that is not selected:\n%s", text)
	}
	for _, want := range []string{`"command":"unlockDoor","by":"`, `"reason":"delivery"`, `"type":"doorOpened"`} {
		if !strings.Contains(text, want) {
			t.Errorf("latchctl events does not print %s:\n%s", want, text)
		}
	}
	if code := events.Stop(t); code != 0 {
		t.Errorf("latchctl events exited with %d", code)
	}
}

// awaitListed waits until latchctl lists doors that are as wanted, and returns them.
func awaitListed(t *testing.T, h *harness.Hub, what string, wanted func(map[string]listedDoor) bool) map[string]listedDoor {
	t.Helper()
	var doors map[string]listedDoor
	harness.Await(t, "a door to be "+what, func() error {
		var list []listedDoor
		h.Ctl(t, "doors", "-o", "json").Want(t, 0).JSON(t, &list)
		doors = make(map[string]listedDoor)
		for _, d := range list {
			doors[d.DeviceID] = d
		}
		if !wanted(doors) {
			return fmt.Errorf("the doors are %+v", doors)
		}
		return nil
	})
	return doors
}
