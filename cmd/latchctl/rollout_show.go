package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type rolloutShowOptions struct {
	app *app
	cmd *cobra.Command
	id  string
}

func newRolloutShow(a *app, run func(context.Context, *rolloutShowOptions) error) *cobra.Command {
	if run == nil {
		run = runRolloutShow
	}
	o := &rolloutShowOptions{app: a}
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a rollout with its waves and its failed devices",
		Example: "  latchctl rollout show lockDoor-20261123-114500-4f3a9c01",
		Args:    named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
}

func runRolloutShow(_ context.Context, o *rolloutShowOptions) error {
	r, err := o.app.loadRollout(o.id)
	if err != nil {
		return err
	}
	switch o.app.format {
	case "json", "jsonl":
		return o.app.printRollout(r)
	}
	out := o.app.out
	if err := o.app.fields(out, o.app.rolloutFields(r)...); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := waveTable(r).Write(out, o.app.outWidth(), o.app.color()); err != nil {
		return err
	}
	if failed := failedDevices(r); len(failed) > 0 {
		fmt.Fprintln(out)
		return resultTable(failed).Write(out, o.app.outWidth(), o.app.color())
	}
	return nil
}

// loadRollout reads a rollout's file.
func (a *app) loadRollout(id string) (rollout.Rollout, error) {
	store, err := a.rollouts()
	if err != nil {
		return rollout.Rollout{}, err
	}
	r, err := store.Load(id)
	if errors.Is(err, rollout.ErrNotFound) {
		err = fmt.Errorf("%w; see 'latchctl rollout list'", err)
	}
	return r, err
}

func (a *app) rolloutFields(r rollout.Rollout) []string {
	judged := ""
	if r.Rules.MinDevices > 1 {
		judged = fmt.Sprintf(" (judged by %d devices or more)", r.Rules.MinDevices)
	}
	payload := ""
	if m := r.Work.Method; m != nil && len(m.Payload) > 0 && string(m.Payload) != "null" {
		payload = string(m.Payload)
	}
	return []string{
		"Rollout", r.ID,
		"Hub", r.Hub,
		"What", rolloutWork(r),
		"Payload", payload,
		"Change", string(r.Work.UpdateTwin),
		"Condition", r.Where,
		"Created", a.localTime(&r.Created),
		"Soak", ui.Duration(time.Duration(r.Rules.Soak) * time.Second),
		"Abort above", r.Rules.AbortAbove.String() + judged,
		"Require", r.Rules.Require,
		"Status", string(r.Status),
		"Reason", r.Reason,
		"Devices", fmt.Sprintf("%d: %s", r.Counts().Devices, countsLine(r.Counts())),
	}
}

// rolloutWork says what a rollout does to each device.
func rolloutWork(r rollout.Rollout) string {
	return jobWork(iothub.Job{Type: r.Work.Type, CloudToDeviceMethod: r.Work.Method})
}

// countsLine tells counts in words, those that are not zero.
func countsLine(c rollout.Counts) string {
	line := fmt.Sprintf("%d succeeded, %d failed", c.Succeeded, c.Failed)
	if c.Pending > 0 {
		line += fmt.Sprintf(", %d to go", c.Pending)
	}
	return line
}

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

// failedDevices are the devices without success, wave by wave, each in order.
func failedDevices(r rollout.Rollout) []deviceResult {
	var results []deviceResult
	for _, w := range r.Waves {
		for _, id := range slices.Sorted(maps.Keys(w.Failed)) {
			results = append(results, deviceResult{DeviceID: id, Result: w.Failed[id].Outcome, Reason: w.Failed[id].Reason})
		}
	}
	return results
}

// rolloutResult is a rollout as -o json has it.
type rolloutResult struct {
	rollout.Rollout
	Summary rollout.Counts `json:"summary"`
}

// rolloutDevice is a device of a rollout as -o jsonl has it. Its result is pending
// before it was called.
type rolloutDevice struct {
	DeviceID string         `json:"deviceId"`
	Wave     int            `json:"wave"`
	Result   iothub.Outcome `json:"result"`
	Reason   string         `json:"reason,omitempty"`
}

// printRollout prints a rollout as JSON, or its devices as lines of JSON.
func (a *app) printRollout(r rollout.Rollout) error {
	if a.format == "json" {
		return printJSON(a.out, rolloutResult{r, r.Counts()})
	}
	for i, w := range r.Waves {
		pending := make(map[string]bool)
		for _, id := range w.Pending() {
			pending[id] = true
		}
		for _, id := range w.Devices() {
			d := rolloutDevice{DeviceID: id, Wave: i + 1, Result: iothub.Succeeded}
			if failure, failed := w.Failed[id]; failed {
				d.Result, d.Reason = failure.Outcome, failure.Reason
			} else if pending[id] {
				d.Result = "pending"
			}
			if err := printLine(a.out, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// rolloutEnded shows how a rollout has ended, and returns the status that it stands for.
func (a *app) rolloutEnded(r rollout.Rollout) error {
	failed := failedDevices(r)
	if a.format != "table" {
		if err := a.printRollout(r); err != nil {
			return err
		}
	} else {
		if len(failed) > 0 {
			if err := resultTable(failed).Write(a.out, a.outWidth(), a.color()); err != nil {
				return err
			}
		}
		c := r.Counts()
		if err := a.printParagraph(fmt.Sprintf("rollout %s: %s: %s", r.Status, plural(c.Devices, "device"), countsLine(c))); err != nil {
			return err
		}
		var report watch.Report
		for _, d := range failed {
			report.Devices = append(report.Devices, watch.Device{
				DeviceJob: iothub.DeviceJob{DeviceID: d.DeviceID}, Verdict: iothub.Verdict{Outcome: d.Result, Reason: d.Reason}})
		}
		for _, line := range advice(report) {
			a.note("%s", line)
		}
	}
	if r.Status != rollout.Done {
		a.note("%s: %s", r.Status, r.Reason)
		if job := r.RunningJob(); job != "" {
			a.note("job %s may run, and goes on to its end", job)
		}
	}
	switch {
	case r.Status == rollout.Stopped:
		a.note("no further job is scheduled; to go on: latchctl rollout resume %s", r.ID)
	case r.Status == rollout.Aborted:
		a.note("no further job is scheduled; to call the failed devices again and go on: latchctl rollout resume %s", r.ID)
	case len(failed) > 0:
		a.note("to call the failed devices again: latchctl rollout resume %s", r.ID)
		return outcome(exitDevices)
	default:
		return nil
	}
	return outcome(exitJob)
}
