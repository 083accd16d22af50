package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type rolloutShowOptions struct {
	app *app
	id  string
}

func newRolloutShow(a *app) *cobra.Command {
	o := &rolloutShowOptions{app: a}
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a rollout with its waves and its failed devices",
		Example: "  latchctl rollout show lockDoor-20261123-114500-4f3a9c01",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}
}

func (o *rolloutShowOptions) run(_ context.Context) error {
	r, err := o.app.showRollout(o.id)
	if err != nil {
		return err
	}
	if o.app.format != "table" {
		return o.app.printRollout(r)
	}

	out := o.app.out
	if err := o.app.printFields(out, o.app.rolloutFields(r)...); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := waveTable(r).Write(out, o.app.outWidth(), o.app.color()); err != nil {
		return err
	}

	if failed := failedResults(r); len(failed) > 0 {
		fmt.Fprintln(out)
		return resultTable(failed).Write(out, o.app.outWidth(), o.app.color())
	}

	return nil
}

// loadRollout loads a rollout from its file.
func (a *app) loadRollout(id string) (rollout.Rollout, error) {
	return a.readRollout(id, rollout.Store.Load)
}

// showRollout loads a rollout like loadRollout. A rollout that no process runs is stopped.
func (a *app) showRollout(id string) (rollout.Rollout, error) {
	return a.readRollout(id, rollout.Store.Show)
}

func (a *app) readRollout(id string, read func(rollout.Store, string) (rollout.Rollout, error)) (rollout.Rollout, error) {
	store, err := a.rollouts()
	if err != nil {
		return rollout.Rollout{}, err
	}

	r, err := read(store, id)
	if errors.Is(err, rollout.ErrNotFound) {
		err = fmt.Errorf("%w; see 'latchctl rollout list'", err)
	}

	return r, err
}

// rolloutFields returns the names and values that latchctl prints about a rollout.
func (a *app) rolloutFields(r rollout.Rollout) []string {
	abortAbove := r.Rules.AbortAbove.String()
	if r.Rules.MinDevices > 1 {
		abortAbove += fmt.Sprintf(" (of at least %d devices)", r.Rules.MinDevices)
	}

	return []string{
		"Rollout", r.ID,
		"Hub", r.OnHub().String(),
		"What", rolloutOperation(r.Work).Title,
		"Payload", payloadText(r.Work.Method),
		"Change", string(r.Work.UpdateTwin),
		"Condition", r.Where,
		"Created", a.localTime(&r.Created),
		"Soak", words.Duration(time.Duration(r.Rules.Soak) * time.Second),
		"Abort above", abortAbove,
		"Require", r.Rules.Require,
		"Status", string(r.Status),
		"Reason", r.Reason,
		"Devices", fmt.Sprintf("%d: %s", r.Counts().Devices, countsLine(r.Counts())),
	}
}

// rolloutOperation describes what a rollout does to each device.
func rolloutOperation(w rollout.Work) fleet.Operation {
	return fleet.OperationOf(iothub.Job{Type: w.Type, CloudToDeviceMethod: w.Method})
}

// countsLine formats counts as text: "2 succeeded, 1 failed, 2 to go, 1 skipped".
func countsLine(c rollout.Counts) string {
	line := fmt.Sprintf("%d succeeded, %d failed", c.Succeeded, c.Failed)
	if c.Pending > 0 {
		line += fmt.Sprintf(", %d to go", c.Pending)
	}
	if c.Gone > 0 {
		line += fmt.Sprintf(", %d left out", c.Gone)
	}
	if c.Skipped > 0 {
		line += fmt.Sprintf(", %d skipped", c.Skipped)
	}

	return line
}

// waveTable returns a table with one row for each wave of a rollout.
func waveTable(r rollout.Rollout) *ui.Table {
	t := &ui.Table{Head: []string{"WAVE", "DEVICES", "SUCCEEDED", "FAILED", "TO GO", "STATE", "JOBS"}, WrapLast: true, Optional: []int{4}}

	for i, w := range r.Waves {
		state := "waiting"
		switch {
		case w.Passed:
			state = "passed"
		case i == r.CurrentWave() && r.Status != rollout.Running:
			state = string(r.Status)
		case i == r.CurrentWave():
			state = string(r.Phase)
		}

		var jobs []string
		for _, j := range w.Jobs {
			if j.SubmittedAt != nil {
				jobs = append(jobs, j.ID)
			}
		}

		c := w.Counts()
		t.Add(fmt.Sprint(i+1), fmt.Sprint(c.Devices), fmt.Sprint(c.Succeeded), fmt.Sprint(c.Failed), fmt.Sprint(c.Pending), state, strings.Join(jobs, " "))
	}

	return t
}

// failedResults returns the results of a rollout's failed devices, sorted by wave and
// then by device id.
func failedResults(r rollout.Rollout) []fleet.Result {
	var results []fleet.Result
	for _, w := range r.Waves {
		for _, id := range slices.Sorted(maps.Keys(w.Failed)) {
			results = append(results, fleet.Result{DeviceID: id, Result: w.Failed[id].Outcome, Reason: w.Failed[id].Reason, Code: w.Failed[id].Code})
		}
	}

	return results
}

// rolloutResult is a rollout as -o json prints it.
type rolloutResult struct {
	rollout.Rollout
	Summary rollout.Counts `json:"summary"`
}

// rolloutDevice is a device of a rollout as -o jsonl prints it. A device that has not
// been called has the result "pending" without a reason.
type rolloutDevice struct {
	DeviceID string         `json:"deviceId"`
	Wave     int            `json:"wave"`
	Result   iothub.Outcome `json:"result"`
	Reason   string         `json:"reason,omitempty"`
}

// printRollout prints a rollout as one JSON object (-o json), or each of its devices as
// a line of JSON (-o jsonl).
func (a *app) printRollout(r rollout.Rollout) error {
	if a.format == "json" {
		return printJSON(a.out, rolloutResult{r, r.Counts()})
	}

	for i, w := range r.Waves {
		pending := w.Pending()
		slices.Sort(pending)

		for _, id := range w.Devices() {
			d := rolloutDevice{DeviceID: id, Wave: i + 1, Result: iothub.Succeeded}
			if failure, failed := w.Failed[id]; failed {
				d.Result, d.Reason = failure.Outcome, failure.Reason
			} else if _, isPending := slices.BinarySearch(pending, id); isPending {
				d.Result = "pending"
			}
			if err := printLine(a.out, d); err != nil {
				return err
			}
		}
		for _, id := range w.Gone {
			if err := printLine(a.out, rolloutDevice{DeviceID: id, Wave: i + 1, Result: iothub.Gone, Reason: leftOut}); err != nil {
				return err
			}
		}
		for _, id := range w.Skipped {
			if err := printLine(a.out, rolloutDevice{DeviceID: id, Wave: i + 1, Result: "skipped", Reason: "left out by --skip"}); err != nil {
				return err
			}
		}
	}

	return nil
}

// leftOut says why a rollout leaves out a device.
const leftOut = "left out, because it was deleted from the registry"

// reportRollout prints the result of a rollout that has ended, and how to continue it.
// It returns the rollout's exit status.
func (a *app) reportRollout(r rollout.Rollout) error {
	failed := failedResults(r)
	if a.format != "table" {
		if err := a.printRollout(r); err != nil {
			return err
		}
	} else if err := a.showRolloutResult(r, failed); err != nil {
		return err
	}

	var gone, skipped []string
	for _, w := range r.Waves {
		gone = append(gone, w.Gone...)
		skipped = append(skipped, w.Skipped...)
	}
	if len(gone) > 0 {
		a.note("left out, because they were deleted from the registry: %s", words.Names(gone))
	}

	if len(skipped) > 0 {
		a.note("skipped: %s", words.Names(skipped))
	}

	if r.Status != rollout.Done {
		a.note("%s: %s", r.Status, r.Reason)
		a.noteRunningJob(r)
	}

	switch {
	case r.Status == rollout.Stopped:
		a.note("no further job is created; to continue, run: %s", a.resumeCommand(r))
		return exitStatus(exitJob)
	case r.Status == rollout.Aborted:
		a.note("no further job is created; to call the failed devices again and continue, run: %s", a.resumeCommand(r))
		a.noteSkip(r, failed)
		return exitStatus(exitJob)
	case len(failed) > 0:
		a.note("to call the failed devices again, run: %s", a.resumeCommand(r))
		return exitStatus(exitDevices)
	}

	return nil
}

// maxSkipped is the number of failed devices up to which noteSkip prints the whole command.
const maxSkipped = 6

// noteSkip tells the user how to continue an aborted rollout without the failed devices.
func (a *app) noteSkip(r rollout.Rollout, failed []fleet.Result) {
	switch {
	case len(failed) > maxSkipped:
		a.note("to continue without some of them, add --skip ID for each")
		return
	case len(failed) == 0:
		return
	}

	command := a.resumeCommand(r)
	for _, d := range failed {
		command += " --skip " + words.ShellArgument(d.DeviceID)
	}
	a.note("to continue without them, run: %s", command)
}

// showRolloutResult prints a table of the failed devices, a summary, and the remedies.
func (a *app) showRolloutResult(r rollout.Rollout, failed []fleet.Result) error {
	if len(failed) > 0 {
		if err := resultTable(failed).Write(a.out, a.outWidth(), a.color()); err != nil {
			return err
		}
	}
	c := r.Counts()
	if err := a.printParagraph(fmt.Sprintf("rollout %s: %s: %s", r.Status, words.Count(c.Devices, "device"), countsLine(c))); err != nil {
		return err
	}

	var report watch.Report
	for _, d := range failed {
		report.Devices = append(report.Devices, watch.Device{
			DeviceJob: iothub.DeviceJob{DeviceID: d.DeviceID},
			Verdict:   iothub.Verdict{Outcome: d.Result, Reason: d.Reason, Code: d.Code},
		})
	}
	for _, advice := range fleet.Advise(report) {
		a.note("%s", advice)
	}

	return nil
}
