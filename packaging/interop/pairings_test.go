package interop

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// TestPairings pairs each device program (latchd, the official device SDK) with each
// service program (latchctl, the official service SDK). In every pairing, both jobs of
// Microsoft's tutorial must complete, and exactly one call must lock the door. The
// device and its twin must have the new values of the properties building and floor.
func TestPairings(t *testing.T) {
	t.Run("latchd and the official service", func(t *testing.T) {
		h := harness.StartHub(t, bin)
		harness.StartDoor(t, h, "d1", "")
		checkService(t, runService(t, h, "d1"), "d1")
		checkAcknowledged(t, h, "d1")
		checkLocked(t, h, "d1")
	})
	t.Run("latchd and latchctl", func(t *testing.T) {
		h := harness.StartHub(t, bin)
		harness.StartDoor(t, h, "d1", "")
		runCtlJobs(t, h, "d1")
		checkAcknowledged(t, h, "d1")
		checkLocked(t, h, "d1")
	})
	t.Run("official device and the official service", func(t *testing.T) {
		h := harness.StartHub(t, bin)
		device := startDevice(t, h, "d1")
		checkService(t, runService(t, h, "d1"), "d1")
		checkDevice(t, device)
	})
	t.Run("official device and latchctl", func(t *testing.T) {
		h := harness.StartHub(t, bin)
		device := startDevice(t, h, "d1")
		runCtlJobs(t, h, "d1")
		checkDevice(t, device)
	})
	t.Run("both kinds of device in one job", func(t *testing.T) {
		h := harness.StartHub(t, bin)
		device := startDevice(t, h, "d1")
		harness.StartDoor(t, h, "d2", "")
		checkService(t, runService(t, h, "d1", "d2"), "d1", "d2")
		checkDevice(t, device)
		checkLocked(t, h, "d2")
	})
}

// runCtlJobs runs the two jobs of Microsoft's tutorial with latchctl and checks their
// results.
func runCtlJobs(t *testing.T, h *harness.Hub, id string) {
	t.Helper()
	where := fmt.Sprintf("deviceId IN ['%s']", id)
	h.Ctl(t, "job", "schedule", "method", "lockDoor", "--where", where, "--id", "lock-1", "--watch").Want(t, 0)
	h.Ctl(t, "job", "schedule", "twin", "--desired", `{"building":"43","floor":3}`, "--where", where, "--id", "move-1", "--watch").Want(t, 0)
	for _, jobID := range []string{"lock-1", "move-1"} {
		var shown struct{ Job iothub.Job }
		h.Ctl(t, "-o", "json", "job", "show", jobID).Want(t, 0).JSON(t, &shown)
		if shown.Job.Status != iothub.JobCompleted {
			t.Errorf("job %s is %s, want completed", jobID, shown.Job.Status)
		}
		rows := h.Rows(t, jobID)
		if len(rows) != 1 || rows[id].Judge().Outcome != iothub.Succeeded {
			t.Errorf("job %s has the rows %+v", jobID, rows)
		}
	}
	checkDesired(t, h.Twin(t, id).Properties.Desired)
}

// checkService checks the output of service.js, which runs jobs on the devices.
func checkService(t *testing.T, r serviceResult, devices ...string) {
	t.Helper()
	for _, job := range []iothub.Job{r.Method, r.Twin} {
		s := job.DeviceJobStatistics
		if job.Status != iothub.JobCompleted || job.EndTime == nil || s == nil || s.DeviceCount != len(devices) || s.SucceededCount != len(devices) {
			t.Errorf("job %s: %s, statistics %+v; want completed and %d succeeded", job.JobID, job.Status, s, len(devices))
		}
	}
	for _, rows := range [][]iothub.DeviceJob{r.MethodRows, r.TwinRows} {
		if len(rows) != len(devices) {
			t.Errorf("%d rows, want %d: %+v", len(rows), len(devices), rows)
		}
		for _, row := range rows {
			if v := row.Judge(); v.Outcome != iothub.Succeeded {
				t.Errorf("%s: %+v", row.DeviceID, v)
			}
		}
	}
	for _, id := range devices {
		before, after := r.Before[id].Properties.Desired, r.After[id].Properties.Desired
		if _, there := before["building"]; there || after.Version() != before.Version()+1 {
			t.Errorf("%s: desired properties before %v, after %v; want a version that is higher by one", id, before, after)
		}
		checkDesired(t, after)
	}
}

func checkDesired(t *testing.T, desired iothub.Object) {
	t.Helper()
	if desired["building"] != "43" || desired["floor"] != json.Number("3") {
		t.Errorf("the desired properties are %v, want building 43 and floor 3", desired)
	}
}

// checkDevice checks that the official device received one method call and both
// properties.
func checkDevice(t *testing.T, device *harness.Process) {
	t.Helper()
	expectJSON(t, device, "desired", func(o iothub.Object) bool { return o["building"] == "43" && o["floor"] == json.Number("3") })
	// The device answers this command after it has printed all earlier events.
	device.Send(t, "twin")
	twin := expectJSON(t, device, "twin", func(iothub.Object) bool { return true })
	desired, _ := twin["desired"].(map[string]any)
	checkDesired(t, desired)
	if n := device.Count("Locking Door!"); n != 1 {
		t.Errorf("the door was locked %d times, want once", n)
	}
}

// checkAcknowledged waits until latchd has acknowledged the properties building and
// floor, in the form that IoT Plug and Play prescribes.
func checkAcknowledged(t *testing.T, h *harness.Hub, id string) {
	t.Helper()
	harness.Await(t, id+" to acknowledge building and floor", func() error {
		p := h.Twin(t, id).Properties
		for name, want := range map[string]any{"building": "43", "floor": json.Number("3")} {
			ack, _ := p.Reported[name].(map[string]any)
			if ack["value"] != want || ack["ac"] != json.Number("200") || ack["av"] != p.Desired["$version"] {
				return fmt.Errorf("%s is acknowledged by %v at version %v", name, ack, p.Desired["$version"])
			}
		}
		return nil
	})
}

// checkLocked waits until latchd has reported to its twin that the door is locked.
func checkLocked(t *testing.T, h *harness.Hub, id string) {
	t.Helper()
	harness.Await(t, id+" to report that it is locked", func() error {
		lock, _ := h.Twin(t, id).Properties.Reported["lock"].(map[string]any)
		if lock["position"] != "locked" || lock["driver"] != "mock" {
			return fmt.Errorf("the reported lock is %v", lock)
		}
		return nil
	})
}
