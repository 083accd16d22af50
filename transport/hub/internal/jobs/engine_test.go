package jobs_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// settle waits until all goroutines in the synctest bubble wait for time to pass.
func settle() { synctest.Wait() }

// after advances the simulated time, and waits until everything that is due has
// happened.
func after(d time.Duration) {
	time.Sleep(d) // simulated time, so the test itself does not wait
	synctest.Wait()
}

func TestMethodJob(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "answers", "gone", "jams", "offline", "other")
		defer h.close()
		h.fleet.status["jams"] = 500
		h.fleet.offline["offline"], h.fleet.offline["gone"] = true, true
		h.fleet.check = func(id string) {
			if s := h.rowStatus("job1", id); s != iothub.DeviceRunning {
				t.Errorf("device %s is called while its stored row is %q", id, s)
			}
		}
		h.fleet.silent["answers"] = true
		job := h.create(lock("job1", "deviceId IN ['answers','gone','jams','offline']"))
		if job.Status != iothub.JobQueued {
			t.Errorf("a new job is %s, want queued", job.Status)
		}
		settle()
		if got := h.job("job1"); got.Status != iothub.JobRunning || got.DeviceJobStatistics.RunningCount != 1 || got.EndTime != nil {
			t.Errorf("before the last answer the job is %s %+v", got.Status, *got.DeviceJobStatistics)
		}
		h.fleet.release("answers")
		settle()

		job = h.job("job1")
		want := iothub.JobStatistics{DeviceCount: 4, SucceededCount: 2, FailedCount: 2}
		if job.Status != iothub.JobCompleted || *job.DeviceJobStatistics != want || job.EndTime == nil {
			t.Errorf("the job ended as %s %+v at %v, want completed %+v", job.Status, *job.DeviceJobStatistics, job.EndTime, want)
		}
		rows := h.rows("job1")
		if len(rows) != 4 {
			t.Fatalf("%d rows, want 4: %v", len(rows), rows)
		}
		for id, want := range map[string]iothub.Verdict{
			"answers": {Outcome: iothub.Succeeded},
			"jams":    {Outcome: iothub.Refused, Reason: "status 500"},
			"offline": {Outcome: iothub.Offline, Reason: "device offline is not connected"},
		} {
			if got := rows[id].Judge(); got != want {
				t.Errorf("device %s: %+v, want %+v", id, got, want)
			}
		}
		row := rows["answers"]
		if row.StartTimeUTC == nil || row.EndTimeUTC == nil || string(row.Outcome.DeviceMethodResponse.Payload) != `{"method":"lockDoor"}` {
			t.Errorf("the row of a device that answered: %+v", row)
		}
	})
}

func TestTwinJob(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1", "d2")
		defer h.close()
		h.fleet.offline["d2"] = true // the twin of an offline device is updated too
		h.create(setFloor("job1", "*"))
		h.create(iothub.Job{JobID: "job2", Type: iothub.ScheduleUpdateTwin, QueryCondition: "deviceId = 'd1'",
			UpdateTwin: json.RawMessage(`{"tags":{"building":"43"}}`)})
		settle()
		for _, id := range []string{"job1", "job2"} {
			if job := h.job(id); job.Status != iothub.JobCompleted || job.DeviceJobStatistics.SucceededCount != job.DeviceJobStatistics.DeviceCount {
				t.Errorf("%s ended as %s %+v", id, job.Status, *job.DeviceJobStatistics)
			}
		}
		twin, err := h.store.Twin(t.Context(), "d1")
		if err != nil {
			t.Fatal(err)
		}
		if twin.Properties.Desired["floor"] != json.Number("3") || twin.Tags["building"] != "43" {
			t.Errorf("twin of d1: tags %v, desired %v", twin.Tags, twin.Properties.Desired)
		}
		for _, id := range []string{"d1", "d2"} {
			if sent := h.fleet.desired[id]; len(sent) != 1 || sent[0].Version() != 2 {
				t.Errorf("sent to %s: %v, want one change of the desired properties", id, sent)
			}
		}
	})
}

func TestJobWithoutDevices(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		h.create(lock("none", "tags.building = '99'"))
		settle()
		job := h.job("none")
		if job.Status != iothub.JobCompleted || job.DeviceJobStatistics.DeviceCount != 0 || !strings.Contains(job.StatusMessage, "no device") {
			t.Errorf("got %s %q %+v", job.Status, job.StatusMessage, *job.DeviceJobStatistics)
		}
	})
}

func TestScheduledJobStartsAtItsTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1", "late")
		defer h.close()
		start := time.Now().Add(3 * time.Hour)
		if job := h.create(at(lock("night", "*"), start)); job.Status != iothub.JobScheduled || !job.StartTime.Equal(start) {
			t.Errorf("got %s, start %v", job.Status, job.StartTime)
		}
		// A job selects its devices when it starts, not when it is created.
		if _, err := h.store.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "later"}); err != nil {
			t.Fatal(err)
		}
		after(3*time.Hour - time.Second)
		if job := h.job("night"); job.Status != iothub.JobScheduled || len(h.fleet.all()) > 0 {
			t.Fatalf("a second before its start: %s, calls %v", job.Status, h.fleet.all())
		}
		after(time.Second)
		if job := h.job("night"); job.Status != iothub.JobCompleted || len(h.fleet.all()) != 3 {
			t.Errorf("at its start: %s, calls %v", job.Status, h.fleet.all())
		}
	})
}

func TestDevicesAreFixedAtTheStart(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1", "d2")
		defer h.close()
		h.fleet.silent["d1"] = true
		h.create(lock("job1", "*"))
		settle()
		if _, err := h.store.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "d3"}); err != nil {
			t.Fatal(err)
		}
		h.fleet.release("d1")
		settle()
		if n := len(h.rows("job1")); n != 2 || h.fleet.callsOf("d3") != 0 {
			t.Errorf("%d rows, calls %v", n, h.fleet.all())
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		h.fleet.silent["d1"] = true
		refused := func(id string, code iothub.Code, text string) {
			t.Helper()
			_, err := h.Cancel(t.Context(), id)
			e, ok := errors.AsType[*iothub.Error](err)
			if !ok || e.Code != code || !strings.Contains(e.Message, text) {
				t.Errorf("cancel %s: %v, want %s %q", id, err, code, text)
			}
		}
		h.create(at(lock("scheduled", "*"), time.Now().Add(time.Hour)))
		job, err := h.Cancel(t.Context(), "scheduled")
		if err != nil || job.Status != iothub.JobCancelled || job.EndTime == nil {
			t.Fatalf("got %+v, %v", job, err)
		}
		refused("scheduled", iothub.CodeInvalidOperation, "already ended (cancelled)")
		refused("nobody", iothub.CodeJobNotFound, "does not exist")

		h.create(lock("running", "*"))
		settle()
		refused("running", iothub.CodeInvalidOperation, "Job cannot be cancelled in 'Running' status")
		h.fleet.release("d1")
		settle()
		refused("running", iothub.CodeInvalidOperation, "already ended (completed)")

		after(2 * time.Hour)
		if h.fleet.callsOf("d1") != 1 {
			t.Errorf("a cancelled job called the device: %v", h.fleet.all())
		}
	})
}

func TestMaximumExecutionTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "a", "b", "c")
		defer h.close()
		h.fleet.silent["a"], h.fleet.silent["b"], h.fleet.silent["c"] = true, true, true
		job := lock("job1", "*")
		job.MaxExecutionTimeInSeconds = 60
		h.create(job)
		after(59 * time.Second)
		h.fleet.release("a")
		settle()
		after(time.Second)
		got := h.job("job1")
		want := iothub.JobStatistics{DeviceCount: 3, SucceededCount: 1, FailedCount: 2}
		if got.Status != iothub.JobCompleted || *got.DeviceJobStatistics != want || !strings.Contains(got.StatusMessage, "maximum execution time") {
			t.Errorf("got %s %+v %q", got.Status, *got.DeviceJobStatistics, got.StatusMessage)
		}
		h.fleet.release("b") // this answer is too late
		settle()
		rows := h.rows("job1")
		for id, want := range map[string]iothub.Outcome{"a": iothub.Succeeded, "b": iothub.Uncertain, "c": iothub.Uncertain} {
			if v := rows[id].Judge(); v.Outcome != want {
				t.Errorf("device %s: %+v, want %s", id, v, want)
			}
		}
	})
}

func TestMaximumExecutionTimeBeforeTheCall(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		// With a window of 1, a job waits while 8 devices do not answer.
		silent := []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"}
		h := newHubWithWindow(t, 1, append(silent, "b")...)
		defer h.close()
		for _, id := range silent {
			h.fleet.silent[id] = true
		}
		h.create(lock("job1", "*"))
		after(time.Hour)
		rows := h.rows("job1")
		if v := rows["b"]; v.Error == nil || v.Error.Code != "MaxExecutionTimeExceeded" || h.fleet.callsOf("b") != 0 {
			t.Errorf("device b: %+v, called %d times", v.Error, h.fleet.callsOf("b"))
		}
		// The calls that have expired no longer count.
		h.create(lock("job2", "deviceId = 'b'"))
		settle()
		if v := h.rows("job2")["b"].Judge(); v.Outcome != iothub.Succeeded {
			t.Errorf("the next job: %+v", v)
		}
	})
}

func TestWindowBoundsCalls(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHubWithWindow(t, 7, ids(100)...)
		defer h.close()
		h.create(lock("job1", "*"))
		h.create(lock("job2", "*"))
		settle()
		for _, id := range []string{"job1", "job2"} {
			if n := h.job(id).DeviceJobStatistics.SucceededCount; n != 100 {
				t.Errorf("%s: %d of 100 devices", id, n)
			}
		}
		if h.fleet.maxInFlight > 7 {
			t.Errorf("%d calls were in flight, want at most 7", h.fleet.maxInFlight)
		}
	})
}

func TestDeletedDeviceFailsAsNotFound(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		// Only one concurrent call is allowed, so d2 is called after d1 has answered.
		h := newHubWithWindow(t, 1, "d1", "d2")
		defer h.close()
		h.fleet.silent["d1"], h.fleet.offline["d2"] = true, true
		h.create(lock("job1", "*"))
		settle()
		if err := h.store.DeleteDevice(t.Context(), "d2", "*"); err != nil {
			t.Fatal(err)
		}
		h.fleet.release("d1")
		settle()
		if v := h.rows("job1")["d2"].Judge(); v.Outcome != iothub.Gone {
			t.Errorf("got %+v, want %s", v, iothub.Gone)
		}
		h.create(setFloor("job2", "*"))
		settle()
		if n := len(h.rows("job2")); n != 1 {
			t.Errorf("a later job has %d rows, want 1 (d1)", n)
		}
	})
}

func TestRefusedJobs(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		h.create(at(lock("taken", "*"), time.Now().Add(time.Hour)))
		for name, test := range map[string]struct {
			change func(*iothub.Job)
			code   iothub.Code
			text   string
		}{
			"id in use":      {func(j *iothub.Job) { j.JobID = "taken" }, iothub.CodeJobAlreadyExists, "job taken already exists"},
			"bad id":         {func(j *iothub.Job) { j.JobID = "a b" }, iothub.CodeArgumentInvalid, "the job id contains ' '"},
			"no type":        {func(j *iothub.Job) { j.Type = "" }, iothub.CodeArgumentInvalid, "type is"},
			"unknown type":   {func(j *iothub.Job) { j.Type = "rebootDevice" }, iothub.CodeArgumentInvalid, `type is "rebootDevice"`},
			"no condition":   {func(j *iothub.Job) { j.QueryCondition = " " }, iothub.CodeArgumentInvalid, "use '*' to select every device"},
			"bad condition":  {func(j *iothub.Job) { j.QueryCondition = "deviceId = " }, iothub.CodeArgumentInvalid, "queryCondition, line 1:"},
			"a whole SELECT": {func(j *iothub.Job) { j.QueryCondition = "SELECT * FROM devices" }, iothub.CodeArgumentInvalid, "line 1:1:"},
			"no method":      {func(j *iothub.Job) { j.CloudToDeviceMethod = nil }, iothub.CodeArgumentInvalid, "cloudToDeviceMethod is missing"},
			"short timeout":  {func(j *iothub.Job) { j.CloudToDeviceMethod.ResponseTimeoutInSeconds = 1 }, iothub.CodeArgumentInvalid, "the response timeout is 1 s"},
			"deep payload": {func(j *iothub.Job) {
				j.CloudToDeviceMethod.Payload = json.RawMessage(strings.Repeat("[", 49) + strings.Repeat("]", 49))
			}, iothub.CodeArgumentInvalid, "nested more than 48 levels"},
			"negative time":     {func(j *iothub.Job) { j.MaxExecutionTimeInSeconds = -1 }, iothub.CodeArgumentInvalid, "maxExecutionTimeInSeconds is -1"},
			"empty patch":       {func(j *iothub.Job) { *j = setFloor("j", "*"); j.UpdateTwin = json.RawMessage(`{"etag":"*"}`) }, iothub.CodeArgumentInvalid, "neither tags nor desired"},
			"patch is an array": {func(j *iothub.Job) { *j = setFloor("j", "*"); j.UpdateTwin = json.RawMessage(`[]`) }, iothub.CodeArgumentInvalid, "updateTwin"},
			"null in an array": {func(j *iothub.Job) {
				*j = setFloor("j", "*")
				j.UpdateTwin = json.RawMessage(`{"tags":{"a":[null]}}`)
			}, iothub.CodeArgumentInvalid, "tags.a[0] is null"},
			"no patch": {func(j *iothub.Job) { *j = setFloor("j", "*"); j.UpdateTwin = nil }, iothub.CodeArgumentInvalid, "updateTwin: the patch is missing"},
		} {
			job := lock("new", "*")
			test.change(&job)
			_, err := h.Create(t.Context(), job)
			e, ok := errors.AsType[*iothub.Error](err)
			if !ok || e.Code != test.code || !strings.Contains(e.Message, test.text) {
				t.Errorf("%s: got %v, want %s %q", name, err, test.code, test.text)
			}
		}
		settle()
		all, _, err := h.Jobs(t.Context(), store.JobFilter{}, 10, "")
		if err != nil || len(all) != 1 || len(h.fleet.all()) > 0 {
			t.Errorf("refused jobs were stored or called devices: %v, calls %v, %v", all, h.fleet.all(), err)
		}
	})
}

func TestListOfJobs(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		h.create(lock("m1", "*"))
		h.create(setFloor("t1", "*"))
		h.create(at(lock("m2", "*"), time.Now().Add(time.Hour)))
		settle()
		for _, test := range []struct {
			filter store.JobFilter
			want   string
		}{
			{store.JobFilter{}, "m2 t1 m1"},
			{store.JobFilter{Type: iothub.ScheduleDeviceMethod}, "m2 m1"},
			{store.JobFilter{Status: iothub.JobScheduled}, "m2"},
			{store.JobFilter{Status: iothub.JobCompleted, Type: iothub.ScheduleUpdateTwin}, "t1"},
			{store.JobFilter{Status: iothub.JobFailed}, ""},
		} {
			var got []string
			for next := ""; ; {
				page, n, err := h.Jobs(t.Context(), test.filter, 1, next)
				if err != nil {
					t.Fatal(err)
				}
				for _, job := range page {
					got = append(got, job.JobID)
					if job.DeviceJobStatistics == nil {
						t.Errorf("job %s has no statistics", job.JobID)
					}
				}
				if next = n; next == "" {
					break
				}
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("%+v: %q, want %q", test.filter, s, test.want)
			}
		}

		_, token, err := h.Jobs(t.Context(), store.JobFilter{}, 1, "")
		if err != nil || token == "" {
			t.Fatalf("the token of the first page is %q (%v)", token, err)
		}
		for name, list := range map[string]struct {
			filter store.JobFilter
			token  string
		}{
			"an invalid token":          {store.JobFilter{}, "bm8="},
			"an unsigned token":         {store.JobFilter{}, base64.URLEncoding.EncodeToString([]byte("jobs:2"))},
			"a token of another list":   {store.JobFilter{Status: iothub.JobCompleted}, token},
			"a token that was cut":      {store.JobFilter{}, token[:len(token)-4]},
			"a token of another length": {store.JobFilter{}, token + "AAAA"},
		} {
			if _, _, err := h.Jobs(t.Context(), list.filter, 1, list.token); !errors.Is(err, &iothub.Error{Code: iothub.CodeArgumentInvalid}) {
				t.Errorf("%s gives %v", name, err)
			}
		}
	})
}

func TestOldJobsAreRemoved(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "d1")
		defer h.close()
		h.create(lock("old1", "*"))
		h.create(lock("old2", "*"))
		after(29 * 24 * time.Hour)
		h.create(lock("young", "*"))
		settle()
		h.job("old1")
		after(2*24*time.Hour + time.Hour)
		for _, id := range []string{"old1", "old2"} {
			if _, err := h.Job(t.Context(), id); !errors.Is(err, &iothub.Error{Code: iothub.CodeJobNotFound}) {
				t.Errorf("after 31 days %s gives %v", id, err)
			}
			if rows := h.rows(id); len(rows) != 0 {
				t.Errorf("rows of %s were not removed: %v", id, rows)
			}
		}
		h.job("young")
	})
}
