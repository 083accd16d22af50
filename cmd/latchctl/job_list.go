package main

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type jobListOptions struct {
	app     *app
	jobType string
	status  string
	limit   int
}

func newJobList(a *app) *cobra.Command {
	o := &jobListOptions{app: a}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, the newest first",
		Example: "  latchctl job list --status running",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().StringVar(&o.jobType, "type", "", "list only jobs of this `TYPE`: method or twin")
	cmd.Flags().StringVar(&o.status, "status", "", "list only jobs with this `STATUS`: "+statusList())
	cmd.Flags().IntVar(&o.limit, "limit", 0, "list at most `N` jobs; 0 lists all")

	return cmd
}

// jobTypes maps the values of --type to the job types of the service API. --type also
// accepts the service API's own names.
var jobTypes = map[string]iothub.JobType{
	"": "", "method": iothub.ScheduleDeviceMethod, "twin": iothub.ScheduleUpdateTwin,
	string(iothub.ScheduleDeviceMethod): iothub.ScheduleDeviceMethod, string(iothub.ScheduleUpdateTwin): iothub.ScheduleUpdateTwin,
}

// jobStatuses lists the values of --status.
var jobStatuses = []string{"queued", "scheduled", "running", "completed", "failed", "cancelled"}

// statusList returns the values of --status as text: "queued, ..., failed or
// cancelled".
func statusList() string {
	last := len(jobStatuses) - 1
	return strings.Join(jobStatuses[:last], ", ") + " or " + jobStatuses[last]
}

func (o *jobListOptions) run(ctx context.Context) error {
	jobType, ok := jobTypes[o.jobType]
	if !ok {
		return usagef("--type %s: want method or twin", o.jobType)
	}
	if o.status != "" && !slices.Contains(jobStatuses, o.status) {
		return usagef("--status %s: want %s", o.status, statusList())
	}
	if o.limit < 0 {
		return usagef("--limit %d: want 0 or more", o.limit)
	}

	client, err := o.app.client()
	if err != nil {
		return err
	}
	var jobs []iothub.Job
	for job, err := range client.Jobs(ctx, rest.JobFilter{Type: jobType, Status: iothub.JobStatus(o.status)}) {
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

// jobTable returns a table of jobs. It does not read the devices' results, so it says how
// many devices a job has reached, not on how many it has succeeded.
func (a *app) jobTable(jobs []iothub.Job) *ui.Table {
	t := &ui.Table{Head: []string{"JOB", "STATUS", "START", "DEVICES", "WHAT"}, Optional: []int{4, 2}}

	for _, job := range jobs {
		devices := "-"
		if s := job.DeviceJobStatistics; s != nil {
			devices = fmt.Sprintf("%d of %d %s", s.SucceededCount, s.DeviceCount, reachedWord(job))
		}
		t.Add(job.JobID, string(job.Status), a.localTime(job.StartTime), devices, fleet.OperationOf(job).Title)
	}

	return t
}
