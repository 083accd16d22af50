package iothub_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

func TestJobStatusEnded(t *testing.T) {
	t.Parallel()

	for status, want := range map[iothub.JobStatus]bool{
		iothub.JobCompleted: true, iothub.JobFailed: true, iothub.JobCancelled: true,
		iothub.JobUnknown: false, iothub.JobEnqueued: false, iothub.JobQueued: false,
		iothub.JobScheduled: false, iothub.JobRunning: false, "": false, "canceled": false,
	} {
		if status.Ended() != want {
			t.Errorf("%q: ended is %v, want %v", status, status.Ended(), want)
		}
	}
}

// The request bodies were recorded from the official Node SDK.
func TestJobFromTheSDK(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 11, 23, 11, 36, 56, 126e6, time.UTC)
	for _, test := range []struct {
		name, text string
		want       iothub.Job
	}{
		{"method", `{"jobId":"job1","type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"m","payload":null,"responseTimeoutInSeconds":15},` +
			`"startTime":"2026-11-23T11:36:56.126Z","maxExecutionTimeInSeconds":3600,"queryCondition":"deviceId = 'x'"}`,
			iothub.Job{JobID: "job1", Type: iothub.ScheduleDeviceMethod, QueryCondition: "deviceId = 'x'", StartTime: &start, MaxExecutionTimeInSeconds: 3600,
				CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "m", Payload: json.RawMessage("null"), ResponseTimeoutInSeconds: 15}}},
		{"twin, no start time", `{"jobId":"job2","type":"scheduleUpdateTwin","updateTwin":{"etag":"*","desired":{"floor":3}},` +
			`"startTime":null,"maxExecutionTimeInSeconds":3600,"queryCondition":"*"}`,
			iothub.Job{JobID: "job2", Type: iothub.ScheduleUpdateTwin, QueryCondition: "*", MaxExecutionTimeInSeconds: 3600,
				UpdateTwin: json.RawMessage(`{"etag":"*","desired":{"floor":3}}`)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got iothub.Job
			if err := json.Unmarshal([]byte(test.text), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %s, want %s", toJSON(t, got), toJSON(t, test.want))
			}
		})
	}
}

func TestCheckJobID(t *testing.T) {
	t.Parallel()

	for _, id := range []string{"a", "job-1", "0b5d9b5e-8c8e-4a3a-9f5e-1c2d3e4f5a6b", "query-1", strings.Repeat("x", 64)} {
		if err := iothub.CheckJobID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}

	for id, want := range map[string]string{
		"": "is empty", strings.Repeat("x", 65): "65 characters; at most 64",
		"job 1": `' '`, "job/1": `'/'`, "job_1": `'_'`, "job\n": `'\n'`, "jöb": `'ö'`, "..": `'.'`,
		"query": `"query" is reserved`, "Query": `"Query" is reserved`,
	} {
		err := iothub.CheckJobID(id)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to contain %q", id, err, want)
			continue
		}
		checkErrorText(t, err)
	}
}

func TestDeviceJobJudge(t *testing.T) {
	t.Parallel()

	const method, twin = iothub.ScheduleDeviceMethod, iothub.ScheduleUpdateTwin
	answer := func(status int, payload string) *iothub.DeviceJobOutcome {
		return &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: status, Payload: json.RawMessage(payload)}}
	}
	fault := func(code, description string) *iothub.DeviceJobError {
		return &iothub.DeviceJobError{Code: code, Description: description}
	}

	for _, test := range []struct {
		name string
		row  iothub.DeviceJob
		want iothub.Verdict
	}{
		{"answered 200", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(200, `null`)},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"answered 202", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(202, `null`)},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"answered 299", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(299, `null`)},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"a lock that waits for an open door", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(202, `{"position":"unlocked","pending":"door"}`)},
			iothub.Verdict{Outcome: iothub.Pending, Reason: "waits for the door: it is open, and locks when somebody closes it"}},
		{"a lock that waits for an exit", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(202, `{"position":"unlocked","pending":"exit"}`)},
			iothub.Verdict{Outcome: iothub.Pending, Reason: "waits for somebody who is leaving: the door locks behind them"}},
		{"pending with the status 200, for an unknown cause", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(200, `{"pending":"the moon\nand more"}`)},
			iothub.Verdict{Outcome: iothub.Pending, Reason: "waits for the moon"}},
		{"pending is empty", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(200, `{"position":"locked","pending":""}`)},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"pending is null", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(200, `{"pending":null}`)},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"pending is a number of another device's method", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(200, `{"pending":3}`)},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"pending inside another member", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(200, `{"lock":{"pending":"door"}}`)},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"a refusal that has pending too", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(409, `{"error":{"code":"busy"},"pending":"door"}`)},
			iothub.Verdict{Outcome: iothub.Refused, Reason: "409 busy", Code: "busy"}},
		{"answered 300", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(300, `null`)},
			iothub.Verdict{Outcome: iothub.Refused, Reason: "status 300"}},
		{"answered 199", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(199, `{"x":1}`)},
			iothub.Verdict{Outcome: iothub.Refused, Reason: "status 199"}},
		{"jammed: the hub counts the row as succeeded, but the door is open",
			iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(500, `{"error":{"code":"jammed","message":"the bolt did not move"}}`)},
			iothub.Verdict{Outcome: iothub.Refused, Reason: "500 jammed: the bolt did not move", Code: "jammed"}},
		{"a code without a message", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(409, `{"error":{"code":"busy"}}`)},
			iothub.Verdict{Outcome: iothub.Refused, Reason: "409 busy", Code: "busy"}},
		{"an answer that is no JSON", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(500, ``)},
			iothub.Verdict{Outcome: iothub.Refused, Reason: "status 500"}},
		{"completed without an answer", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted},
			iothub.Verdict{Outcome: iothub.Uncertain, Reason: "the hub has no answer from the device"}},
		{"completed with an empty outcome", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: &iothub.DeviceJobOutcome{}},
			iothub.Verdict{Outcome: iothub.Uncertain, Reason: "the hub has no answer from the device"}},
		{"twin updated", iothub.DeviceJob{JobType: twin, Status: iothub.DeviceCompleted},
			iothub.Verdict{Outcome: iothub.Succeeded}},
		{"offline", iothub.DeviceJob{JobType: method, Status: iothub.DeviceFailed, Error: fault("DeviceNotOnline", "d1 is not connected")},
			iothub.Verdict{Outcome: iothub.Offline, Reason: "d1 is not connected"}},
		{"offline, as a number", iothub.DeviceJob{JobType: method, Status: iothub.DeviceFailed, Error: fault("404103", "")},
			iothub.Verdict{Outcome: iothub.Offline, Reason: "404103"}},
		{"timed out", iothub.DeviceJob{JobType: method, Status: iothub.DeviceFailed, Error: fault("GatewayTimeout", "no answer\nin 15 s")},
			iothub.Verdict{Outcome: iothub.TimedOut, Reason: "no answer"}},
		{"timed out, as a number", iothub.DeviceJob{JobType: method, Status: iothub.DeviceFailed, Error: fault("504101", "")},
			iothub.Verdict{Outcome: iothub.TimedOut, Reason: "504101"}},
		{"unknown outcome", iothub.DeviceJob{JobType: method, Status: iothub.DeviceFailed, Error: fault("OutcomeUnknown", "the hub was restarted")},
			iothub.Verdict{Outcome: iothub.Uncertain, Reason: "the hub was restarted"}},
		{"device gone", iothub.DeviceJob{JobType: twin, Status: iothub.DeviceFailed, Error: fault("DeviceNotFound", "deleted")},
			iothub.Verdict{Outcome: iothub.Gone, Reason: "deleted"}},
		{"another error", iothub.DeviceJob{JobType: twin, Status: iothub.DeviceFailed, Error: fault("ArgumentInvalid", "too deep")},
			iothub.Verdict{Outcome: iothub.Failed, Reason: "too deep"}},
		{"an error weighs more than an answer",
			iothub.DeviceJob{JobType: method, Status: iothub.DeviceCompleted, Outcome: answer(200, `null`), Error: fault("ServerError", "x")},
			iothub.Verdict{Outcome: iothub.Failed, Reason: "x"}},
		{"failed without an error", iothub.DeviceJob{JobType: method, Status: iothub.DeviceFailed},
			iothub.Verdict{Outcome: iothub.Failed, Reason: "the hub gave no reason"}},
		{"canceled", iothub.DeviceJob{JobType: method, Status: iothub.DeviceCanceled},
			iothub.Verdict{Outcome: iothub.Canceled, Reason: "the job was cancelled before the hub called the device"}},
		{"pending", iothub.DeviceJob{JobType: method, Status: iothub.DevicePending}, iothub.Verdict{Outcome: iothub.Unfinished}},
		{"scheduled", iothub.DeviceJob{JobType: method, Status: iothub.DeviceScheduled}, iothub.Verdict{Outcome: iothub.Unfinished}},
		{"running", iothub.DeviceJob{JobType: twin, Status: iothub.DeviceRunning}, iothub.Verdict{Outcome: iothub.Unfinished}},
		{"a state that nobody knows", iothub.DeviceJob{JobType: method, Status: "odd"}, iothub.Verdict{Outcome: iothub.Unfinished}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.row.Judge(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
