package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// cancelled returns a context that is already cancelled.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	return ctx
}

// body returns the body of a response.
func body(t *testing.T, res *http.Response) json.RawMessage {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Each request creates the job in the table, or is refused with the error in the table.
func TestCreateJob(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		status     int
		want       string // method or patch of the job, or the error
	}{
		{"lock", `{"do":"lock","where":"*","ids":["c","b","a"],"reason":"closing time"}`, 200,
			`{"methodName":"lockDoor","payload":{"reason":"closing time","by":"ada@bench","whenClosed":true},"responseTimeoutInSeconds":15}`},
		{"lock without a reason", `{"do":"lock","where":"*","ids":["c","b","a"]}`, 200, `{"methodName":"lockDoor","payload":{"by":"ada@bench","whenClosed":true},"responseTimeoutInSeconds":15}`},
		{"unlock for a time", `{"do":"unlock","where":"*","ids":["c","b","a"],"forSeconds":30}`, 200,
			`{"methodName":"unlockDoor","payload":{"by":"ada@bench","forSeconds":30},"responseTimeoutInSeconds":15}`},
		{"change twins", `{"do":"twin","where":"*","ids":["c","b","a"],"desired":{"floor":3,"room":null},"tags":null}`, 200,
			`{"etag":"*","properties":{"desired":{"floor":3,"room":null}}}`},
		{"change tags", `{"do":"twin","where":"*","ids":["c","b","a"],"tags":{"n":9007199254740993}}`, 200, `{"etag":"*","tags":{"n":9007199254740993}}`},
		{"lock for a time", `{"do":"lock","where":"*","ids":["c","b","a"],"forSeconds":30}`, 400, `{"error":"only an unlock can have a time limit, of at least 1 second"}`},
		{"unlock for a negative time", `{"do":"unlock","where":"*","ids":["c","b","a"],"forSeconds":-1}`, 400, `{"error":"only an unlock can have a time limit, of at least 1 second"}`},
		{"change nothing", `{"do":"twin","where":"*","ids":["c","b","a"]}`, 400, `{"error":"nothing to change; give desired properties or tags"}`},
		{"change a property of the hub", `{"do":"twin","where":"*","ids":["c","b","a"],"desired":{"$version":1}}`, 400, `{"error":"$version is reserved for the hub; remove it"}`},
		{"unknown action", `{"do":"reboot","where":"*","ids":["c","b","a"]}`, 400, `{"error":"unknown action \"reboot\"; want lock, unlock or twin"}`},
		{"no door and no condition", `{"do":"lock","where":"","ids":[]}`, 409, `{"error":"nothing was sent: the hub now has no door"}`},
		{"a deleted door", `{"do":"lock","ids":["a","deleted"]}`, 409, `{"error":"nothing was sent: you confirmed 2 doors, but the hub now has 1; check the list and try again"}`},
		{"an invalid id", `{"do":"lock","ids":["a b"]}`, 400, `{"error":"the device id contains ' '; allowed are ASCII letters, digits, the semicolon and -.%_*?!(),:=@$'"}`},
		{"a start in the past", `{"do":"lock","where":"*","ids":["c","b","a"],"start":"2020-01-01T00:00:00Z"}`, 400,
			`{"error":"the start 2020-01-01T00:00:00Z is in the past; choose a later time"}`},
		{"a condition that the hub refuses", `{"do":"lock","where":"?","ids":["c","b","a"]}`, 400,
			`{"error":"the hub rejects the condition: line 1:1: what is this (ArgumentInvalid 400004)"}`},
		{"fewer doors than confirmed", `{"do":"unlock","where":"*","ids":["a","b","c","d"]}`, 409, `{"error":"nothing was sent: you confirmed 4 doors, but the condition now matches 3; check the list and try again"}`},
		{"more doors than confirmed", `{"do":"unlock","where":"*","ids":["a","b"]}`, 409, `{"error":"nothing was sent: you confirmed 2 doors, but the condition now matches 3; check the list and try again"}`},
		{"other doors than confirmed", `{"do":"unlock","where":"*","ids":["a","b","d"]}`, 409, `{"error":"nothing was sent: the condition now matches other doors than you confirmed; check the list and try again"}`},
		{"no door", `{"do":"lock","where":"none = 1","ids":[]}`, 409, `{"error":"nothing was sent: the condition now matches no door"}`},
		{"unknown field", `{"do":"lock","where":"*","ids":["c","b","a"],"id":"x"}`, 400, `{"error":"invalid request: json: unknown field \"id\""}`},
		{"not JSON", `lock`, 400, `{"error":"invalid request: invalid character 'l' looking for beginning of value"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			res := h.request(t, "POST", "/api/jobs", tt.body, h.own)
			text := body(t, res)
			if res.StatusCode != tt.status {
				t.Fatalf("status %d: %s", res.StatusCode, text)
			}

			var jobs []iothub.Job
			h.hub.set(func() {
				for _, j := range h.hub.jobs {
					jobs = append(jobs, j)
				}
			})

			if tt.status != 200 {
				if string(text) != tt.want || len(jobs) > 0 {
					t.Errorf("answer %s, want %s; %d jobs", text, tt.want, len(jobs))
				}
				return
			}
			if len(jobs) != 1 || jobs[0].QueryCondition != "*" || jobs[0].MaxExecutionTimeInSeconds != 3600 {
				t.Fatalf("jobs %+v", jobs)
			}

			got := string(jobs[0].UpdateTwin)
			if m := jobs[0].CloudToDeviceMethod; m != nil {
				method, _ := json.Marshal(m)
				got = string(method)
			}
			if got != tt.want {
				t.Errorf("job %s, want %s", got, tt.want)
			}
		})
	}
}

// A job names the selected doors. If their ids are too long for one job, the console
// creates several jobs.
func TestSelectedDoors(t *testing.T) {
	t.Parallel()
	named := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("d%0127d", i))
		}
		return ids
	}
	request := func(ids []string) string {
		text, _ := json.Marshal(map[string]any{"do": "unlock", "ids": ids})
		return string(text)
	}

	for _, tt := range []struct {
		name    string
		ids     []string
		maxJobs int // number of jobs that the hub accepts
		jobs    int
		status  int
		want    string // part of the error
	}{
		{"one job", []string{"a", "b"}, 100, 1, 200, ""},
		{"three jobs", named(150), 100, 3, 200, ""},
		{"the hub is full", named(150), 0, 0, 429, "nothing was sent: the hub has reached its limit on active jobs"},
		{"too many doors", named(2000), 100, 0, 400,
			"nothing was sent: 2000 doors are too many to name them one by one; select all doors that match a condition"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := start(t, func(hub *fakeHub, _ *Options) { hub.maxJobs = tt.maxJobs })
			res := h.request(t, "POST", "/api/jobs", request(tt.ids), h.own)
			text := body(t, res)
			answer := decoded[createdJobs](t, text)
			if res.StatusCode != tt.status || !strings.Contains(string(text), tt.want) || len(answer.Jobs) != tt.jobs || h.hub.count() != tt.jobs {
				t.Fatalf("status %d, %s; want %d, %d jobs, %q", res.StatusCode, text, tt.status, tt.jobs, tt.want)
			}

			var called []string
			for _, j := range answer.Jobs {
				called = append(called, h.hub.existing(j.Where)...)
			}
			if tt.status == 200 && !slices.Equal(called, tt.ids) {
				t.Errorf("the jobs call %d doors, want %d", len(called), len(tt.ids))
			}
		})
	}
}

// The hub accepts one job of three at first. The others wait, and follow when the hub
// accepts them, or the pages learn that they were not sent.
func TestJobsWaitForFullHub(t *testing.T) {
	t.Parallel()
	ids := make([]string, 150)
	for i := range ids {
		ids[i] = fmt.Sprintf("d%0127d", i)
	}
	text, _ := json.Marshal(map[string]any{"do": "lock", "ids": ids})

	for _, tt := range []struct {
		name    string
		refusal error // answer to the waiting jobs; nil accepts them
		jobs    int
		notice  string
	}{
		{"accepted later", nil, 3, ""},
		{"refused later", errors.New("the hub is closed"), 1, "2 jobs could not be created, so some of the doors get no command: the hub is closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := start(t, func(hub *fakeHub, _ *Options) { hub.maxJobs = 1 })
			page := h.openPage(t)

			res := h.request(t, "POST", "/api/jobs", string(text), h.own)
			if created := decoded[createdJobs](t, body(t, res)); res.StatusCode != 200 || len(created.Jobs) != 1 {
				t.Fatalf("status %d, created %+v", res.StatusCode, created)
			}
			const waiting = "2 of 3 jobs wait until the hub has ended others, for at most 10 min each"
			if notice := decoded[string](t, page.next("notice")); notice != waiting {
				t.Errorf("notice %q, want %q", notice, waiting)
			}
			if notice := decoded[string](t, h.openPage(t).next("notice")); notice != waiting {
				t.Errorf("a later page shows the notice %q, want %q", notice, waiting)
			}

			h.hub.set(func() { h.hub.maxJobs, h.hub.refusal = 3, tt.refusal })
			close(h.tick)
			if notice := decoded[string](t, page.next("notice")); notice != tt.notice || h.hub.count() != tt.jobs {
				t.Errorf("notice %q, %d jobs; want %q, %d", notice, h.hub.count(), tt.notice, tt.jobs)
			}
		})
	}
}

// A job can start later, and can be cancelled until then.
func TestScheduleAndCancel(t *testing.T) {
	t.Parallel()
	h := start(t)
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)

	res := h.request(t, "POST", "/api/jobs", `{"do":"lock","ids":["a"],"start":"`+later.Format(time.RFC3339)+`"}`, h.own)
	created := decoded[createdJobs](t, body(t, res))
	if len(created.Jobs) != 1 || created.Jobs[0].Status != iothub.JobScheduled || created.Jobs[0].Start == nil || !created.Jobs[0].Start.Equal(later) {
		t.Fatalf("created %+v", created)
	}
	id := created.Jobs[0].ID

	for _, tt := range []struct {
		name, id string
		status   iothub.JobStatus // status that the hub's job gets first; empty keeps it
		want     int
		answer   string // part of the answer
	}{
		{"unknown job", "none", "", 404, "JobNotFound"},
		{"invalid id", "a%20b", "", 400, "the job id contains ' '"},
		{"scheduled", id, "", 200, `"status":"cancelled"`},
		{"cancelled", id, "", 400, " has ended (cancelled) and cannot be cancelled"},
		{"started", id, iothub.JobRunning, 400, " has started (running), and IoT Hub cannot cancel a started job"},
	} {
		h.hub.set(func() {
			if j, ok := h.hub.jobs[tt.id]; ok && tt.status != "" {
				j.Status = tt.status
				h.hub.jobs[tt.id] = j
			}
		})
		res := h.request(t, "POST", "/api/jobs/"+tt.id+"/cancel", "{}", h.own)
		if text := string(body(t, res)); res.StatusCode != tt.want || !strings.Contains(text, tt.answer) {
			t.Errorf("%s: status %d, answer %s; want %d, %q", tt.name, res.StatusCode, text, tt.want, tt.answer)
		}
	}

	if res := h.request(t, "POST", "/api/jobs/"+id+"/cancel", "{}", h.cookie); res.StatusCode != 403 {
		t.Errorf("a request from elsewhere: status %d, want 403", res.StatusCode)
	}
}

// The console follows a job until its devices are judged. The hub counts a refused
// command and a pending lock as succeeded; the console does not.
func TestFollowJob(t *testing.T) {
	t.Parallel()
	h := start(t)
	page := h.openPage(t)

	res := h.request(t, "POST", "/api/jobs", `{"do":"lock","where":"*","ids":["c","b","a"]}`, h.own)
	c := decoded[createdJobs](t, body(t, res))
	if len(c.Jobs) != 1 || !strings.HasPrefix(c.Jobs[0].ID, "lock-") || c.Jobs[0].What != "Lock" || c.Jobs[0].Ended {
		t.Fatalf("created %+v", c)
	}
	id := c.Jobs[0].ID
	if j := decoded[job](t, page.next("job")); j.Status != iothub.JobQueued {
		t.Errorf("event %+v", j)
	}

	answer := func(status int) *iothub.DeviceJobOutcome {
		return &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: status}}
	}
	pending := answer(202)
	pending.DeviceMethodResponse.Payload = json.RawMessage(`{"position":"unlocked","pending":"door"}`)
	h.hub.set(func() {
		j := h.hub.jobs[id]
		j.Status, j.DeviceJobStatistics = iothub.JobCompleted, &iothub.JobStatistics{DeviceCount: 3, SucceededCount: 3}
		h.hub.jobs[id] = j
		h.hub.deviceJobs[id] = []iothub.DeviceJob{
			{DeviceID: "a", JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted, Outcome: answer(200)},
			{DeviceID: "b", JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted, Outcome: answer(500)},
			{DeviceID: "c", JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted, Outcome: pending}}
	})
	close(h.tick)

	last := decoded[job](t, page.next("job"))
	for !last.Ended {
		last = decoded[job](t, page.next("job"))
	}
	if last.Verdict == nil || *last.Verdict != (verdict{Devices: 3, Succeeded: 1, Pending: 1}) || last.Counts.Answered != 3 {
		t.Errorf("at the end %+v, verdict %+v", last, last.Verdict)
	}

	shown := body(t, h.request(t, "GET", "/api/jobs/"+id, "", h.cookie))
	if s := decoded[jobDetail](t, shown); s.Report.(map[string]any)["summary"].(map[string]any)["succeeded"] != 1.0 || !s.Job.Ended {
		t.Errorf("shown %s", shown)
	}
	list := decoded[[]job](t, body(t, h.request(t, "GET", "/api/jobs", "", h.cookie)))
	if len(list) != 1 || list[0].Verdict == nil || list[0].Verdict.Succeeded != 1 {
		t.Errorf("listed %+v", list)
	}

	// A page that is opened after the job has ended receives the job too.
	if j := decoded[job](t, h.openPage(t).next("job")); !j.Ended {
		t.Errorf("a later page receives %+v", j)
	}
}

// The feed keeps a limited number of ended jobs.
func TestOldJobsAreDropped(t *testing.T) {
	t.Parallel()
	f := newFeed()
	go f.run(t.Context())

	f.do(t.Context(), func(f *feed) {
		f.setJob(job{ID: "running"}, nil)
		for i := range 3 * maxEnded {
			f.setJob(job{ID: fmt.Sprint(i), Ended: true}, nil)
		}
		if len(f.jobs) != maxEnded+1 || f.jobs["running"] == nil || f.jobs[fmt.Sprint(3*maxEnded-1)] == nil {
			t.Errorf("the feed keeps %d jobs", len(f.jobs))
		}
	})
}

func TestErrorStatus(t *testing.T) {
	t.Parallel()
	h := start(t)

	for path, want := range map[string]int{
		"/api/door?id=a": 404, "/api/door?id=": 400, "/api/door?id=%3Cb%3E": 400, "/api/jobs/none": 404, "/api/jobs/a%20b": 400, "/api/select?where=": 400,
		"/api/select?where=?": 400, "/api/nothing": 404,
	} {
		if res := h.request(t, "GET", path, "", h.cookie); res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, want)
		}
	}

	if text := body(t, h.request(t, "GET", "/api/select?where=none+%3D+1", "", h.cookie)); string(text) != `{"ids":[]}` {
		t.Errorf("the answer without a device is %s", text)
	}
}
