package main

import (
	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
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

	if err := a.showResults(r, results); err != nil {
		return err
	}
	for _, advice := range fleet.Advise(r) {
		a.note("%s", advice)
	}

	return nil
}

// showResults prints the results of a job's devices as text. One door that has moved is a
// sentence. Other results are a table with a summary, which leaves out the successes of a
// large job and combines equal failures.
func (a *app) showResults(r watch.Report, results []fleet.Result) error {
	if len(results) == 1 && r.Total() == 1 && results[0].Motion() != "" {
		return a.printParagraph(results[0].DeviceID + " " + results[0].Motion())
	}
	if r.Counts()[iothub.Canceled] == r.Total() {
		results = nil
	}

	// The failed devices come first in the report, so this keeps only the failed
	// devices.
	if r.Total() >= fewDevices {
		results = results[:min(len(results), len(r.Failed()))]
	}
	if len(results) > 0 {
		if err := groupTable(results).Write(a.out, a.outWidth(), a.color()); err != nil {
			return err
		}
	}

	return a.printParagraph(fleet.SummaryLine(r))
}

// noteRetry tells the user how to call the failed devices of a job again.
func (a *app) noteRetry(r watch.Report) {
	for _, id := range fleet.Retryable(r) {
		a.note("to call the failed devices again, run: %s", a.command("job retry", id))
	}
}

// groupTable returns a table of results, in which equal failures are one row.
func groupTable(results []fleet.Result) *ui.Table {
	t := newResultTable()
	for _, g := range fleet.Groups(results) {
		device := g.Result.DeviceID
		if len(g.Devices) > 1 {
			device = words.Count(len(g.Devices), "device")
		}
		t.Add(device, string(g.Result.Result), g.Result.Text())
	}

	return t
}

// resultTable returns a table with one row for each result.
func resultTable(results []fleet.Result) *ui.Table {
	t := newResultTable()
	for _, d := range results {
		t.Add(d.DeviceID, string(d.Result), d.Text())
	}

	return t
}

func newResultTable() *ui.Table {
	return &ui.Table{Head: []string{"DEVICE", "RESULT", "REASON/ANSWER"}, WrapLast: true, Style: resultStyle}
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
