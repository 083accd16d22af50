package jobs_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// called returns the number of called devices whose ids begin with prefix.
func (h *hub) called(prefix string) (n int) {
	for id := range h.fleet.all() {
		if strings.HasPrefix(id, prefix) {
			n++
		}
	}
	return n
}

// silence makes all devices whose ids begin with prefix silent.
func (h *hub) silence(devices []string) {
	for _, id := range devices {
		h.fleet.silent[id] = true
	}
}

// prefixed returns n device ids that begin with prefix.
func prefixed(prefix string, n int) []string {
	list := ids(n)
	for i := range list {
		list[i] = prefix + list[i]
	}
	return list
}

// The devices of one job do not answer, and fill the window. The door of another job is
// called at once, because each job may always call some devices.
func TestSilentDevicesDoNotDelayAnotherJob(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		silent := prefixed("silent-", 300)
		h := newHubWithWindow(t, 100, append(silent, "door")...)
		defer h.close()
		h.silence(silent)
		h.create(lock("job1", "STARTS_WITH(deviceId, 'silent-')"))
		settle()
		if n := h.called("silent-"); n != 100 {
			t.Errorf("%d devices were called at once, want 100", n)
		}

		h.create(lock("job2", "deviceId = 'door'"))
		settle()
		if job := h.job("job2"); job.Status != iothub.JobCompleted || job.DeviceJobStatistics.SucceededCount != 1 {
			t.Errorf("the other job is %s %+v", job.Status, *job.DeviceJobStatistics)
		}
		after(time.Hour)
	})
}

// Within one job, devices that do not answer leave the window after 2 s.
func TestSilentDevicesDoNotDelayTheirOwnJob(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		silent := prefixed("a", 30)
		h := newHubWithWindow(t, 10, append(silent, "door")...)
		defer h.close()
		h.silence(silent)
		h.create(lock("job1", "*"))
		after(5 * time.Second)
		if n := h.fleet.callsOf("door"); n != 0 {
			t.Errorf("after 5 s the door was called %d times, but three windows of silent devices come first", n)
		}
		after(time.Second)
		if n := h.fleet.callsOf("door"); n != 1 {
			t.Errorf("after 6 s the door was called %d times", n)
		}
		after(time.Hour)
	})
}

// Two jobs share the window equally, however many devices the older one has called.
func TestJobsShareTheWindow(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		first, second := prefixed("a", 50), prefixed("b", 50)
		h := newHubWithWindow(t, 10, append(first, second...)...)
		defer h.close()
		h.silence(first)
		h.silence(second)
		h.create(lock("job1", "STARTS_WITH(deviceId, 'a')"))
		settle()
		h.create(lock("job2", "STARTS_WITH(deviceId, 'b')"))
		settle()
		if a, b := h.called("a"), h.called("b"); a != 10 || b != 0 {
			t.Errorf("%d and %d devices were called, want 10 and 0", a, b)
		}
		after(2 * time.Second)
		if a, b := h.called("a"), h.called("b"); a != 15 || b != 5 {
			t.Errorf("after 2 s, %d and %d devices were called, want 15 and 5", a, b)
		}
		after(time.Hour)
	})
}

// The hub remembers at most eight windows of calls that have not been answered.
func TestUnansweredCallsAreBounded(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		silent := ids(200)
		h := newHubWithWindow(t, 10, silent...)
		defer h.close()
		h.silence(silent)
		h.create(lock("job1", "*"))
		after(time.Minute)
		if n := h.called("d"); n != 80 {
			t.Errorf("after a minute %d devices were called, want 80", n)
		}
		h.fleet.release("d0000")
		settle()
		if n := h.called("d"); n != 81 {
			t.Errorf("after an answer %d devices were called, want 81", n)
		}
		after(time.Hour)
	})
}
