package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/termtext"
	"github.com/spf13/cobra"
)

// scheduling holds the flags that all commands that schedule a job have in common.
type scheduling struct {
	selection
	start        string
	maxExecution seconds
	id           string // the job's id; latchctl generates an id if it is empty
	watch        bool
	wait         seconds // how long to wait for the job; 0 means no limit

	startTime *time.Time // the value of --start, parsed by check; nil means at once
}

// addScheduleFlags adds the flags of "job schedule".
func (s *scheduling) addScheduleFlags(cmd *cobra.Command) {
	s.addFlags(cmd)
	s.addStartFlag(cmd)
	cmd.Flags().StringVar(&s.id, "id", "", "give the job this `ID` instead of a generated one")
	cmd.Flags().BoolVar(&s.watch, "watch", false, "wait for the job's end and show each device's result")
	s.addRunFlags(cmd)
}

// addStartFlag adds --start.
func (s *scheduling) addStartFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.start, "start", "now", "start the job at `TIME`: now, +10m, 'tomorrow 02:00', '2026-11-30 02:00' or RFC 3339 such as 2026-11-24T02:00:00+01:00")
}

// addRunFlags adds the flags that lock and unlock share with "job schedule".
func (s *scheduling) addRunFlags(cmd *cobra.Command) {
	s.maxExecution = 3600
	cmd.Flags().Var(&s.maxExecution, "max-execution", "let the hub end the job after this time")
	cmd.Flags().Var(&s.wait, "wait", "stop waiting for the job's end after this time, with exit status 5; a started job continues")
}

// check validates all flags and parses --start. It sends no request.
func (s *scheduling) check(a *app, cmd *cobra.Command) error {
	if err := s.selection.check(cmd); err != nil {
		return err
	}
	if s.id != "" {
		if err := checkJobID(s.id); err != nil {
			return err
		}
	}
	if err := s.checkTimes(); err != nil {
		return err
	}

	var err error
	if s.startTime, err = parseStart(s.start, a.now(), a.local); err != nil {
		return usagef("%w", err)
	}

	return nil
}

func (s *scheduling) checkTimes() error {
	if s.maxExecution == 0 {
		return usagef("--max-execution is 0; want a duration such as 1h")
	}

	return nil
}

// operation describes to the user what a job does to each device, as in "lock" or
// "update the twins of".
type operation struct {
	verb    string // verb for questions and notes: "lock", "update the twins of"
	when    string // description of the time, such as "until 2026-11-30 18:00 CET"; empty means at once
	name    string // first word of generated job ids: "lock", "twin"
	confirm caution
}

// on describes the operation on the given devices to the user: "unlock 2 devices until
// ...".
func (op operation) on(devices []selectedDevice) string {
	text := op.verb + " " + words.Count(len(devices), "device")
	if op.when != "" {
		text += " " + op.when
	}

	return text
}

// caution says for how many devices an operation needs the user's confirmation. Above
// confirm_above devices, every operation needs it.
type caution int

const (
	confirmMany   caution = iota // for more than confirm_above devices
	confirmTwo                   // for two devices or more, such as an unlock
	confirmAlways                // even for one device
)

// schedule selects devices, asks the user for confirmation if it is needed, and creates
// one or more jobs. With --watch it waits for their end. The jobs' ids, conditions and
// times come from s.
func (a *app) schedule(ctx context.Context, client *rest.Client, s scheduling, job iothub.Job, op operation) error {
	series, err := a.prepare(ctx, client, s, job, op)
	if err != nil || len(series.jobs) == 0 {
		return err
	}
	if s.watch {
		return a.runAndReport(ctx, client, series)
	}

	created, failure := a.createJobs(ctx, client, series)
	if len(created) > 0 {
		if err := a.showScheduled(created); err != nil {
			return err
		}
	}
	if failure != nil && len(created) > 0 {
		a.note("only %d of %s could be scheduled", len(created), words.Count(len(series.jobs), "job"))
	}

	return failure
}

// prepare selects devices and asks the user for confirmation if it is needed. It returns
// the jobs to create, or no jobs after a dry run.
func (a *app) prepare(ctx context.Context, client *rest.Client, s scheduling, job iothub.Job, op operation) (jobSeries, error) {
	if goOn, err := a.confirmSelection(ctx, client, s.selection, op); err != nil || !goOn {
		return jobSeries{}, err
	}

	job.MaxExecutionTimeInSeconds = int64(s.maxExecution)
	job.StartTime = s.startTime

	series := jobSeries{name: "the command", devices: len(s.ids), wait: s.wait}
	if len(s.ids) > 0 {
		series.jobs = a.newSeries(job, s.ids, op.name)
		return series, nil
	}

	job.JobID, job.QueryCondition = s.id, s.where
	if job.JobID == "" {
		job.JobID = a.newJobID(op.name)
	}
	series.jobs = []iothub.Job{job}

	return series, nil
}

// newJobID generates a job id from the name of an operation, the time and random
// letters.
func (a *app) newJobID(name string) string {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
	if len(word) > 30 {
		word = word[:30]
	}

	return word + "-" + a.now().UTC().Format("20060102-150405") + "-" + a.newID()
}

// showScheduled prints the ids of new jobs, and for each job a note with its state and
// the command that watches it.
func (a *app) showScheduled(jobs []iothub.Job) error {
	if a.format != "table" {
		if len(jobs) == 1 {
			return a.printOne(jobs[0], nil)
		}
		return printList(a, jobs, nil)
	}

	for _, job := range jobs {
		if _, err := fmt.Fprintln(a.out, termtext.Clean(job.JobID)); err != nil {
			return err
		}

		state := string(job.Status)
		if job.Status == iothub.JobScheduled && job.StartTime != nil {
			state += " for " + a.localTime(job.StartTime)
		}
		a.note("job %s is %s; watch it with: latchctl job watch %s", job.JobID, state, words.ShellArgument(job.JobID))
	}

	return nil
}

// watchAndReport waits for the end of an existing job, prints the result of each device
// and returns the job's exit status.
func (a *app) watchAndReport(ctx context.Context, client *rest.Client, id string, wait seconds) error {
	report, err := a.watchJob(ctx, client, id, wait, false)
	if err != nil {
		a.noteJobContinues(ctx, id, err)
		return err
	}
	if err := a.showReport(report, false); err != nil {
		return err
	}

	return jobExitStatus(report)
}

// watchJob prints a job's progress until the job ends, and returns the results. If
// known is true, the hub has accepted the job, and watchJob retries even if the first
// request does not reach the hub.
func (a *app) watchJob(ctx context.Context, client *rest.Client, id string, wait seconds, known bool) (watch.Report, error) {
	printer := &ui.Printer{W: a.errOut}
	if a.errTerminal {
		printer.Width = a.width
	}
	a.notes = printer.Note
	defer func() { a.notes = nil }()

	report, err := watch.Job(ctx, client, id, watch.Options{
		Now:   a.now,
		Sleep: a.sleep,
		Limit: time.Duration(wait) * time.Second,
		Known: known,
		Note:  func(text string) { a.note("%s", text) },
		Progress: func(job iothub.Job) {
			printer.Show(a.now(), a.progress(job))
		},
	})
	printer.Clear()

	return report, err
}

// noteJobContinues tells the user that a job continues on the hub. It prints nothing
// unless err means that latchctl stopped watching the job.
func (a *app) noteJobContinues(ctx context.Context, id string, err error) {
	if ctx.Err() != nil || errors.Is(err, watch.ErrTimeout) {
		a.note("the job continues; watch it again with: latchctl job watch %s", words.ShellArgument(id))
	}
}

// progress returns the content of the progress line for a job. The line says "answered"
// instead of "succeeded", because the hub counts every device that has answered a
// method, even with a refusal.
func (a *app) progress(job iothub.Job) ui.Progress {
	p := ui.Progress{State: string(job.Status), Word: "answered"}
	if job.Type == iothub.ScheduleUpdateTwin {
		p.Word = "updated"
	}

	if job.Status == iothub.JobScheduled && job.StartTime != nil && job.StartTime.After(a.now()) {
		p.State = "scheduled for " + a.localTime(job.StartTime)
		return p
	}

	if s := job.DeviceJobStatistics; s != nil {
		p.Counts = ui.Counts{Total: s.DeviceCount, Succeeded: s.SucceededCount, Failed: s.FailedCount, Running: s.RunningCount, Pending: s.PendingCount}
	}

	return p
}
