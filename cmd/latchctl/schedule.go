package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

// scheduling is what all commands that schedule a job have in common.
type scheduling struct {
	choice
	start        string
	maxExecution seconds
	id           string
	watch        bool
	wait         seconds
	at           *time.Time // start, once it was checked
}

// addScheduleFlags adds the flags of "job schedule".
func (s *scheduling) addScheduleFlags(cmd *cobra.Command) {
	s.addFlags(cmd)
	cmd.Flags().StringVar(&s.start, "start", "now", "begin at `WHEN`: now, +10m, tomorrow 02:00, 2026-11-30 02:00, or a time such as 2026-11-24T02:00:00+01:00")
	cmd.Flags().StringVar(&s.id, "id", "", "give the job this `ID` instead of one made up")
	cmd.Flags().BoolVar(&s.watch, "watch", false, "wait for the job's end and show each device's result")
	s.addRunFlags(cmd)
}

// addRunFlags adds the flags that lock and unlock have too.
func (s *scheduling) addRunFlags(cmd *cobra.Command) {
	s.maxExecution = 3600
	cmd.Flags().Var(&s.maxExecution, "max-execution", "let the hub end the job after this time")
	cmd.Flags().Var(&s.wait, "wait", "wait this long at most, for a hub full of jobs and for the job's end, then exit with status 5; the job goes on")
}

// check looks at everything before anything is sent.
func (s *scheduling) check(a *app, cmd *cobra.Command) error {
	if err := s.choice.check(cmd); err != nil {
		return err
	}
	if s.id != "" {
		if err := jobID(cmd, s.id); err != nil {
			return err
		}
	}
	if err := s.checkTimes(cmd); err != nil {
		return err
	}
	var err error
	if s.at, err = parseStart(s.start, a.now(), a.local); err != nil {
		return usagef(cmd, "%w", err)
	}
	return nil
}

func (s *scheduling) checkTimes(cmd *cobra.Command) error {
	if s.maxExecution == 0 {
		return usagef(cmd, "--max-execution is 0; want a time such as 1h")
	}
	return nil
}

// work says what a job does.
type work struct {
	verb    string // for the question: "lock", "update the twins of"
	name    string // for a made up id: "lock", "twin"
	unlocks bool
}

// schedule sends a job, once the user agrees, and watches it if that was asked
// for. Its id, condition and times are those of s.
func (a *app) schedule(ctx context.Context, cmd *cobra.Command, s scheduling, job iothub.Job, what work) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	if goOn, err := a.settle(ctx, cmd, client, s.choice, what); err != nil || !goOn {
		return err
	}
	job.JobID = s.id
	if job.JobID == "" {
		job.JobID = a.madeUpID(what.name)
	}
	job.QueryCondition = s.condition()
	job.MaxExecutionTimeInSeconds = int64(s.maxExecution)
	job.StartTime = s.at // none is at once, by the hub's clock
	created, wait, err := a.createJob(ctx, client, job, s.wait)
	if err != nil {
		return err
	}
	if !s.watch {
		return a.showScheduled(created)
	}
	a.note("job %s", job.JobID)
	return a.follow(ctx, client, job.JobID, wait, true)
}

// madeUpID is an id that says what the job does and when it was made.
func (a *app) madeUpID(name string) string {
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

// showScheduled says that a job was taken, and how to follow it.
func (a *app) showScheduled(job iothub.Job) error {
	if a.format != "table" {
		return a.printOne(job, nil)
	}
	_, err := fmt.Fprintln(a.out, ui.Clean(job.JobID))
	state := string(job.Status)
	if job.Status == iothub.JobScheduled && job.StartTime != nil {
		state += " for " + a.localTime(job.StartTime)
	}
	a.note("job %s is %s; follow it with: latchctl job watch %s", job.JobID, state, job.JobID)
	return err
}

// follow watches a job to its end and shows what became of its devices.
func (a *app) follow(ctx context.Context, client *rest.Client, id string, wait seconds, known bool) error {
	report, err := a.watchJob(ctx, client, id, wait, known)
	if err != nil {
		return a.jobGoesOn(ctx, id, err)
	}
	if err := a.showReport(report, false); err != nil {
		return err
	}
	return judged(report)
}

// watchJob watches a job to its end. A job that is known to the hub is waited for
// even if the hub is away at first.
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

// jobGoesOn says so of a job that is not watched any more.
func (a *app) jobGoesOn(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil || errors.Is(err, watch.ErrTimeout) {
		a.note("the job goes on; take it up again with: latchctl job watch %s", id)
	}
	return err
}

// progress is a job as the line of progress shows it. A device that the hub
// counts as succeeded has answered a method; whether it did as told is only
// known from its row.
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
