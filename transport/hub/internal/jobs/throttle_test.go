package jobs_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// newThrottledHub starts a hub that simulates a tier of IoT Hub.
func newThrottledHub(t *testing.T, tier string, devices ...string) *hub {
	t.Helper()
	h := newHub(t, devices...)
	found, err := iothub.ParseTier(tier)
	if err != nil {
		t.Fatal(err)
	}
	h.throttle = throttle.New(found, 1, time.Now)
	h.restart()
	return h
}

// In tier S1, jobs process 10 devices per second. Method and twin jobs have the same
// limit.
func TestThrottledJobs(t *testing.T) {
	t.Parallel()

	for name, job := range map[string]func(id, condition string) iothub.Job{"methods": lock, "twins": setFloor} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newThrottledHub(t, "S1", ids(100)...)
				defer h.close()
				h.create(job("job1", "*"))
				settle()
				if n := h.job("job1").DeviceJobStatistics.SucceededCount; n != 10 {
					t.Errorf("in the first moment %d devices are done, want 10", n)
				}
				after(4*time.Second + 500*time.Millisecond)
				if n := h.job("job1").DeviceJobStatistics.SucceededCount; n < 54 || n > 55 {
					t.Errorf("after 4.5 s %d devices are done, want 55", n)
				}
				after(4 * time.Second)
				if got := h.job("job1"); got.Status != iothub.JobRunning {
					t.Errorf("after 8.5 s the job is %s", got.Status)
				}
				after(time.Second)
				if got := h.job("job1"); got.Status != iothub.JobCompleted || got.DeviceJobStatistics.SucceededCount != 100 {
					t.Errorf("after 9.5 s the job is %s, %+v", got.Status, got.DeviceJobStatistics)
				}
			})
		})
	}
}

// Two jobs share the tier's rate. If one job uses less than its share, the other can use
// the rest.
func TestThrottledJobsShareTheRate(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newThrottledHub(t, "S2", ids(40)...)
		defer h.close()
		h.create(lock("job1", "deviceId < 'd0020'"))
		h.create(lock("job2", "deviceId >= 'd0020'"))
		after(2*time.Second + 900*time.Millisecond)
		if a, b := h.job("job1").Status, h.job("job2").Status; a == iothub.JobCompleted && b == iothub.JobCompleted {
			t.Errorf("40 devices at 10 a second are done after 2.9 s")
		}
		after(500 * time.Millisecond)
		if a, b := h.job("job1").Status, h.job("job2").Status; a != iothub.JobCompleted || b != iothub.JobCompleted {
			t.Errorf("after 3.4 s the jobs are %s and %s", a, b)
		}
	})
}

func TestActiveJobs(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newThrottledHub(t, "S1", "d1")
		defer h.close()
		h.fleet.silent["d1"] = true
		refused := func(id string) {
			t.Helper()
			_, err := h.Create(t.Context(), lock(id, "*"))
			refusal, ok := errors.AsType[*iothub.Error](err)
			if !ok || refusal.Code != iothub.CodeTooManyJobs || refusal.Status != 429 {
				t.Errorf("a second active job: %v", err)
			}
		}
		soon := time.Now().Add(time.Minute)
		h.create(lock("now", "*"))
		// If an answer is lost, the client repeats its request. It must then learn that
		// its job exists.
		if _, err := h.Create(t.Context(), lock("now", "*")); !errors.Is(err, &iothub.Error{Code: iothub.CodeJobAlreadyExists}) {
			t.Errorf("create the active job again: %v", err)
		}
		refused("second") // before and after the start of the first job
		settle()
		refused("second")
		h.create(at(lock("later", "*"), soon)) // a scheduled job does not count as active
		after(time.Minute)
		refused("second")
		if got := h.job("later").Status; got != iothub.JobScheduled {
			t.Errorf("a job that is due while another is active is %s", got)
		}
		h.fleet.release("d1")
		after(time.Second)
		if a, b := h.job("now").Status, h.job("later").Status; a != iothub.JobCompleted || b != iothub.JobRunning {
			t.Errorf("after the first job has ended, the jobs are %s and %s", a, b)
		}
		h.fleet.release("d1")
		settle()
		h.create(lock("second", "*"))
		settle()
		h.fleet.release("d1")
		settle()
	})
}
