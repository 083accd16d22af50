package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// fewDevices is the number of devices from which a job's table lists only the failed
// devices. The table of a smaller job lists all devices.
const fewDevices = 20

// showReport prints the results of a job's devices. In the format table it also prints
// the remedies for the failed devices.
func (a *app) showReport(r watch.Report, onlyFailed bool) error {
	results := fleet.Results(r, onlyFailed)
	switch a.format {
	case "json":
		return printJSON(a.out, fleet.NewJobResult(r, onlyFailed))
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
	if err := a.printParagraph(fleet.SummaryLine(r)); err != nil {
		return err
	}

	for _, advice := range fleet.Advise(r) {
		a.note("%s", advice)
	}

	return nil
}

// resultTable returns a table of results. The last column shows the device's answer, or
// why the device failed.
func resultTable(results []fleet.Result) *ui.Table {
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
