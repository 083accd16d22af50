package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// TestMotion checks the sentence for a door's answer to a lock or unlock.
func TestMotion(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"position":"locked","confirmed":true,"changed":true,"tookMs":700}`:               "locked, confirmed in 0.7 s",
		`{"position":"unlocked","confirmed":true,"changed":true,"tookMs":2}`:               "unlocked, confirmed in 0 s",
		`{"position":"locked","confirmed":true,"changed":false,"tookMs":0}`:                "locked already, confirmed",
		`{"position":"locked","confirmed":false,"changed":true,"tookMs":100}`:              "locked, not confirmed by a sensor",
		`{"position":"unlocked","confirmed":true,"changed":true,"tookMs":700,"held":true}`: "unlocked, confirmed in 0.7 s; it stays unlocked, because somebody holds it unlocked",
		`{"position":"locked\u001b[2J","confirmed":true}`:                                  "locked?[2J, confirmed",
		`{"n":1}`: "", `null`: "", `[]`: "", ``: "", `{"position":3,"confirmed":true}`: "",
	} {
		r := Result{Result: iothub.Succeeded, Status: 200, Payload: json.RawMessage(payload)}
		if got := r.Motion(); got != want {
			t.Errorf("%s: %q, want %q", payload, got, want)
		}

		r.Result = iothub.Refused
		if got := r.Motion(); got != "" {
			t.Errorf("%s, refused: %q", payload, got)
		}
	}
}

// TestGroups checks that equal failures are one group, even if their reasons name the
// devices, and that few failures and all successes stay alone.
func TestGroups(t *testing.T) {
	t.Parallel()
	var results []Result
	add := func(n int, outcome iothub.Outcome, reason string) {
		for range n {
			id := fmt.Sprintf("d%03d", len(results))
			results = append(results, Result{DeviceID: id, Result: outcome, Reason: fmt.Sprintf(reason, id)})
		}
	}
	add(200, iothub.Offline, "device %s is not connected")
	add(5, iothub.Refused, "%.0s500 jammed")
	add(6, iothub.Refused, "%.0s409 busy")
	add(20, iothub.Succeeded, "%.0s")

	var sizes []int
	for _, g := range Groups(results) {
		sizes = append(sizes, len(g.Devices))
	}
	want := append([]int{200, 1, 1, 1, 1, 1, 6}, slices.Repeat([]int{1}, 20)...)
	if !slices.Equal(sizes, want) {
		t.Errorf("sizes %v, want %v", sizes, want)
	}
	if g := Groups(results)[0]; g.Result.Reason != "device … is not connected" || g.Devices[199] != "d199" {
		t.Errorf("%+v", g.Result)
	}
}

// TestSummarize checks that each device is in exactly one number, and that a device
// without a result has failed only when the job has ended.
func TestSummarize(t *testing.T) {
	t.Parallel()
	device := func(id string, outcome iothub.Outcome) watch.Device {
		return watch.Device{DeviceJob: iothub.DeviceJob{DeviceID: id, JobID: "j"}, Verdict: iothub.Verdict{Outcome: outcome}}
	}
	r := watch.Report{Missing: 1, Devices: []watch.Device{device("a", iothub.Refused), device("b", iothub.Pending), device("c", iothub.Unfinished), device("d", iothub.Succeeded)}}

	for status, want := range map[iothub.JobStatus]string{
		iothub.JobRunning:   "5 devices: 1 succeeded, 1 failed (1 refused), 1 pending, 2 unfinished",
		iothub.JobCompleted: "5 devices: 1 succeeded, 3 failed (1 refused, 2 unfinished), 1 pending",
		iothub.JobCancelled: "job cancelled; 5 devices: 1 succeeded, 3 failed (1 refused, 2 unfinished), 1 pending",
	} {
		r.Job = iothub.Job{JobID: "j", Status: status}
		if got := SummaryLine(r); got != want {
			t.Errorf("%s: %q, want %q", status, got, want)
		}
		if s := Summarize(r); s.Succeeded+s.Failed+s.Pending+s.Unfinished != s.Devices {
			t.Errorf("%s: %+v", status, s)
		}
	}

	cancelled := watch.Report{Job: iothub.Job{Status: iothub.JobCancelled}, Devices: []watch.Device{device("a", iothub.Canceled)}}
	if got := SummaryLine(cancelled); got != "the job was cancelled before it started; no device was called" {
		t.Error(got)
	}
}

// TestRetryable checks which jobs the user can repeat.
func TestRetryable(t *testing.T) {
	t.Parallel()
	answer := func(status int, payload string) iothub.DeviceJob {
		return iothub.DeviceJob{DeviceID: "a", JobID: "j", JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted,
			Outcome: &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: status, Payload: json.RawMessage(payload)}}}
	}
	erred := func(code iothub.Code) iothub.DeviceJob {
		return iothub.DeviceJob{DeviceID: "a", JobID: "j", Status: iothub.DeviceFailed, Error: &iothub.DeviceJobError{Code: string(code)}}
	}

	for _, tt := range []struct {
		name string
		row  iothub.DeviceJob
		want int
	}{
		{"refused", answer(500, `null`), 1},
		{"offline", erred(iothub.CodeDeviceNotOnline), 1},
		{"uncertain", erred(iothub.CodeOutcomeUnknown), 1},
		{"cancelled", iothub.DeviceJob{DeviceID: "a", JobID: "j", Status: iothub.DeviceCanceled}, 1},
		{"pending", answer(202, `{"pending":"door"}`), 0},
		{"deleted", erred(iothub.CodeDeviceNotFound), 0},
		{"a twin without an acknowledgement", iothub.DeviceJob{DeviceID: "a", JobID: "j", JobType: iothub.ScheduleUpdateTwin, Status: iothub.DeviceCompleted}, 0},
	} {
		failed := watch.Device{DeviceJob: tt.row, Verdict: iothub.Verdict{Outcome: iothub.TimedOut}}
		if got := Retryable(watch.Report{Devices: []watch.Device{failed}}); len(got) != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
