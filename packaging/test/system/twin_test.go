package system

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// A desired number that the hub accepts but no twin can report is refused in its own
// acknowledgement. The rest of the twin stays true, also after a restart of latchd.
func TestNumberThatNoTwinCanReport(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	d := harness.StartDoor(t, h, "d1", "")
	version := h.UpdateDesired(t, "d1", `{"floor":4600000000000000.0,"room":"7"}`)

	awaitTwin := func(position string) {
		t.Helper()
		harness.Await(t, "the twin to say "+position, func() error {
			var reported struct {
				Floor, Room struct{ AC, AV int64 }
				Lock        struct{ Position string }
			}
			text, err := json.Marshal(h.Twin(t, "d1").Properties.Reported)
			if err == nil {
				err = json.Unmarshal(text, &reported)
			}
			r := reported
			if err == nil && (r.Floor.AC != 400 || r.Floor.AV != version || r.Room.AC != 200 || r.Lock.Position != position) {
				err = fmt.Errorf("the twin says %+v", reported)
			}
			return err
		})
	}

	awaitTwin("unlocked")
	h.Invoke(t, "d1", "lockDoor", nil)
	awaitTwin("locked")
	d.Kill()
	d.Start(t)
	awaitTwin("unlocked") // at_power_on
	h.Invoke(t, "d1", "lockDoor", nil)
	awaitTwin("locked")
}

// 'latchd status' and 'latchd check' give the reason of a refused login.
func TestStatusShowsARefusedLogin(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	h.CreateDevice(t, "d1")
	key, err := iothub.ParseKey(wrongKey)
	if err != nil {
		t.Fatal(err)
	}
	d := harness.NewDoor(t, h, iothub.Device{HostName: "localhost", DeviceID: "d1", Key: key}, "")
	d.Start(t)

	for _, command := range []string{"status", "check"} {
		harness.Await(t, "latchd "+command+" to give the reason", func() error {
			out := harness.Run(t, exec.Command(bin.Path("latchd"), command, "--config", d.Config))
			const reason = `it refused the login of device "d1" as not authorized; check the device id and the key`
			if !strings.Contains(out.Stdout, reason) {
				return fmt.Errorf("it prints\n%s%s", out.Stdout, out.Stderr)
			}
			return nil
		})
	}
}

// A door refuses a value that the hub has stored. The job must not count as a success.
func TestTwinJobIsRefused(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	harness.StartDoor(t, h, "front", "")
	h.CreateDevice(t, "cellar") // never connects

	args := []string{"job", "schedule", "twin", "--where", "deviceId IN ['front','cellar']", "--watch", "--desired"}
	r := h.Ctl(t, append(args, `{"floor":"three","room":"A"}`)...).Want(t, 3)
	if !strings.Contains(r.Stdout, "floor: 400: want a whole number") || !strings.Contains(r.Stdout, "is offline; it follows when it connects") {
		t.Errorf("latchctl prints:\n%s", r.Stdout)
	}
	r = h.Ctl(t, append(args, `{"floor":3,"room":null}`)...).Want(t, 0)
	if !strings.Contains(r.Stdout, "2 devices: 1 succeeded, 0 failed, 1 pending") {
		t.Errorf("latchctl prints:\n%s", r.Stdout)
	}
}
