package jobs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// The ended jobs take a bounded number of bytes. The oldest go first, and jobs that have not
// ended stay, however old and large they are.
func TestEndedJobsAreBounded(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1", "d2")
		defer func() { h.close() }()
		h.stop()
		h.maxEnded = 100_000
		h.open()
		h.start()

		large := func(id string) iothub.Job {
			job := lock(id, "deviceId = 'd1'")
			job.CloudToDeviceMethod.Payload = json.RawMessage(`"` + strings.Repeat("x", 30_000) + `"`)
			return job
		}
		h.create(at(large("scheduled"), time.Now().Add(24*time.Hour)))
		h.fleet.silent["d2"] = true
		running := lock("running", "deviceId = 'd2'")
		running.MaxExecutionTimeInSeconds = 24 * 3600
		h.create(running)
		for i := range 10 {
			h.create(large(fmt.Sprint("job", i)))
			after(time.Minute)
		}

		h.restart() // a restart must not forget what the jobs take
		h.create(large("last"))
		after(time.Minute)
		var left []string
		for _, id := range []string{"scheduled", "running", "job0", "job1", "job2", "job3", "job4", "job5", "job6", "job7", "job8", "job9", "last"} {
			_, err := h.Job(t.Context(), id)
			if err == nil {
				left = append(left, id)
			} else if !errors.Is(err, &iothub.Error{Code: iothub.CodeJobNotFound}) {
				t.Error(err)
			}
		}
		if got := strings.Join(left, " "); got != "scheduled running job8 job9 last" {
			t.Errorf("the hub has the jobs %s", got)
		}
	})
}

// The last job stays, even if it alone exceeds the limit: its owner must be able to read the
// results.
func TestLastJobStays(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, ids(20)...)
		defer func() { h.close() }()
		h.stop()
		h.maxEnded = 1000
		h.open()
		h.start()

		h.create(lock("first", "*"))
		after(time.Minute)
		h.create(lock("last", "*"))
		after(time.Minute)
		if _, err := h.Job(t.Context(), "first"); !errors.Is(err, &iothub.Error{Code: iothub.CodeJobNotFound}) {
			t.Errorf("the first job: %v", err)
		}
		if rows := h.rows("last"); len(rows) != 20 {
			t.Errorf("the last job has %d rows, want 20", len(rows))
		}
	})
}
