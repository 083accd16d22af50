package console

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// A retry is for the doors that failed, and names the technician who retries. It calls
// neither the doors that succeeded, nor those that will act by themselves, nor deleted
// doors.
func TestRetry(t *testing.T) {
	t.Parallel()
	answer := func(id string, status int, payload string) iothub.DeviceJob {
		return iothub.DeviceJob{
			DeviceID: id, JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted,
			Outcome: &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: status, Payload: json.RawMessage(payload)}},
		}
	}
	unlock := &iothub.MethodRequest{MethodName: "unlockDoor", Payload: json.RawMessage(`{"by":"eve@bench","reason":"delivery"}`), ResponseTimeoutInSeconds: 20}
	rows := []iothub.DeviceJob{
		answer("a", 200, `{}`), answer("b", 500, `{}`), answer("c", 409, `{}`),
		answer("d", 202, `{"position":"unlocked","pending":"door"}`), answer("deleted", 500, `{}`),
	}

	for _, tt := range []struct {
		name, job, ids string
		status         int
		want           string // condition of the new job, or part of the error
	}{
		{"failed doors", "ended", `"b","c"`, 200, "deviceId IN ['b','c']"},
		{"in another order", "ended", `"c","b"`, 200, "deviceId IN ['b','c']"},
		{"one of them", "ended", `"b"`, 409, "nothing was sent: you confirmed 1 door, but the job failed on 2"},
		{"a door that succeeded", "ended", `"a","b"`, 409, "nothing was sent: the job failed on other doors than you confirmed"},
		{"no failed door", "good", `"a"`, 409, "nothing was sent: the job failed on no door"},
		{"a running job", "running", `"b","c"`, 409, "the job has not ended (running); wait for its end"},
		{"an unknown job", "none", `"b"`, 404, "JobNotFound"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			h.hub.set(func() {
				for id, status := range map[string]iothub.JobStatus{"ended": iothub.JobCompleted, "good": iothub.JobCompleted, "running": iothub.JobRunning} {
					h.hub.jobs[id] = iothub.Job{JobID: id, Type: iothub.ScheduleDeviceMethod, Status: status, CloudToDeviceMethod: unlock, QueryCondition: "*"}
				}
				h.hub.deviceJobs["ended"], h.hub.deviceJobs["good"] = rows, rows[:1]
			})

			res := h.request(t, "POST", "/api/jobs/"+tt.job+"/retry", `{"ids":[`+tt.ids+`]}`, h.own)
			text := body(t, res)
			if res.StatusCode != tt.status {
				t.Fatalf("status %d: %s", res.StatusCode, text)
			}
			if tt.status != 200 {
				if !strings.Contains(string(text), tt.want) || h.hub.count() != 3 {
					t.Errorf("answer %s, want %q; %d jobs", text, tt.want, h.hub.count())
				}
				return
			}

			created := decoded[createdJobs](t, text).Jobs
			if len(created) != 1 || created[0].Where != tt.want || created[0].What != "Unlock" {
				t.Fatalf("created %+v", created)
			}
			var method *iothub.MethodRequest
			h.hub.set(func() { method = h.hub.jobs[created[0].ID].CloudToDeviceMethod })
			if string(method.Payload) != `{"by":"ada@bench","reason":"delivery"}` || method.ResponseTimeoutInSeconds != 20 {
				t.Errorf("the job calls %+v with %s", method, method.Payload)
			}
		})
	}

	h := start(t)
	h.hub.set(func() {
		h.hub.jobs["ended"] = iothub.Job{JobID: "ended", Type: iothub.ScheduleDeviceMethod, Status: iothub.JobCompleted, CloudToDeviceMethod: unlock}
		h.hub.deviceJobs["ended"] = rows
	})
	if text := body(t, h.request(t, "GET", "/api/jobs/ended/failed", "", h.cookie)); string(text) != `{"ids":["b","c"]}` {
		t.Errorf("the failed doors are %s", text)
	}
	if res := h.request(t, "POST", "/api/jobs/ended/retry", `{"ids":["b","c"]}`, h.cookie); res.StatusCode != 403 {
		t.Errorf("a request from elsewhere: status %d, want 403", res.StatusCode)
	}
}
