package rollout

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var lockWork = Work{
	Type: iothub.ScheduleDeviceMethod, Method: &iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 15}, MaxExecution: 3600,
}

// makeRollout returns a rollout of n devices, from d0001 up, in waves of the given
// sizes.
func makeRollout(t *testing.T, n int, waves string, rules Rules) Rollout {
	t.Helper()
	sizes, err := ParseWaves(waves)
	if err != nil {
		t.Fatal(err)
	}
	return New("r", Hub{HostName: "hub.example"}, "*", lockWork, rules, PlanWaves(ids(n), sizes), start)
}

// ended returns the event of a job that has completed. The given devices failed: they
// answered with status 500.
func ended(job iothub.Job, devices []string, failed ...string) JobEnded {

	report := watch.Report{Job: job}
	report.Job.Status = iothub.JobCompleted
	for _, id := range devices {
		verdict := iothub.Verdict{Outcome: iothub.Succeeded}
		if slices.Contains(failed, id) {
			verdict = iothub.Verdict{Outcome: iothub.Refused, Reason: "500 jammed"}
		}
		report.Devices = append(report.Devices, watch.Device{DeviceJob: iothub.DeviceJob{DeviceID: id}, Verdict: verdict})
	}
	return JobEnded{Report: report}
}

// describe formats an action as one line of text.
func describe(r Rollout, a Action) string {
	switch a := a.(type) {
	case RunJob:
		retry := ""
		if a.IsRetry {
			retry = " again"
		}
		return "run " + a.Job.JobID + retry + ": " + strings.TrimPrefix(a.Job.QueryCondition, "deviceId IN ")
	case Soak:
		return "soak until " + a.Until.Format("15:04:05")
	case Check:
		return fmt.Sprint("check ", a.Devices)
	}

	c := r.Counts()
	text := fmt.Sprintf("%s %d/%d/%d", r.Status, c.Succeeded, c.Failed, c.Pending)
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// The table describes whole rollouts as lists of events, each with the action that
// follows. The event at the end of a job names the devices that failed. The three
// numbers are the succeeded, failed and pending devices.
func TestStep(t *testing.T) {
	t.Parallel()
	type step struct {
		event string // start, skip IDS (and start), stop, ok, fail IDS, missing IDS, gone IDS, jobfail, soaked, hold, lack IDS, left IDS
		want  string
	}
	for _, tt := range []struct {
		name    string
		devices int
		waves   string
		rules   Rules
		steps   []step
	}{
		{"all devices succeed", 4, "1,100%", Rules{}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"ok", "run r-w2: ['d0002','d0003','d0004']"},
			{"ok", "done 4/0/0"},
		}},
		{"soak between waves, not after the last", 3, "1,2,100%", Rules{Soak: 60}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "run r-w2: ['d0002']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "run r-w3: ['d0003']"},
			{"ok", "done 3/0/0"},
		}},
		{"a deleted device is left out", 4, "2,100%", Rules{}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"gone d0001", "run r-w2: ['d0003','d0004']"},
			{"gone d0003,d0004", "done 1/0/0"},
		}},
		{"a deleted device does not count in the share of failed devices", 4, "3,100%", Rules{AbortAbove: 4000}, []step{
			{"start", "run r-w1: ['d0001','d0002','d0003']"},
			{"fail d0001", "run r-w2: ['d0004']"},
			{"gone d0004", "done 2/1/0"},
			{"start", "run r-w1-2: ['d0001']"},
			{"gone d0001", "done 2/0/0"},
		}},
		{"a failed device that was deleted does not stop a resume", 3, "1,100%", Rules{}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"fail d0001", "aborted 0/1/2: 1 of the 1 devices of wave 1 failed, more than 0%"},
			{"start", "run r-w1-2: ['d0001']"},
			{"gone d0001", "run r-w1-3: ['d0002']"},
			{"ok", "run r-w2: ['d0003']"},
			{"ok", "done 2/0/0"},
		}},
		{"the next device replaces a deleted one, whose twin was to be checked", 3, "1,100%", Rules{Require: "x"}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"ok", "check [d0001]"},
			{"left d0001", "run r-w1-2: ['d0002']"},
			{"ok", "check [d0002]"},
			{"hold", "run r-w2: ['d0003']"},
		}},
		{"all devices of the last waves were deleted", 2, "1,100%", Rules{}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"gone d0001", "run r-w1-2: ['d0002']"},
			{"gone d0002", "done 0/0/0"},
		}},
		{"a device without a row that is still in the registry has failed", 2, "100%", Rules{AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"missing d0002", "done 1/1/0"},
		}},
		{"a device that is deleted during the soak time is left out", 2, "100%", Rules{Soak: 60, Require: "x = 1"}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0001 d0002]"},
			{"left d0002", "done 1/0/0"},
		}},
		{"the limit is exceeded", 4, "2,100%", Rules{AbortAbove: 4999}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "aborted 1/1/2: 1 of the 2 devices of wave 1 failed, more than 49.99%"},
		}},
		{"the limit is reached but not exceeded", 4, "2,100%", Rules{AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "run r-w2: ['d0003','d0004']"},
			{"ok", "done 3/1/0"},
		}},
		{"a wave is judged by itself", 4, "3,100%", Rules{AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002','d0003']"},
			{"ok", "run r-w2: ['d0004']"},
			{"fail d0004", "aborted 3/1/0: 1 of the 1 devices of wave 2 failed, more than 50%"},
		}},
		{"a small wave is judged with the next", 6, "1,4,100%", Rules{AbortAbove: 2500, MinDevices: 3}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"fail d0001", "run r-w2: ['d0002','d0003','d0004']"},
			{"ok", "run r-w3: ['d0005','d0006']"}, // 1 of 4 devices failed; this wave too is too small to be judged alone
			{"fail d0005,d0006", "done 3/3/0"},
		}},
		{"a small wave counts against the next", 6, "1,4,100%", Rules{AbortAbove: 2500, MinDevices: 3}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"fail d0001", "run r-w2: ['d0002','d0003','d0004']"},
			{"fail d0002", "aborted 2/2/2: 2 of the 4 devices of waves 1 to 2 failed, more than 25%"},
		}},
		{"resuming after an abort calls the failed devices again", 4, "2,100%", Rules{}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"fail d0002", "aborted 1/1/2: 1 of the 2 devices of wave 1 failed, more than 0%"},
			{"start", "run r-w1-2: ['d0002']"},
			{"fail d0002", "aborted 1/1/2: 1 of the 2 devices of wave 1 failed, more than 0%"},
			{"start", "run r-w1-3: ['d0002']"},
			{"ok", "run r-w2: ['d0003','d0004']"},
			{"ok", "done 4/0/0"},
		}},
		{"resuming after an abort calls the failed devices of all waves", 5, "2,4,100%", Rules{AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "run r-w2: ['d0003','d0004']"},
			{"fail d0003,d0004", "aborted 1/3/1: 2 of the 2 devices of wave 2 failed, more than 50%"},
			{"start", "run r-w1-2: ['d0001']"},
			{"ok", "run r-w2-2: ['d0003','d0004']"},
			{"fail d0004", "run r-w3: ['d0005']"},
			{"ok", "done 4/1/0"},
			{"start", "run r-w2-3: ['d0004']"}, // a rollout that is done, but with failed devices, can be resumed too
			{"ok", "done 5/0/0"},
			{"start", "done 5/0/0"},
		}},
		{"a device without a row has failed", 2, "100%", Rules{AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"missing d0002", "done 1/1/0"},
		}},
		{"a failed job aborts, whatever its rows say", 2, "1,100%", Rules{AbortAbove: 10000}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"jobfail", "aborted 0/1/1: job r-w1 has status failed: no luck"},
			{"start", "run r-w1-2: ['d0001']"},
			{"ok", "run r-w2: ['d0002']"},
		}},
		{"a stopped rollout continues where it was", 2, "1,100%", Rules{Soak: 60}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"stop", "stopped 0/0/2: enough"},
			{"start", "run r-w1 again: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"stop", "stopped 1/0/1: enough"},
			{"start", "soak until 12:01:00"},
			{"soaked", "run r-w2: ['d0002']"},
			{"ok", "done 2/0/0"},
			{"stop", "done 2/0/0"},
		}},
		{"a stopped rollout does not call failed devices again", 3, "2,100%", Rules{AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "run r-w2: ['d0003']"},
			{"stop", "stopped 1/1/1: enough"},
			{"start", "run r-w2 again: ['d0003']"},
			{"ok", "done 2/1/0"},
		}},
		{"a killed rollout continues where it was", 2, "1,100%", Rules{Soak: 60, Require: "x"}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"start", "run r-w1 again: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"start", "soak until 12:01:00"},
			{"soaked", "check [d0001]"},
			{"start", "check [d0001]"},
			{"hold", "run r-w2: ['d0002']"},
		}},
		{"the condition must hold after the last wave too", 3, "2,100%", Rules{Soak: 60, Require: "x", AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "soak until 12:01:00"},
			{"soaked", "check [d0002]"}, // the twin of a failed device is not checked
			{"hold", "run r-w2: ['d0003']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0003]"},
			{"lack d0003", "aborted 1/2/0: 1 of the 1 devices of wave 2 failed, more than 50%"},
			{"start", "run r-w1-2: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0001 d0002]"},
			{"hold", "run r-w2-2: ['d0003']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0003]"},
			{"hold", "done 3/0/0"},
		}},
		{"a condition without a soak", 1, "100%", Rules{Require: "x"}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"ok", "check [d0001]"},
			{"hold", "done 1/0/0"},
		}},
		// The failure in the first wave is judged together with the second wave. The second
		// wave has not passed yet, so the condition on its twins is still checked.
		{"a retry of an earlier wave skips no check", 3, "1,100%", Rules{MinDevices: 3, Require: "x"}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"fail d0001", "check []"},
			{"hold", "run r-w2: ['d0002','d0003']"},
			{"ok", "aborted 2/1/0: 1 of the 3 devices of waves 1 to 2 failed, more than 0%"},
			{"start", "run r-w1-2: ['d0001']"},
			{"ok", "check [d0001]"},
			{"hold", "check [d0002 d0003]"},
			{"hold", "done 3/0/0"},
		}},
		{"a skipped device is replaced, so that a wave is still tried on one device first", 7, "1,3,100%", Rules{}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"fail d0001", "aborted 0/1/6: 1 of the 1 devices of wave 1 failed, more than 0%"},
			{"start", "run r-w1-2: ['d0001']"},
			{"fail d0001", "aborted 0/1/6: 1 of the 1 devices of wave 1 failed, more than 0%"},
			{"skip d0001", "run r-w1-3: ['d0002']"},
			{"fail d0002", "aborted 0/1/5: 1 of the 1 devices of wave 1 failed, more than 0%"},
			{"skip d0002", "run r-w1-4: ['d0003']"},
			{"ok", "run r-w2: ['d0004','d0005']"},
			{"fail d0005", "aborted 2/1/2: 1 of the 2 devices of wave 2 failed, more than 0%"},
			{"skip d0005,d0006", "run r-w3: ['d0007']"},
			{"ok", "done 3/0/0"},
			{"start", "done 3/0/0"},
		}},
		{"a skipped device is replaced, and the soak begins again", 3, "1,100%", Rules{Soak: 60, Require: "x"}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0001]"},
			{"lack d0001", "aborted 0/1/2: 1 of the 1 devices of wave 1 failed, more than 0%"},
			{"skip d0001", "run r-w1-2: ['d0002']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0002]"},
			{"hold", "run r-w2: ['d0003']"},
		}},
		{"all devices are skipped", 2, "1,100%", Rules{Soak: 60}, []step{
			{"start", "run r-w1: ['d0001']"},
			{"fail d0001", "aborted 0/1/1: 1 of the 1 devices of wave 1 failed, more than 0%"},
			{"skip d0001,d0002", "done 0/0/0"},
		}},
		{"a skipped device that failed in a passed wave is not called again", 3, "2,100%", Rules{AbortAbove: 5000}, []step{
			{"start", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "run r-w2: ['d0003']"},
			{"ok", "done 2/1/0"},
			{"skip d0001", "done 2/0/0"},
		}},
		{"devices that cannot be skipped", 4, "2,100%", Rules{}, []step{
			{"skip d0009", "device d0009 is not in rollout r; nothing was sent"},
			{"start", "run r-w1: ['d0001','d0002']"},
			{"stop", "stopped 0/0/4: enough"},
			{"skip d0003,d0001", "device d0001 may be called by job r-w1 now: resume the rollout without --skip, and skip the device if it fails; nothing was sent"},
			{"start", "run r-w1 again: ['d0001','d0002']"},
			{"fail d0002", "aborted 1/1/2: 1 of the 2 devices of wave 1 failed, more than 0%"},
			{"skip d0001", "device d0001 has succeeded in rollout r; nothing was sent"},
			{"skip d0002", "run r-w2: ['d0003','d0004']"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := makeRollout(t, tt.devices, tt.waves, tt.rules)
			var action Action
			for i, s := range tt.steps {
				word, list, _ := strings.Cut(s.event, " ")
				if word == "skip" {
					before := toJSON(t, r)
					changed := r
					if err := changed.Skip(strings.Split(list, ",")); err != nil {
						if toJSON(t, r) != before || toJSON(t, changed) != before {
							t.Fatalf("step %d, %s: a refused Skip changed the rollout", i+1, s.event)
						}
						if err.Error() != s.want {
							t.Fatalf("step %d, %s:\n got %s\nwant %s", i+1, s.event, err, s.want)
						}
						continue
					}
					if toJSON(t, r) != before {
						t.Fatalf("step %d, %s: Skip changed a copy of the rollout", i+1, s.event)
					}
					r, word = changed, "start"
				}
				e := eventOf(word, strings.Split(list, ","), action)
				before := toJSON(t, r)
				next, a := Step(r, e, start)
				if toJSON(t, r) != before {
					t.Fatalf("step %d, %s: Step changed its argument", i+1, s.event)
				}
				if got := describe(next, a); got != s.want {
					t.Fatalf("step %d, %s:\n got %s\nwant %s", i+1, s.event, got, s.want)
				}
				if err := next.check(); err != nil {
					t.Fatalf("step %d, %s: check refuses this state: %v", i+1, s.event, err)
				}
				if reread, err := parse([]byte(toJSON(t, file{fileVersion, next}))); err != nil || toJSON(t, reread) != toJSON(t, next) {
					t.Fatalf("step %d, %s: the state reads back as %s, %v", i+1, s.event, toJSON(t, reread), err)
				}
				r, action = next, a
			}
		})
	}
}

// eventOf returns the event for a word in the tables of TestStep. last is the previous
// action.
func eventOf(word string, devices []string, last Action) Event {
	var job iothub.Job
	var called []string
	if run, ok := last.(RunJob); ok {
		job, called = run.Job, slices.Clone(run.Devices)
	}

	switch word {
	case "start":
		return Start{}
	case "stop":
		return Stop{"enough"}
	case "ok":
		return ended(job, called)
	case "fail":
		return ended(job, called, devices...)
	case "missing":
		return ended(job, slices.DeleteFunc(called, func(id string) bool { return slices.Contains(devices, id) }))
	case "jobfail":
		e := ended(job, nil)
		e.Report.Job.Status, e.Report.Job.FailureReason = iothub.JobFailed, "no luck"
		return e
	case "soaked":
		return SoakOver{}
	case "hold":
		return Checked{}
	case "gone": // the devices were deleted before the job called them
		e := ended(job, slices.DeleteFunc(called, func(id string) bool { return slices.Contains(devices, id) }))
		e.Gone = devices
		return e
	case "lack":
		return Checked{Failing: devices}
	case "left": // the devices were deleted after the job called them
		return Checked{Gone: devices}
	}
	panic(word)
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A wave consists of several jobs, one after the other, if one condition cannot name
// all devices of the wave. The wave is aborted as soon as too many devices have failed.
func TestWaveOfSeveralJobs(t *testing.T) {
	t.Parallel()
	r := makeRollout(t, 2000, "100%", Rules{AbortAbove: 1000})
	r, a := Step(r, Start{}, start)

	var jobs []string
	for {
		run, ok := a.(RunJob)
		if !ok {
			break
		}
		jobs = append(jobs, run.Job.JobID)
		var failed []string
		if len(jobs) == 2 {
			failed = run.Devices[:201]
		}
		r, a = Step(r, ended(run.Job, run.Devices, failed...), start)
	}

	if got := fmt.Sprint(jobs); got != "[r-w1 r-w1-2]" {
		t.Errorf("jobs %s", got)
	}
	if c := r.Counts(); r.Status != Aborted || c.Failed != 201 || c.Devices != 2000 || c.Pending == 0 {
		t.Errorf("%s, %+v", r.Status, c)
	}

	// After a resume, the rollout first calls the devices that it has not called yet.
	if _, a = Step(r, Start{}, start); a.(RunJob).Job.JobID != "r-w1-3" || a.(RunJob).IsRetry {
		t.Errorf("%+v", a)
	}
}

// failures judges devices by their rows. A pending device, and a device without a row,
// has failed.
func TestFailures(t *testing.T) {
	t.Parallel()
	row := func(id string, d iothub.DeviceJob) watch.Device {
		d.DeviceID, d.JobType = id, iothub.ScheduleDeviceMethod
		return watch.Device{DeviceJob: d, Verdict: d.Judge()}
	}
	answer := func(status int) iothub.DeviceJob {
		return iothub.DeviceJob{Status: iothub.DeviceCompleted, Outcome: &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: status}}}
	}
	pending := answer(202)
	pending.Outcome.DeviceMethodResponse.Payload = json.RawMessage(`{"position":"unlocked","pending":"door"}`)

	report := watch.Report{Devices: []watch.Device{
		row("ok", answer(200)), row("jams", answer(500)), row("runs", iothub.DeviceJob{Status: iothub.DeviceRunning}), row("other", answer(500)), row("open", pending),
	}}
	job := Job{Devices: []string{"ok", "jams", "runs", "gone", "open"}}
	want := map[string]iothub.Outcome{"jams": iothub.Refused, "open": iothub.Pending, "runs": iothub.Unfinished, "gone": iothub.Gone}

	check := func() {
		t.Helper()
		got := make(map[string]iothub.Outcome)
		for id, f := range failures(job, report) {
			got[id] = f.Outcome
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	check()

	report.Missing = 1 // the hub counts the device but has no row for it
	want["gone"] = iothub.Unfinished
	check()
}
