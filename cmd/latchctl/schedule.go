package main

import (
	"context"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
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
	if s.startTime, err = fleet.ParseStart(s.start, a.now(), a.local); err != nil {
		return usagef("%w", err)
	}

	return nil
}

// startsLater reports whether the job starts in the future.
func (s *scheduling) startsLater(a *app) bool {
	return s.startTime != nil && s.startTime.After(a.now())
}

func (s *scheduling) checkTimes() error {
	if s.maxExecution == 0 {
		return usagef("--max-execution is 0; want a duration such as 1h")
	}

	return nil
}

// schedule selects devices, asks the user for confirmation if it is needed, and creates
// one or more jobs. With --watch it waits for their end. The jobs' ids, conditions and
// times come from s.
func (a *app) schedule(ctx context.Context, f *fleet.Fleet, s scheduling, job iothub.Job, op fleet.Operation) error {
	work, err := a.prepare(ctx, f, s, job, op)
	if err != nil || len(work.Jobs) == 0 {
		return err
	}
	if s.watch {
		return a.runAndReport(ctx, f, work, fleet.AcknowledgeTime)
	}

	created, failure := f.Create(ctx, work)
	if len(created) > 0 {
		if err := a.showScheduled(created); err != nil {
			return err
		}
	}
	if failure != nil && len(created) > 0 {
		a.note("only %d of %s could be scheduled", len(created), words.Count(len(work.Jobs), "job"))
	}

	return failure
}

// prepare selects devices and asks the user for confirmation if it is needed. It returns
// the jobs to create, or no jobs after a dry run.
func (a *app) prepare(ctx context.Context, f *fleet.Fleet, s scheduling, job iothub.Job, op fleet.Operation) (fleet.Work, error) {
	if op.When == "" && s.startsLater(a) {
		op.When = "at " + fleet.ZoneTime(*s.startTime, a.local)
	}
	if s.dryRun {
		devices, err := f.Find(ctx, s.Selection)
		if err != nil {
			return fleet.Work{}, err
		}
		return fleet.Work{}, a.showSelected(f, devices, op)
	}
	if err := f.Approve(ctx, s.Selection, op); err != nil {
		return fleet.Work{}, err
	}

	job.JobID, job.StartTime = s.id, s.startTime
	job.MaxExecutionTimeInSeconds = int64(s.maxExecution)

	return fleet.Work{Name: "the command", Jobs: f.Plan(s.Selection, job, op), Devices: len(s.IDs), Wait: s.wait.duration()}, nil
}

// runAndReport runs jobs one after the other, prints the result of each device and
// returns the exit status. If the jobs change desired properties that latchd acknowledges,
// it waits up to acknowledge for the doors' acknowledgements. If an error ends the jobs
// early, it prints the results that it has.
func (a *app) runAndReport(ctx context.Context, f *fleet.Fleet, work fleet.Work, acknowledge time.Duration) error {
	report, failure := f.Run(ctx, work)
	if report.Total() == 0 && failure != nil {
		return failure
	}

	desired := fleet.DesiredOf(work.Jobs[0])
	report, err := f.Acknowledged(ctx, report, desired, acknowledge)
	if err != nil {
		a.note("the job has changed the twins, but latchctl could not read the doors' acknowledgements")
		return err
	}
	if err := a.showReport(report, false); err != nil {
		return err
	}
	a.noteRetry(report)

	if failure == nil && desired != nil {
		return twinExitStatus(report)
	}
	return a.workExitStatus(work, report, failure)
}

// twinExitStatus returns the exit status of a change of desired properties, as an error. A
// pending device does not count as failed, because it follows later: its twin holds the
// change.
func twinExitStatus(r watch.Report) error {
	counts := r.Counts()
	pending, silent := counts[iothub.Pending], counts[iothub.TimedOut]

	switch {
	case r.Job.Status != iothub.JobCompleted, r.Total() == 0:
		return jobExitStatus(r)
	case r.Succeeded()+pending+silent < r.Total():
		return exitStatus(exitDevices)
	case silent > 0:
		return exitStatus(exitTimedOut)
	}

	return nil
}

// workExitStatus returns the exit status of jobs, as an error. failure is the error that
// ended the jobs early, or nil.
func (a *app) workExitStatus(work fleet.Work, report watch.Report, failure error) error {
	if failure == nil {
		return jobExitStatus(report)
	}

	a.note("%s stopped early; %s had no result", work.Name, words.Count(work.Devices-report.Total(), "device"))
	return failure
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
			state += " for " + fleet.ZoneTime(*job.StartTime, a.local)
		}
		a.note("job %s on %s is %s; watch it with: %s", job.JobID, a.hub, state, a.command("job watch", job.JobID))
	}

	return nil
}

// watchAndReport waits for the end of an existing job, prints the result of each device
// and returns the job's exit status.
func (a *app) watchAndReport(ctx context.Context, id string, wait seconds) error {
	f, err := a.fleet()
	if err != nil {
		return err
	}

	report, err := f.Follow(ctx, id, wait.duration())
	if err != nil {
		return err
	}
	if err := a.showReport(report, false); err != nil {
		return err
	}
	a.noteRetry(report)

	return jobExitStatus(report)
}

// showProgress starts the progress line of a job. It returns a function that shows the
// job's state, and a function that removes the line.
func (a *app) showProgress() (show func(iothub.Job), end func()) {
	printer := &ui.Printer{W: a.errOut}
	if a.errTerminal {
		printer.Width = a.width
	}
	a.notes = printer.Note

	show = func(job iothub.Job) { printer.Show(a.now(), a.progress(job)) }
	end = func() {
		printer.Clear()
		a.notes = nil
	}

	return show, end
}

// progress returns the content of the progress line for a job.
func (a *app) progress(job iothub.Job) ui.Progress {
	p := ui.Progress{State: string(job.Status), Word: reachedWord(job)}

	if job.Status == iothub.JobScheduled && job.StartTime != nil && job.StartTime.After(a.now()) {
		p.State = "scheduled for " + a.localTime(job.StartTime)
		return p
	}

	if s := job.DeviceJobStatistics; s != nil {
		p.Counts = ui.Counts{Total: s.DeviceCount, Succeeded: s.SucceededCount, Failed: s.FailedCount, Running: s.RunningCount, Pending: s.PendingCount}
	}

	return p
}

// reachedWord says what has happened to the devices that the hub counts as succeeded. The
// hub counts every device that has answered a method, even with a refusal, and every
// device whose twin it has changed.
func reachedWord(job iothub.Job) string {
	if job.Type == iothub.ScheduleUpdateTwin {
		return "updated"
	}

	return "reached"
}
