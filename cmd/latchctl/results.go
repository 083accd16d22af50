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
	"github.com/latchd/latchd/transport/iothub"
)

// fewDevices is the number below which all devices are listed, not only the
// failed ones.
const fewDevices = 20

// deviceResult is what became of a device, as -o json and jsonl have it.
type deviceResult struct {
	DeviceID string          `json:"deviceId"`
	Result   iothub.Outcome  `json:"result"`
	Reason   string          `json:"reason,omitempty"`
	Status   int             `json:"status,omitempty"`  // of the device's answer
	Payload  json.RawMessage `json:"payload,omitempty"` // of the device's answer
	Start    *time.Time      `json:"startTime,omitempty"`
	End      *time.Time      `json:"endTime,omitempty"`
}

// jobResult is a job with what became of its devices, as -o json has it.
type jobResult struct {
	Job     iothub.Job     `json:"job"`
	Summary jobSummary     `json:"summary"`
	Devices []deviceResult `json:"devices"`
}

type jobSummary struct {
	Devices   int                    `json:"devices"`
	Succeeded int                    `json:"succeeded"`
	Failed    int                    `json:"failed"`
	ByResult  map[iothub.Outcome]int `json:"byResult"`
}

// showReport prints what became of a job's devices, and what to do about it.
func (a *app) showReport(r watch.Report, onlyFailed bool) error {
	devices := r.Devices
	if onlyFailed {
		devices = r.Failed()
	}
	results := make([]deviceResult, len(devices))
	for i, d := range devices {
		results[i] = newDeviceResult(d)
	}
	switch a.format {
	case "json":
		return printJSON(a.out, jobResult{Job: r.Job, Summary: summarize(r), Devices: results})
	case "jsonl":
		return printList(a, results, nil)
	}
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

func newDeviceResult(d watch.Device) deviceResult {
	v := deviceResult{DeviceID: d.DeviceID, Result: d.Verdict.Outcome, Reason: d.Verdict.Reason, Start: d.StartTimeUTC, End: d.EndTimeUTC}
	if d.Outcome != nil && d.Outcome.DeviceMethodResponse != nil {
		v.Status, v.Payload = d.Outcome.DeviceMethodResponse.Status, d.Outcome.DeviceMethodResponse.Payload
	}
	return v
}

func summarize(r watch.Report) jobSummary {
	return jobSummary{Devices: r.Total(), Succeeded: r.Succeeded(), Failed: r.Total() - r.Succeeded(), ByResult: r.Counts()}
}

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

// answerText writes a device's answer on one line.
func answerText(status int, payload json.RawMessage) string {
	text := fmt.Sprint(status)
	var compact bytes.Buffer
	if json.Compact(&compact, payload) == nil && compact.String() != "null" {
		text += " " + compact.String()
	}
	return text
}

// resultStyle colours the results.
func resultStyle(column int, text string) string {
	if column != 1 {
		return ""
	}
	switch iothub.Outcome(text) {
	case iothub.Succeeded:
		return "32"
	case iothub.Unfinished, iothub.Canceled:
		return "33"
	}
	return "31"
}

// outcomes is the order in which results are told.
var outcomes = [...]iothub.Outcome{iothub.Refused, rollout.NotAsRequired, iothub.TimedOut, iothub.Uncertain, iothub.Offline,
	iothub.Gone, iothub.Failed, iothub.Canceled, iothub.Unfinished}

// summaryLine tells a job's end in one line: "3 devices: 2 succeeded, 1 failed".
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
		return prefix + "no device: the condition selected none"
	}
	failed := r.Total() - r.Succeeded()
	line := fmt.Sprintf("%s%s: %d succeeded, %d failed", prefix, plural(r.Total(), "device"), r.Succeeded(), failed)
	if failed == 0 {
		return line
	}
	var kinds []string
	for _, o := range outcomes {
		if n := r.Counts()[o]; n > 0 && (o != iothub.Failed || n != failed) {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(kinds) > 0 {
		line += " (" + strings.Join(kinds, ", ") + ")"
	}
	return line
}
