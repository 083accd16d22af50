package main

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type jobListOptions struct {
	app    *app
	cmd    *cobra.Command
	kind   string
	status string
	limit  int
}

func newJobList(a *app, run func(context.Context, *jobListOptions) error) *cobra.Command {
	if run == nil {
		run = runJobList
	}
	o := &jobListOptions{app: a}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, the newest first",
		Example: "  latchctl job list --status running",
		Args:    named(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd = cmd
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.kind, "type", "", "only jobs of this `TYPE`: method or twin")
	cmd.Flags().StringVar(&o.status, "status", "", "only jobs in this `STATUS`: "+statusList())
	cmd.Flags().IntVar(&o.limit, "limit", 0, "show at most `N` jobs; 0 is all")
	return cmd
}

// jobTypes are the names that the command line has for the types of jobs.
var jobTypes = map[string]iothub.JobType{
	"": "", "method": iothub.ScheduleDeviceMethod, "twin": iothub.ScheduleUpdateTwin,
	string(iothub.ScheduleDeviceMethod): iothub.ScheduleDeviceMethod, string(iothub.ScheduleUpdateTwin): iothub.ScheduleUpdateTwin,
}

var jobStatuses = []string{"queued", "scheduled", "running", "completed", "failed", "cancelled"}

func statusList() string {
	return strings.Join(jobStatuses[:len(jobStatuses)-1], ", ") + " or " + jobStatuses[len(jobStatuses)-1]
}

func runJobList(ctx context.Context, o *jobListOptions) error {
	kind, ok := jobTypes[o.kind]
	if !ok {
		return usagef(o.cmd, "--type %s: want method or twin", o.kind)
	}
	known := o.status == ""
	for _, s := range jobStatuses {
		known = known || s == o.status
	}
	if !known {
		return usagef(o.cmd, "--status %s: want %s", o.status, statusList())
	}
	if o.limit < 0 {
		return usagef(o.cmd, "--limit %d: want 0 or more", o.limit)
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	var jobs []iothub.Job
	for job, err := range client.Jobs(ctx, rest.JobFilter{Type: kind, Status: iothub.JobStatus(o.status)}) {
		if err != nil {
			return err
		}
		jobs = append(jobs, job)
	}
	sort.SliceStable(jobs, func(i, j int) bool {
		a, b := jobs[i].CreatedTime, jobs[j].CreatedTime
		return a != nil && (b == nil || a.After(*b))
	})
	if o.limit > 0 && len(jobs) > o.limit {
		jobs = jobs[:o.limit]
	}
	return printList(o.app, jobs, func() *ui.Table { return o.app.jobTable(jobs) })
}

// jobTable shows the hub's own counts: a device that answered may have refused.
func (a *app) jobTable(jobs []iothub.Job) *ui.Table {
	t := &ui.Table{Head: []string{"JOB", "STATUS", "START", "DEVICES", "ANSWERED", "FAILED", "WHAT"}, Optional: []int{4, 6, 2}}
	for _, job := range jobs {
		devices, answered, failed := "-", "-", "-"
		if s := job.DeviceJobStatistics; s != nil {
			devices, answered, failed = fmt.Sprint(s.DeviceCount), fmt.Sprint(s.SucceededCount), fmt.Sprint(s.FailedCount)
		}
		t.Add(job.JobID, string(job.Status), a.localTime(job.StartTime), devices, answered, failed, jobWork(job))
	}
	return t
}

// jobWork says what a job does.
func jobWork(job iothub.Job) string {
	switch {
	case job.CloudToDeviceMethod != nil:
		return job.CloudToDeviceMethod.MethodName
	case job.Type == iothub.ScheduleUpdateTwin:
		return "twin update"
	}
	return string(job.Type)
}
