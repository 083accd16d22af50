package jobs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

func TestRestartWhileScheduled(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		down   time.Duration // time for which the hub is down; the job should start after one hour and may run for one hour
		called int
	}{
		"back before the start":   {10 * time.Minute, 1},
		"back after the start":    {90 * time.Minute, 1},
		"back after the deadline": {150 * time.Minute, 0},
		"back at the deadline":    {120 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, "d1")
				h.create(at(lock("night", "*"), time.Now().Add(time.Hour)))
				h.stop()
				after(test.down)
				h.open()
				h.start()
				defer h.close()
				after(time.Hour)
				if job := h.job("night"); job.Status != iothub.JobCompleted || h.fleet.callsOf("d1") != test.called {
					t.Errorf("%s, d1 was called %d times, want %d", job.Status, h.fleet.callsOf("d1"), test.called)
				}
				if row := h.rows("night")["d1"]; (row.Error == nil) != (test.called == 1) {
					t.Errorf("the row: %+v", row)
				}
			})
		})
	}
}

func TestRestartBeforeTheStart(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		// The hub stops when it has stored the job but has not started it.
		h.stop()
		h.open()
		now := time.Now()
		job := at(lock("job1", "*"), now)
		job.CreatedTime, job.Status, job.MaxExecutionTimeInSeconds = &now, iothub.JobQueued, 3600
		if err := h.store.CreateJob(t.Context(), job, 0); err != nil {
			t.Fatal(err)
		}
		h.start()
		settle()
		if job := h.job("job1"); job.Status != iothub.JobCompleted || h.fleet.callsOf("d1") != 1 {
			t.Errorf("%s, calls %v", job.Status, h.fleet.all())
		}
	})
}

// A method without a payload reaches the device without a payload, and null reaches it
// as null, also after a restart.
func TestPayloadOfAStoredJob(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "none", "null", "object")
		defer func() { h.close() }()
		for id, payload := range map[string]string{"none": "", "null": "null", "object": `{"reason":"night"}`} {
			job := at(lock(id, "deviceId = '"+id+"'"), time.Now().Add(time.Hour))
			job.CloudToDeviceMethod.Payload = json.RawMessage(payload)
			h.create(job)
		}

		h.restart()
		after(time.Hour)
		want := map[string]string{"none": "", "null": "null", "object": `{"reason":"night"}`}
		if !maps.Equal(h.fleet.payloads, want) {
			t.Errorf("the devices received %q, want %q", h.fleet.payloads, want)
		}
	})
}

// TestStoredConditionAfterUpdate checks that a scheduled job runs although its condition
// would now be refused: earlier versions of the hub accepted longer conditions and
// keywords as names.
func TestStoredConditionAfterUpdate(t *testing.T) {
	t.Parallel()

	for name, condition := range map[string]string{
		"a long condition": "deviceId IN ['d1'" + strings.Repeat(", 'another-door'", 1000) + "]",
		"a keyword":        "deviceId = 'd1' AND NOT tags.group = 'x' OR deviceId = 'd1'",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, "d1")
				defer h.close()
				if _, err := h.Create(t.Context(), lock("new", condition)); !errors.Is(err, &iothub.Error{Code: iothub.CodeArgumentInvalid}) {
					t.Errorf("a new job with this condition gives %v", err)
				}

				h.stop()
				h.open()
				now := time.Now()
				job := at(lock("old", condition), now)
				job.CreatedTime, job.Status, job.MaxExecutionTimeInSeconds = &now, iothub.JobQueued, 3600
				if err := h.store.CreateJob(t.Context(), job, 0); err != nil {
					t.Fatal(err)
				}
				h.start()
				settle()
				if job := h.job("old"); job.Status != iothub.JobCompleted || h.fleet.callsOf("d1") != 1 {
					t.Errorf("%s (%s), calls %v", job.Status, job.FailureReason, h.fleet.all())
				}
			})
		})
	}
}

// A job that this version of the hub cannot read fails with the reason, when it is due or,
// if it was running, at the start of the hub.
func TestUnreadableJobFails(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		h.stop()
		h.open()
		now := time.Now()
		for id, start := range map[string]time.Time{"running": now, "scheduled": now.Add(time.Hour)} {
			job := at(lock(id, "*"), start)
			job.CreatedTime, job.Status, job.MaxExecutionTimeInSeconds = &now, iothub.JobScheduled, 3600
			job.CloudToDeviceMethod.MethodName = "a/b"
			if err := h.store.CreateJob(t.Context(), job, 0); err != nil {
				t.Fatal(err)
			}
		}
		h.startAndAdvance("running", store.JobRows{})

		h.start()
		if got := h.job("scheduled"); got.Status != iothub.JobScheduled {
			t.Errorf("before its start, the scheduled job is %s", got.Status)
		}
		after(time.Hour)
		for _, id := range []string{"running", "scheduled"} {
			job := h.job(id)
			if job.Status != iothub.JobFailed || !strings.Contains(job.FailureReason, "this version of the hub cannot read the job: cloudToDeviceMethod") {
				t.Errorf("the %s job is %s: %q", id, job.Status, job.FailureReason)
			}
		}
		if v := h.rows("running")["d1"].Judge(); v.Outcome != iothub.Uncertain || h.fleet.callsOf("d1") != 0 {
			t.Errorf("the device: %+v", v)
		}
	})
}

func TestRestartWhileRunning(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHubWithWindow(t, 2, "a", "b", "c", "d")
		defer func() { h.close() }()
		h.fleet.silent["b"] = true
		h.fleet.silent["c"] = true
		h.create(lock("job1", "*"))
		settle() // a has answered, b and c were called but have not answered, d was not called

		h.restart()
		settle()
		job := h.job("job1")
		want := iothub.JobStatistics{DeviceCount: 4, SucceededCount: 2, FailedCount: 2}
		if job.Status != iothub.JobCompleted || *job.DeviceJobStatistics != want {
			t.Errorf("%s %+v, want completed %+v", job.Status, *job.DeviceJobStatistics, want)
		}
		rows := h.rows("job1")
		for id, want := range map[string]iothub.Outcome{
			"a": iothub.Succeeded, "b": iothub.Uncertain, "c": iothub.Uncertain, "d": iothub.Succeeded,
		} {
			if v := rows[id].Judge(); v.Outcome != want || h.fleet.callsOf(id) != 1 {
				t.Errorf("device %s: %+v after %d calls, want %s after one", id, v, h.fleet.callsOf(id), want)
			}
		}
	})
}

func TestRestartAfterTheLastAnswer(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer func() { h.close() }()
		h.stop()
		h.open()
		// The hub stops when it has stored the last row but has not ended the job.
		now := time.Now()
		job := at(lock("job1", "*"), now)
		job.CreatedTime, job.Status, job.MaxExecutionTimeInSeconds = &now, iothub.JobQueued, 3600
		if err := h.store.CreateJob(t.Context(), job, 0); err != nil {
			t.Fatal(err)
		}

		h.startAndAdvance("job1", store.JobRows{Results: []store.JobResult{{DeviceID: "d1", Response: &iothub.MethodResponse{Status: 200}}}})

		h.start()
		settle()
		if job := h.job("job1"); job.Status != iothub.JobCompleted || job.DeviceJobStatistics.SucceededCount != 1 || h.fleet.callsOf("d1") != 0 {
			t.Errorf("%s %+v, calls %v", job.Status, *job.DeviceJobStatistics, h.fleet.all())
		}
	})
}

func TestTwinJobIsAppliedAgainAfterRestart(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1", "d2")
		defer func() { h.close() }()
		h.stop()
		h.open()
		now := time.Now()
		job := at(setFloor("job1", "*"), now)
		job.CreatedTime, job.Status, job.MaxExecutionTimeInSeconds = &now, iothub.JobQueued, 3600
		if err := h.store.CreateJob(t.Context(), job, 0); err != nil {
			t.Fatal(err)
		}

		h.startAndAdvance("job1", store.JobRows{Running: []string{"d1"}})

		h.start()
		settle()
		if job := h.job("job1"); job.Status != iothub.JobCompleted || job.DeviceJobStatistics.SucceededCount != 2 {
			t.Errorf("%s %+v", job.Status, *job.DeviceJobStatistics)
		}
	})
}

func TestDevicesHaveTimeToReconnectAfterRestart(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHubWithWindow(t, 1, "a", "back", "gone")
		defer func() { h.close() }()
		h.fleet.silent["a"] = true
		h.create(lock("job1", "*"))
		settle()

		h.fleet.offline["back"], h.fleet.offline["gone"] = true, true
		h.restart()
		after(10 * time.Second)
		if got := h.rowStatus("job1", "back"); got != iothub.DevicePending {
			t.Errorf("the row of a device that has not reconnected is %s", got)
		}
		h.fleet.connect("back")
		after(10 * time.Second)
		if job := h.job("job1"); job.Status != iothub.JobRunning {
			t.Errorf("the job is %s, but it should wait for offline devices", job.Status)
		}
		after(11 * time.Second)
		rows := h.rows("job1")
		for id, want := range map[string]iothub.Outcome{"a": iothub.Uncertain, "back": iothub.Succeeded, "gone": iothub.Offline} {
			if v := rows[id].Judge(); v.Outcome != want {
				t.Errorf("device %s: %+v, want %s", id, v, want)
			}
		}
		if job := h.job("job1"); job.Status != iothub.JobCompleted || h.fleet.callsOf("back") != 1 {
			t.Errorf("%s, calls %v", job.Status, h.fleet.all())
		}
	})
}

// TestRestartsAtRandom restarts the hub at random times during a job. At the end, each
// device must have exactly one row and at most one call. No stored answer may be lost.
func TestRestartsAtRandom(t *testing.T) {
	t.Parallel()

	const devices = 40
	for seed := range uint64(25) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				h := newHubWithWindow(t, 1+random.IntN(20), ids(devices)...)
				defer func() { h.close() }()
				for _, id := range ids(devices) {
					h.fleet.silent[id] = random.IntN(4) == 0
					h.fleet.offline[id] = random.IntN(8) == 0
				}
				job := at(lock("job1", "*"), time.Now().Add(time.Duration(random.IntN(3))*time.Second))
				job.MaxExecutionTimeInSeconds = 120
				h.create(job)

				answered := map[string]bool{}
				for range random.IntN(5) {
					time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
					if random.IntN(2) == 0 {
						settle() // without this, the restart interrupts the engine's work
					}
					for id, row := range h.rows("job1") {
						answered[id] = answered[id] || row.Outcome != nil
					}
					h.restart()
				}

				after(5 * time.Minute)
				if job := h.job("job1"); job.Status != iothub.JobCompleted {
					t.Fatalf("the job is %s", job.Status)
				}
				rows := h.rows("job1")
				if len(rows) != devices {
					t.Errorf("%d rows, want %d", len(rows), devices)
				}
				for id, row := range rows {
					switch v := row.Judge(); {
					case h.fleet.callsOf(id) > 1:
						t.Errorf("device %s was called %d times", id, h.fleet.callsOf(id))
					case v.Outcome == iothub.Unfinished:
						t.Errorf("device %s has not ended: %+v", id, row)
					case v.Outcome == iothub.Succeeded && h.fleet.callsOf(id) != 1:
						t.Errorf("device %s succeeded without a call", id)
					case v.Outcome == iothub.Offline && h.fleet.callsOf(id) > 0:
						t.Errorf("device %s was called, but its row says offline", id)
					case answered[id] && row.Outcome == nil:
						t.Errorf("the stored answer of device %s is lost: %+v", id, row)
					}
				}
			})
		})
	}
}

// A hub whose disk is full must start, serve and call no device twice. It resumes its jobs
// when the disk has room again.
func TestRestartWithAFullDisk(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		devices := ids(400)
		h := newHubWithWindow(t, 300, devices...)
		defer func() { h.close() }()
		for _, id := range devices {
			h.fleet.silent[id] = true
		}
		h.create(lock("job1", "*"))
		settle()
		called := h.fleet.all()
		if len(called) != 300 {
			t.Fatalf("%d devices were called before the restart, want 300", len(called))
		}

		h.stop()
		for _, id := range devices {
			h.fleet.silent[id] = false
		}
		h.open()
		if err := h.store.LimitSize(t.Context(), 1); err != nil { // SQLite raises the limit to the present size
			t.Fatal(err)
		}
		h.start()
		after(10 * time.Minute)
		if job := h.job("job1"); job.Status != iothub.JobRunning || len(h.fleet.all()) != 300 {
			t.Errorf("with a full disk, the job is %s and %d devices were called", job.Status, len(h.fleet.all()))
		}

		if err := h.store.LimitSize(t.Context(), 1<<30); err != nil {
			t.Fatal(err)
		}
		after(5 * time.Second)
		want := iothub.JobStatistics{DeviceCount: 400, SucceededCount: 100, FailedCount: 300}
		if job := h.job("job1"); job.Status != iothub.JobCompleted || *job.DeviceJobStatistics != want {
			t.Errorf("with room again, the job is %s %+v, want %+v", job.Status, *job.DeviceJobStatistics, want)
		}
		for id, n := range h.fleet.all() {
			if n != 1 {
				t.Errorf("%s was called %d times", id, n)
			}
		}
	})
}
