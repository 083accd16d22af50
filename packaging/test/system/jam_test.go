package system

import (
	"fmt"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// One of three doors jams and reports the jam in its answer. The hub counts every
// answer as a success, but latchctl must not. latchctl must name the door and the
// reason, and its exit code must be 3.
func TestOneDoorJams(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	harness.StartDoor(t, h, "front", "")
	harness.StartDoor(t, h, "cellar", "jam")
	harness.StartDoor(t, h, "roof", "")

	const where = "deviceId IN ['front','cellar','roof']"
	r := h.Ctl(t, "job", "schedule", "method", "lockDoor", "--where", where, "--id", jobID, "--watch").Want(t, 3)
	checkNamed(t, r)
	job := awaitJob(t, h)
	if s := job.DeviceJobStatistics; job.Status != iothub.JobCompleted || s.SucceededCount != 3 || s.FailedCount != 0 {
		t.Errorf("the hub must count every answer as succeeded: want completed and 3 succeeded, got %s, %+v", job.Status, s)
	}
	rows := h.Rows(t, jobID)
	for id, want := range map[string]iothub.Outcome{"front": iothub.Succeeded, "cellar": iothub.Refused, "roof": iothub.Succeeded} {
		if got := rows[id].Judge(); got.Outcome != want {
			t.Errorf("%s: %+v, want %s", id, got, want)
		}
	}

	checkNamed(t, h.Ctl(t, "lock", "front", "cellar", "roof").Want(t, 3))
	h.Ctl(t, "lock", "front", "roof").Want(t, 0)
	checkNamed(t, h.Ctl(t, "method", "invoke", "cellar", "lockDoor").Want(t, 3))

	// The agent must also report the jam to its twin, after its answer.
	harness.Await(t, "the jam to be in the twin", func() error {
		lock, _ := h.Twin(t, "cellar").Properties.Reported["lock"].(map[string]any)
		if lock["position"] != "jammed" {
			return fmt.Errorf("the reported lock is %v", lock)
		}
		return nil
	})
}

// checkNamed checks that one line of latchctl's output names the failed door and the
// reason.
func checkNamed(t *testing.T, r harness.Result) {
	t.Helper()
	for _, line := range strings.Split(r.Stdout+r.Stderr, "\n") {
		if strings.Contains(line, "cellar") && strings.Contains(line, "jammed") {
			return
		}
	}
	t.Errorf("%s\nprints no line that says that cellar is jammed:\n%s\n%s", r.Command, r.Stdout, r.Stderr)
}
