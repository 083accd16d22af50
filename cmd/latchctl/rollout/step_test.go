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

// makeRollout is a rollout of n devices d0001 and on, in the waves that sizes say.
func makeRollout(t *testing.T, n int, waves string, rules Rules) Rollout {
	t.Helper()
	sizes, err := ParseWaves(waves)
	if err != nil {
		t.Fatal(err)
	}
	return New("r", "hub.example", "*", lockWork, rules, Waves(ids(n), sizes), start)
}

// ended is a job that has completed, with its rows; failed devices answered 500.
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
	return JobEnded{report}
}

// say tells an action on one line.
func say(r Rollout, a Action) string {
	switch a := a.(type) {
	case RunJob:
		again := ""
		if a.Again {
			again = " again"
		}
		return "run " + a.Job.JobID + again + ": " + strings.TrimPrefix(a.Job.QueryCondition, "deviceId IN ")
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

// TestStep plays whole rollouts: each event with what is then to be done. A job's
// end names the devices that failed; counts are succeeded, failed and pending.
func TestStep(t *testing.T) {
	type step struct {
		event string // begin, stop, ok, fail IDS, missing IDS, jobfail, soaked, hold, lack IDS
		want  string
	}
	for _, tt := range []struct {
		name    string
		devices int
		waves   string
		rules   Rules
		steps   []step
	}{
		{"all is well", 4, "1,100%", Rules{}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"ok", "run r-w2: ['d0002','d0003','d0004']"},
			{"ok", "done 4/0/0"},
		}},
		{"it soaks between waves, not after the last", 3, "1,2,100%", Rules{Soak: 60}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "run r-w2: ['d0002']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "run r-w3: ['d0003']"},
			{"ok", "done 3/0/0"},
		}},
		{"the threshold is passed", 4, "2,100%", Rules{AbortAbove: 4999}, []step{
			{"begin", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "aborted 1/1/2: 1 of the 2 devices of wave 1 failed, more than 49.99%"},
		}},
		{"the threshold is reached and not passed", 4, "2,100%", Rules{AbortAbove: 5000}, []step{
			{"begin", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "run r-w2: ['d0003','d0004']"},
			{"ok", "done 3/1/0"},
		}},
		{"a wave is judged by itself", 4, "3,100%", Rules{AbortAbove: 5000}, []step{
			{"begin", "run r-w1: ['d0001','d0002','d0003']"},
			{"ok", "run r-w2: ['d0004']"},
			{"fail d0004", "aborted 3/1/0: 1 of the 1 devices of wave 2 failed, more than 50%"},
		}},
		{"a small wave is judged with the next", 6, "1,4,100%", Rules{AbortAbove: 2500, MinDevices: 3}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"fail d0001", "run r-w2: ['d0002','d0003','d0004']"},
			{"ok", "run r-w3: ['d0005','d0006']"}, // 1 of 4; this one is too small again
			{"fail d0005,d0006", "done 3/3/0"},
		}},
		{"a small wave counts against the next", 6, "1,4,100%", Rules{AbortAbove: 2500, MinDevices: 3}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"fail d0001", "run r-w2: ['d0002','d0003','d0004']"},
			{"fail d0002", "aborted 2/2/2: 2 of the 4 devices of waves 1 to 2 failed, more than 25%"},
		}},
		{"after an abort the failed are called again", 4, "2,100%", Rules{}, []step{
			{"begin", "run r-w1: ['d0001','d0002']"},
			{"fail d0002", "aborted 1/1/2: 1 of the 2 devices of wave 1 failed, more than 0%"},
			{"begin", "run r-w1-2: ['d0002']"},
			{"fail d0002", "aborted 1/1/2: 1 of the 2 devices of wave 1 failed, more than 0%"},
			{"begin", "run r-w1-3: ['d0002']"},
			{"ok", "run r-w2: ['d0003','d0004']"},
			{"ok", "done 4/0/0"},
		}},
		{"of all waves so far", 5, "2,4,100%", Rules{AbortAbove: 5000}, []step{
			{"begin", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "run r-w2: ['d0003','d0004']"},
			{"fail d0003,d0004", "aborted 1/3/1: 2 of the 2 devices of wave 2 failed, more than 50%"},
			{"begin", "run r-w1-2: ['d0001']"},
			{"ok", "run r-w2-2: ['d0003','d0004']"},
			{"fail d0004", "run r-w3: ['d0005']"},
			{"ok", "done 4/1/0"},
			{"begin", "run r-w2-3: ['d0004']"}, // an end with failed devices can be taken up too
			{"ok", "done 5/0/0"},
			{"begin", "done 5/0/0"},
		}},
		{"a device without a row has failed", 2, "100%", Rules{AbortAbove: 5000}, []step{
			{"begin", "run r-w1: ['d0001','d0002']"},
			{"missing d0002", "done 1/1/0"},
		}},
		{"a job that fails aborts, whatever its rows", 2, "1,100%", Rules{AbortAbove: 10000}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"jobfail", "aborted 0/1/1: job r-w1 is failed: no luck"},
			{"begin", "run r-w1-2: ['d0001']"},
			{"ok", "run r-w2: ['d0002']"},
		}},
		{"stopped, it goes on where it was", 2, "1,100%", Rules{Soak: 60}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"stop", "stopped 0/0/2: enough"},
			{"begin", "run r-w1 again: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"stop", "stopped 1/0/1: enough"},
			{"begin", "soak until 12:01:00"},
			{"soaked", "run r-w2: ['d0002']"},
			{"ok", "done 2/0/0"},
			{"stop", "done 2/0/0"},
		}},
		{"stopped, it does not repeat what has failed", 3, "2,100%", Rules{AbortAbove: 5000}, []step{
			{"begin", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "run r-w2: ['d0003']"},
			{"stop", "stopped 1/1/1: enough"},
			{"begin", "run r-w2 again: ['d0003']"},
			{"ok", "done 2/1/0"},
		}},
		{"killed, it goes on where it was", 2, "1,100%", Rules{Soak: 60, Require: "x"}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"begin", "run r-w1 again: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"begin", "soak until 12:01:00"},
			{"soaked", "check [d0001]"},
			{"begin", "check [d0001]"},
			{"hold", "run r-w2: ['d0002']"},
		}},
		{"a condition must hold, after the last wave too", 3, "2,100%", Rules{Soak: 60, Require: "x", AbortAbove: 5000}, []step{
			{"begin", "run r-w1: ['d0001','d0002']"},
			{"fail d0001", "soak until 12:01:00"},
			{"soaked", "check [d0002]"}, // who has failed has failed
			{"hold", "run r-w2: ['d0003']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0003]"},
			{"lack d0003", "aborted 1/2/0: 1 of the 1 devices of wave 2 failed, more than 50%"},
			{"begin", "run r-w1-2: ['d0001']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0001 d0002]"},
			{"hold", "run r-w2-2: ['d0003']"},
			{"ok", "soak until 12:01:00"},
			{"soaked", "check [d0003]"},
			{"hold", "done 3/0/0"},
		}},
		{"a condition without a soak", 1, "100%", Rules{Require: "x"}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"ok", "check [d0001]"},
			{"hold", "done 1/0/0"},
		}},
		// The failure of the first wave is only judged with the second, which is
		// then not over: its condition is still looked at.
		{"a retry of an earlier wave leaves no check out", 3, "1,100%", Rules{MinDevices: 3, Require: "x"}, []step{
			{"begin", "run r-w1: ['d0001']"},
			{"fail d0001", "check []"},
			{"hold", "run r-w2: ['d0002','d0003']"},
			{"ok", "aborted 2/1/0: 1 of the 3 devices of waves 1 to 2 failed, more than 0%"},
			{"begin", "run r-w1-2: ['d0001']"},
			{"ok", "check [d0001]"},
			{"hold", "check [d0002 d0003]"},
			{"hold", "done 3/0/0"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := makeRollout(t, tt.devices, tt.waves, tt.rules)
			var action Action
			for i, s := range tt.steps {
				word, list, _ := strings.Cut(s.event, " ")
				e := eventOf(word, strings.Split(list, ","), action)
				before := toJSON(t, r)
				next, a := Step(r, e, start)
				if toJSON(t, r) != before {
					t.Fatalf("step %d, %s: it has changed the state that it was given", i+1, s.event)
				}
				if got := say(next, a); got != s.want {
					t.Fatalf("step %d, %s:\n got %s\nwant %s", i+1, s.event, got, s.want)
				}
				if err := next.check(); err != nil {
					t.Fatalf("step %d, %s: a file with this state would be refused: %v", i+1, s.event, err)
				}
				if reread, err := parse([]byte(toJSON(t, file{fileVersion, next}))); err != nil || toJSON(t, reread) != toJSON(t, next) {
					t.Fatalf("step %d, %s: the state reads back as %s, %v", i+1, s.event, toJSON(t, reread), err)
				}
				r, action = next, a
			}
		})
	}
}

func eventOf(word string, devices []string, last Action) Event {
	var job iothub.Job
	var called []string
	if run, ok := last.(RunJob); ok {
		job, called = run.Job, slices.Clone(run.Devices)
	}
	switch word {
	case "begin":
		return Begin{}
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
	case "lack":
		return Checked{devices}
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

// A wave whose condition is too long for one job has several, one after the other.
// It is aborted as soon as it cannot pass any more.
func TestWaveOfSeveralJobs(t *testing.T) {
	r := makeRollout(t, 2000, "100%", Rules{AbortAbove: 1000})
	r, a := Step(r, Begin{}, start)
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
	// Taken up again, the devices that were not called come first.
	if _, a = Step(r, Begin{}, start); a.(RunJob).Job.JobID != "r-w1-3" || a.(RunJob).Again {
		t.Errorf("%+v", a)
	}
}

// What a job says of devices is judged by the one judgement that there is.
func TestFailures(t *testing.T) {
	row := func(id string, d iothub.DeviceJob) watch.Device {
		d.DeviceID, d.JobType = id, iothub.ScheduleDeviceMethod
		return watch.Device{DeviceJob: d, Verdict: d.Judge()}
	}
	answer := func(status int) iothub.DeviceJob {
		return iothub.DeviceJob{Status: iothub.DeviceCompleted, Outcome: &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: status}}}
	}
	report := watch.Report{Devices: []watch.Device{
		row("ok", answer(200)), row("jams", answer(500)), row("runs", iothub.DeviceJob{Status: iothub.DeviceRunning}), row("other", answer(500)),
	}}
	job := Job{Devices: []string{"ok", "jams", "runs", "gone"}}
	want := map[string]iothub.Outcome{"jams": iothub.Refused, "runs": iothub.Unfinished, "gone": iothub.Gone}
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
	report.Missing = 1 // the hub counts it, and has no row
	want["gone"] = iothub.Unfinished
	check()
}
