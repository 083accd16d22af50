package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// answered returns the job row of a device that answered a method.
func answered(id string, status int, payload string) iothub.DeviceJob {
	return iothub.DeviceJob{DeviceID: id, JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted,
		Outcome: &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: status, Payload: json.RawMessage(payload)}}}
}

// erred returns the job row of a device for which the hub reports an error.
func erred(id string, code iothub.Code) iothub.DeviceJob {
	return iothub.DeviceJob{DeviceID: id, JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceFailed,
		Error: &iothub.DeviceJobError{Code: string(code), Description: "the hub's words"}}
}

// makeReport returns a report with the given rows. As in a real report, the failed
// devices come first.
func makeReport(status iothub.JobStatus, missing int, rows ...iothub.DeviceJob) watch.Report {
	r := watch.Report{Job: iothub.Job{JobID: "j", Status: status}, Missing: missing}
	for _, failed := range []bool{true, false} {
		for _, row := range rows {
			if d := (watch.Device{DeviceJob: row, Verdict: row.Judge()}); d.Failed() == failed {
				r.Devices = append(r.Devices, d)
			}
		}
	}
	return r
}

// TestJobExitStatus checks that the exit status, the summary and the advice agree on
// which devices failed.
func TestJobExitStatus(t *testing.T) {
	ok := answered("ok", 200, `{"position":"locked"}`)
	jam := answered("jam", 500, `{"error":{"code":"jammed","message":"stuck"}}`)
	tests := []struct {
		name    string
		report  watch.Report
		status  int
		summary string
		advice  []string
	}{
		{"all succeeded", makeReport(iothub.JobCompleted, 0, ok), exitOK, "1 device: 1 succeeded, 0 failed", nil},
		{"an answer of 500", makeReport(iothub.JobCompleted, 0, ok, jam), exitDevices, "2 devices: 1 succeeded, 1 failed (1 refused)",
			[]string{"refused, jammed (jam): the bolt did not reach its position"}},
		{"a lock that waits for an open door", makeReport(iothub.JobCompleted, 0, ok, answered("d", 202, `{"position":"unlocked","pending":"door"}`)), exitDevices,
			"2 devices: 1 succeeded, 0 failed, 1 pending", []string{"pending (d): the door acts by itself"}},
		{"pending and jammed", makeReport(iothub.JobCompleted, 0, ok, jam, answered("d", 202, `{"position":"unlocked","pending":"exit"}`)), exitDevices,
			"3 devices: 1 succeeded, 1 failed (1 refused), 1 pending",
			[]string{"refused, jammed (jam)", "pending (d): the door acts by itself"}},
		{"an answer of another device", makeReport(iothub.JobCompleted, 0, answered("x", 400, `"no"`)), exitDevices, "1 device: 0 succeeded, 1 failed (1 refused)",
			[]string{"refused (x): the device answered with an error"}},
		{"offline and timed out", makeReport(iothub.JobCompleted, 0, erred("a", iothub.CodeDeviceNotOnline), erred("b", iothub.CodeGatewayTimeout)), exitDevices,
			"2 devices: 0 succeeded, 2 failed (1 timed out, 1 offline)",
			[]string{"offline (a): the gateway was not connected", "timed out (b): the gateway was called"}},
		{"a hub's error", makeReport(iothub.JobCompleted, 0, erred("a", iothub.CodeServerError)), exitDevices, "1 device: 0 succeeded, 1 failed",
			[]string{"failed (a): see the reason"}},
		{"a device without a row", makeReport(iothub.JobCompleted, 2, ok), exitDevices, "3 devices: 1 succeeded, 2 failed (2 unfinished)",
			[]string{"the hub has no result for 2 devices"}},
		{"an answer that is lost", makeReport(iothub.JobCompleted, 0, iothub.DeviceJob{DeviceID: "a", JobType: iothub.ScheduleDeviceMethod, Status: iothub.DeviceCompleted}),
			exitDevices, "1 device: 0 succeeded, 1 failed (1 uncertain)", []string{"uncertain (a)"}},
		{"no device", makeReport(iothub.JobCompleted, 0), exitFailed, "no devices: the condition selected none", nil},
		{"cancelled", makeReport(iothub.JobCancelled, 0), exitJob, "the job was cancelled before it started; no device was called", nil},
		{"failed, though all answered", makeReport(iothub.JobFailed, 0, ok), exitJob, "job failed; 1 device: 1 succeeded, 0 failed", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &app{errOut: &bytes.Buffer{}}
			if got := a.report("latchctl", jobExitStatus(tt.report)); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if got := fleet.SummaryLine(tt.report); got != tt.summary {
				t.Errorf("summary %q, want %q", got, tt.summary)
			}
			lines := fleet.Advise(tt.report)
			if len(lines) != len(tt.advice) {
				t.Fatalf("advice %q, want %q", lines, tt.advice)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line.String(), tt.advice[i]) {
					t.Errorf("advice %q, want %q", line, tt.advice[i])
				}
			}
		})
	}
}

// TestManyDevices checks that the table of a large job lists only the failed devices.
func TestManyDevices(t *testing.T) {
	var rows []iothub.DeviceJob
	for i := range 30 {
		if i%10 == 0 {
			rows = append(rows, erred(fmt.Sprintf("d%02d", i), iothub.CodeDeviceNotOnline))
		} else {
			rows = append(rows, answered(fmt.Sprintf("d%02d", i), 200, "null"))
		}
	}
	var out, errOut bytes.Buffer
	a := &app{out: &out, errOut: &errOut, format: "table"}
	if err := a.showReport(makeReport(iothub.JobCompleted, 0, rows...), false); err != nil {
		t.Fatal(err)
	}
	want := "DEVICE  RESULT   REASON/ANSWER\n" +
		"d00     offline  the hub's words\n" +
		"d10     offline  the hub's words\n" +
		"d20     offline  the hub's words\n" +
		"30 devices: 27 succeeded, 3 failed (3 offline)\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
	out.Reset()
	if err := a.showReport(makeReport(iothub.JobCompleted, 0, rows[1:10]...), false); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 11 {
		t.Errorf("%d lines for 9 devices", n)
	}
}

func TestResultJSONIsStable(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, errOut: &bytes.Buffer{}, format: "jsonl"}
	if err := a.showReport(makeReport(iothub.JobCompleted, 0, answered("a", 200, `{"n":1}`), erred("b", iothub.CodeDeviceNotOnline)), false); err != nil {
		t.Fatal(err)
	}
	want := `{"deviceId":"b","result":"offline","reason":"the hub's words"}` + "\n" + `{"deviceId":"a","result":"succeeded","status":200,"payload":{"n":1}}` + "\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

func TestCheckCondition(t *testing.T) {
	for where, want := range map[string]string{
		"tags.a = 1": "", "*": "", "selected = 1": "", "whereabouts = 'x'": "",
		" ": "empty", "SELECT * FROM devices": "whole SELECT", "select * from devices where a = 1": `--where "a = 1"`, "\nWhere\ta = 1": `--where "a = 1"`,
	} {
		err := checkCondition("--where", where)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", where, err, want)
		}
	}
}

func TestRowTableKeepsColumnsTogether(t *testing.T) {
	table := rowTable([]json.RawMessage{[]byte(`{"a":1,"etag":"x"}`), []byte(`{"b":{"$version":2,"n":null},"a":"text"}`), []byte(`3`)})
	want := [][]string{{"1"}, {"text", `{"n":null}`}, {"", "", "3"}}
	if !reflect.DeepEqual(table.Head, []string{"a", "b", "value"}) || !reflect.DeepEqual(table.Rows, want) {
		t.Errorf("%q %q", table.Head, table.Rows)
	}
}
