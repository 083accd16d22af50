package jobs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// lockWaiting returns a job that waits 20 s for each device that is offline.
func lockWaiting(id, condition string) iothub.Job {
	job := lock(id, condition)
	job.CloudToDeviceMethod.ConnectTimeoutInSeconds = 20
	return job
}

func TestJobWaitsForOfflineDevices(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		// The window has one place, so that a waiting device in it would stop the job.
		h := newHubWithWindow(t, 1, "back", "deleted", "gone", "online")
		defer h.close()
		for _, id := range []string{"back", "deleted", "gone"} {
			h.fleet.offline[id] = true
		}

		h.create(lockWaiting("job1", "*"))
		settle()
		want := iothub.JobStatistics{DeviceCount: 4, SucceededCount: 1, PendingCount: 3}
		if job := h.job("job1"); job.Status != iothub.JobRunning || *job.DeviceJobStatistics != want {
			t.Errorf("the job is %s %+v, want running %+v", job.Status, *job.DeviceJobStatistics, want)
		}
		if got := h.rowStatus("job1", "back"); got != iothub.DevicePending {
			t.Errorf("the stored row of an offline device is %s", got)
		}

		after(10 * time.Second)
		h.fleet.connect("back")
		settle() // no time passes
		if got := h.rowStatus("job1", "back"); got != iothub.DeviceCompleted {
			t.Errorf("as soon as the device has connected, its row is %s", got)
		}

		if err := h.store.DeleteDevice(t.Context(), "deleted", "*"); err != nil {
			t.Fatal(err)
		}
		after(9 * time.Second)
		if got := h.rowStatus("job1", "gone"); got != iothub.DevicePending {
			t.Errorf("after 19 s the row of an offline device is %s", got)
		}
		after(time.Second)

		rows := h.rows("job1")
		for id, want := range map[string]iothub.Outcome{
			"online": iothub.Succeeded, "back": iothub.Succeeded, "gone": iothub.Offline, "deleted": iothub.Gone,
		} {
			if v := rows[id].Judge(); v.Outcome != want {
				t.Errorf("device %s: %+v, want %s", id, v, want)
			}
		}
		want = iothub.JobStatistics{DeviceCount: 4, SucceededCount: 2, FailedCount: 2}
		if job := h.job("job1"); job.Status != iothub.JobCompleted || *job.DeviceJobStatistics != want {
			t.Errorf("the job ended as %s %+v, want %+v", job.Status, *job.DeviceJobStatistics, want)
		}
		h.fleet.connect("gone")
		settle()
		if n := h.fleet.callsOf("gone"); n != 0 {
			t.Errorf("the ended job called a device %d times", n)
		}
	})
}

// The maximum execution time of a job also ends its wait for devices.
func TestDeadlineWhileWaitingForADevice(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		h.fleet.offline["d1"] = true
		job := lockWaiting("job1", "*")
		job.MaxExecutionTimeInSeconds = 5
		h.create(job)
		after(5 * time.Second)
		row := h.rows("job1")["d1"]
		if got := h.job("job1").Status; got != iothub.JobCompleted || row.Error == nil || row.Error.Code != "MaxExecutionTimeExceeded" {
			t.Errorf("the job is %s, its row %+v", got, row)
		}
		h.fleet.connect("d1")
		settle()
		if n := h.fleet.callsOf("d1"); n != 0 {
			t.Errorf("the ended job called the device %d times", n)
		}
	})
}

func TestRestartWhileWaitingForADevice(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer func() { h.close() }()
		h.fleet.offline["d1"] = true
		h.create(lockWaiting("job1", "*"))
		after(15 * time.Second)
		h.restart()
		after(10 * time.Second)
		h.fleet.connect("d1")
		settle()
		if v := h.rows("job1")["d1"].Judge(); v.Outcome != iothub.Succeeded || h.fleet.callsOf("d1") != 1 {
			t.Errorf("the device: %+v after %d calls", v, h.fleet.callsOf("d1"))
		}
	})
}

// A device may disconnect after the job has found it online. It did not receive the call,
// so its row becomes pending again.
func TestDeviceDisconnectsBeforeItsCall(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "back", "gone")
		defer h.close()
		h.fleet.vanishing["back"], h.fleet.vanishing["gone"] = true, true
		h.create(lockWaiting("job1", "*"))
		settle()
		want := iothub.JobStatistics{DeviceCount: 2, PendingCount: 2}
		if job := h.job("job1"); *job.DeviceJobStatistics != want || h.rowStatus("job1", "back") != iothub.DevicePending {
			t.Errorf("the job is %+v, the row %s", *job.DeviceJobStatistics, h.rowStatus("job1", "back"))
		}
		after(5 * time.Second)
		h.fleet.connect("back")
		after(15 * time.Second)
		rows := h.rows("job1")
		if a, b := rows["back"].Judge().Outcome, rows["gone"].Judge().Outcome; a != iothub.Succeeded || b != iothub.Offline {
			t.Errorf("the devices: %s and %s", a, b)
		}
		if job := h.job("job1"); job.Status != iothub.JobCompleted || job.DeviceJobStatistics.SucceededCount != 1 || job.DeviceJobStatistics.FailedCount != 1 {
			t.Errorf("the job ended as %s %+v", job.Status, *job.DeviceJobStatistics)
		}
	})
}
