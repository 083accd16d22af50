package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// All doors of the job refused the command, but the hub counts them as succeeded. The
// console judges the newest jobs of the list and publishes the verdicts.
func TestJudgeListedJobs(t *testing.T) {
	t.Parallel()
	h := start(t)
	refused := iothub.DeviceJob{
		DeviceID: "a", JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted,
		Outcome: &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: 500}},
	}
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	h.hub.set(func() {
		for i := range maxJudged + 5 {
			id, created := fmt.Sprintf("job-%02d", i), begin.Add(-time.Duration(i)*time.Minute)
			h.hub.jobs[id] = iothub.Job{
				JobID: id, Type: iothub.ScheduleDeviceMethod, Status: iothub.JobCompleted, CreatedTime: &created,
				CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor"},
				DeviceJobStatistics: &iothub.JobStatistics{DeviceCount: 1, SucceededCount: 1},
			}
			h.hub.deviceJobs[id] = []iothub.DeviceJob{refused}
		}
	})

	page := h.openPage(t)
	list := func() []job { return decoded[[]job](t, body(t, h.request(t, "GET", "/api/jobs", "", h.cookie))) }
	for _, j := range list() {
		if j.Verdict != nil {
			t.Errorf("%s has the verdict %+v before the console has read its rows", j.ID, j.Verdict)
		}
	}

	close(h.tick)
	for i := range maxJudged {
		j := decoded[job](t, page.next("job"))
		if want := fmt.Sprintf("job-%02d", i); j.ID != want || j.Verdict == nil || *j.Verdict != (verdict{Devices: 1}) || j.Counts.Answered != 1 {
			t.Fatalf("event %d is %+v with verdict %+v, want that %s failed", i, j, j.Verdict, want)
		}
	}
	for i, j := range list() {
		if (j.Verdict != nil) != (i < maxJudged) {
			t.Errorf("job %d of the list has the verdict %+v", i, j.Verdict)
		}
	}

	// The console keeps no verdict on a job that the hub has deleted.
	h.hub.set(func() { clear(h.hub.jobs) })
	list()
	h.feed.do(t.Context(), func(f *feed) {
		if len(f.verdicts) > 0 {
			t.Errorf("the feed keeps %d verdicts", len(f.verdicts))
		}
	})
}
