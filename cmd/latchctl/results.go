package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
)

// fewDevices is the number of devices from which a job's table lists only the failed
// devices. The table of a smaller job lists all devices.
const fewDevices = 20

// deviceResult is a device's result, as -o json and -o jsonl print it.
type deviceResult struct {
	DeviceID string          `json:"deviceId"`
	Result   iothub.Outcome  `json:"result"`
	Reason   string          `json:"reason,omitempty"`
	Status   int             `json:"status,omitempty"`  // the status of the device's answer
	Code     string          `json:"code,omitempty"`    // the error code in the device's answer
	Payload  json.RawMessage `json:"payload,omitempty"` // the payload of the device's answer
	Start    *time.Time      `json:"startTime,omitempty"`
	End      *time.Time      `json:"endTime,omitempty"`
}

// jobResult is a job with the results of its devices, as -o json prints it.
type jobResult struct {
	Job     iothub.Job     `json:"job"`
	Summary jobSummary     `json:"summary"`
	Devices []deviceResult `json:"devices"`
}

// jobSummary holds the numbers of a job's devices by result.
type jobSummary struct {
	Devices   int                    `json:"devices"`
	Succeeded int                    `json:"succeeded"`
	Failed    int                    `json:"failed"`
	ByResult  map[iothub.Outcome]int `json:"byResult"`
}

// showReport prints the results of a job's devices. In the format table it also prints
// the remedies for the failed devices.
func (a *app) showReport(r watch.Report, onlyFailed bool) error {
	results := deviceResults(r, onlyFailed)
	switch a.format {
	case "json":
		return printJSON(a.out, jobResult{Job: r.Job, Summary: summarize(r), Devices: results})
	case "jsonl":
		return printList(a, results, nil)
	}

	// The failed devices come first in the report, so this keeps only the failed
	// devices.
	if r.Total() >= fewDevices {
		results = results[:len(r.Failed())]
	}
	if len(results) > 0 {
		if err := resultTable(results).Write(a.out, a.outWidth(), a.color()); err != nil {
			return err
		}
	}
	if err := a.printParagraph(summaryLine(r)); err != nil {
		return err
	}

	for _, line := range advice(r) {
		a.note("%s", line)
	}

	return nil
}

// deviceResults returns the results of all devices of a report, or only of the failed
// devices.
func deviceResults(r watch.Report, onlyFailed bool) []deviceResult {
	devices := r.Devices
	if onlyFailed {
		devices = r.Failed()
	}

	results := make([]deviceResult, len(devices))
	for i, d := range devices {
		results[i] = newDeviceResult(d)
	}

	return results
}

func newDeviceResult(d watch.Device) deviceResult {
	result := deviceResult{
		DeviceID: d.DeviceID,
		Result:   d.Verdict.Outcome,
		Reason:   d.Verdict.Reason,
		Code:     d.Verdict.Code,
		Start:    d.StartTimeUTC,
		End:      d.EndTimeUTC,
	}
	if d.Outcome != nil && d.Outcome.DeviceMethodResponse != nil {
		result.Status = d.Outcome.DeviceMethodResponse.Status
		result.Payload = d.Outcome.DeviceMethodResponse.Payload
	}

	return result
}

func summarize(r watch.Report) jobSummary {
	return jobSummary{Devices: r.Total(), Succeeded: r.Succeeded(), Failed: r.Total() - r.Succeeded(), ByResult: r.Counts()}
}

// resultTable returns a table of results. The last column shows the device's answer, or
// why the device failed.
func resultTable(results []deviceResult) *ui.Table {
	t := &ui.Table{Head: []string{"DEVICE", "RESULT", "REASON/ANSWER"}, WrapLast: true, Style: resultStyle}

	for _, d := range results {
		text := d.Reason
		if text == "" && d.Status != 0 {
			text = answerText(d.Status, d.Payload)
		}
		t.Add(d.DeviceID, string(d.Result), text)
	}

	return t
}

// answerText returns the status and the payload of a device's answer on one line.
func answerText(status int, payload json.RawMessage) string {
	text := fmt.Sprint(status)

	var compact bytes.Buffer
	if json.Compact(&compact, payload) == nil && compact.String() != "null" {
		text += " " + compact.String()
	}

	return text
}

// resultStyle returns the terminal colour of a cell in the column RESULT: green,
// yellow or red.
func resultStyle(column int, text string) string {
	const green, yellow, red = "32", "33", "31"

	if column != 1 {
		return ""
	}
	switch iothub.Outcome(text) {
	case iothub.Succeeded:
		return green
	case iothub.Pending, iothub.Unfinished, iothub.Canceled:
		return yellow
	}

	return red
}

// failedOutcomes lists the outcomes of failed devices in the order in which summaryLine
// prints them.
var failedOutcomes = [...]iothub.Outcome{iothub.Refused, rollout.NotAsRequired, iothub.TimedOut, iothub.Uncertain, iothub.Offline,
	iothub.Gone, iothub.Failed, iothub.Canceled, iothub.Unfinished}

// summaryLine returns a job's result on one line: "3 devices: 1 succeeded, 1 failed (1
// refused), 1 pending". A pending device acts later by itself, so it does not count as
// failed.
func summaryLine(r watch.Report) string {
	prefix := ""
	switch r.Job.Status {
	case iothub.JobFailed:
		prefix = "job failed"
		if r.Job.FailureReason != "" {
			prefix += ": " + r.Job.FailureReason
		}
		prefix += "; "
	case iothub.JobCancelled:
		prefix = "job cancelled; "
	}
	if r.Total() == 0 {
		return prefix + "no devices: the condition selected none"
	}

	pending := r.Counts()[iothub.Pending]
	failed := r.Total() - r.Succeeded() - pending
	line := fmt.Sprintf("%s%s: %d succeeded, %d failed", prefix, words.Count(r.Total(), "device"), r.Succeeded(), failed)

	var kinds []string
	for _, o := range failedOutcomes {
		n := r.Counts()[o]
		// Omit "(1 failed)" after "1 failed", because it repeats the number.
		if n > 0 && (o != iothub.Failed || n != failed) {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(kinds) > 0 {
		line += " (" + strings.Join(kinds, ", ") + ")"
	}
	if pending > 0 {
		line += fmt.Sprintf(", %d pending", pending)
	}

	return line
}
