package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	// maxJobs is the maximum number of jobs in the page's list, which shows the newest
	// jobs.
	maxJobs = 100
	// maxEnded is the number of ended jobs whose results the console keeps.
	maxEnded = 20
)

// job is a job as the page shows it.
type job struct {
	ID      string           `json:"id"`
	What    string           `json:"what"` // action, such as "Lock"
	Where   string           `json:"where"`
	Status  iothub.JobStatus `json:"status"`
	Ended   bool             `json:"ended"`
	Reason  string           `json:"reason,omitempty"` // why the job failed
	Created *time.Time       `json:"created,omitempty"`
	Start   *time.Time       `json:"start,omitempty"`
	End     *time.Time       `json:"end,omitempty"`
	Counts  *counts          `json:"counts,omitempty"`
	Verdict *verdict         `json:"verdict,omitempty"` // nil until the console has judged the devices' results
	Note    string           `json:"note,omitempty"`    // latest problem of the console in following the job
}

// counts holds the hub's own counts of a job's devices. A device that has answered may
// have refused the command.
type counts struct {
	Devices  int `json:"devices"`
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	Running  int `json:"running"`
	Pending  int `json:"pending"`
}

// verdict counts a job's devices by the console's own judgement. Unlike the hub's
// counts, it does not count a refused command as a success.
type verdict struct {
	Devices   int `json:"devices"`
	Succeeded int `json:"succeeded"`
	Pending   int `json:"pending,omitempty"` // devices that will act later, such as an open door that locks when it is closed
}

// trackedJob is a job that the console follows, or has followed to its end.
type trackedJob struct {
	job    job
	report any // result of each device; nil until the job has ended
}

func newJob(j iothub.Job) job {
	v := job{
		ID: j.JobID, What: fleet.OperationOf(j).Title, Where: j.QueryCondition,
		Status: j.Status, Ended: j.Status.Ended(), Reason: shown(j.FailureReason),
		Created: j.CreatedTime, Start: j.StartTime, End: j.EndTime,
	}
	if s := j.DeviceJobStatistics; s != nil {
		v.Counts = &counts{s.DeviceCount, s.SucceededCount, s.FailedCount, s.RunningCount, s.PendingCount}
	}

	return v
}

// listJobs sends the page the hub's jobs, newest first.
func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	var listed []iothub.Job
	for j, err := range s.opts.Hub.Jobs(r.Context(), rest.JobFilter{}) {
		if err != nil {
			return err
		}
		listed = append(listed, j)
	}
	slices.SortStableFunc(listed, func(a, b iothub.Job) int { return compareNewest(a.CreatedTime, b.CreatedTime) })
	listed = listed[:min(len(listed), maxJobs)]

	jobs := make([]job, len(listed))
	s.feed.do(r.Context(), func(f *feed) {
		for i, j := range listed {
			jobs[i] = newJob(j)
			jobs[i].Verdict = f.verdictOf(j.JobID)
		}
	})
	s.judgeJobs(listed)

	return respond(w, jobs)
}

// compareNewest compares two times so that newer times come first and missing times
// come last.
func compareNewest(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return b.Compare(*a)
}

// jobDetail is a job with the result of each device.
type jobDetail struct {
	Job    job `json:"job"`
	Report any `json:"report"`
}

// showJob sends the page a job and the current results of its devices. If the job has
// not ended, the console starts to follow it.
func (s *Server) showJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := iothub.CheckJobID(id); err != nil {
		return badRequest(err)
	}

	var tracked trackedJob
	s.feed.do(r.Context(), func(f *feed) {
		if t := f.jobs[id]; t != nil {
			tracked = *t
		}
	})
	if tracked.report != nil {
		return respond(w, jobDetail{tracked.job, tracked.report})
	}

	j, err := s.opts.Hub.Job(r.Context(), id)
	if err != nil {
		return err
	}
	report, err := watch.Rows(r.Context(), s.opts.Hub, j)
	if err != nil {
		return err
	}
	s.budget.spend(report.Total(), s.opts.Fleet.Now())

	v := newJob(j)
	if v.Ended {
		v.Verdict = newVerdict(report)
	} else {
		s.follow(j)
	}
	return respond(w, jobDetail{v, newReport(report)})
}

// jobReport is the result of a job as the page receives it: the fields that -o json
// prints, and the remedies for the failed devices.
type jobReport struct {
	fleet.JobResult
	Advice []string `json:"advice"`
}

func newReport(r watch.Report) jobReport {
	report := jobReport{JobResult: fleet.NewJobResult(r, false)}
	for _, a := range fleet.Advise(r) {
		report.Advice = append(report.Advice, a.String())
	}

	return report
}

// cancelJob handles a page's request to cancel a job that has not started.
func (s *Server) cancelJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := iothub.CheckJobID(id); err != nil {
		return badRequest(err)
	}

	canceled, err := s.opts.Fleet.Cancel(r.Context(), id)
	if fleet.HasStatus(err, http.StatusBadRequest) {
		return badRequest(err)
	}
	if err != nil {
		return err
	}
	return respond(w, newJob(canceled))
}

func newVerdict(r watch.Report) *verdict {
	return &verdict{Devices: r.Total(), Succeeded: r.Succeeded(), Pending: r.Counts()[iothub.Pending]}
}

// follow starts to follow a job, unless the console already follows it.
func (s *Server) follow(j iothub.Job) {
	isNew := false
	s.feed.do(s.ctx, func(f *feed) {
		if f.jobs[j.JobID] == nil {
			isNew = true
			f.setJob(newJob(j), nil)
		}
	})

	if isNew {
		s.running.Go(func() { s.followToEnd(newJob(j)) })
	}
}

// followToEnd publishes each change of a job until the job has ended and its devices are
// judged. It pauses while no page is open.
func (s *Server) followToEnd(current job) {
	publish := func() { s.feed.do(s.ctx, func(f *feed) { f.setJob(current, nil) }) }

	report, err := watch.Job(s.ctx, s.opts.Hub, current.ID, watch.Options{
		Now:   s.opts.Fleet.Now,
		Known: true,
		Sleep: func(ctx context.Context, d time.Duration) error {
			_, err := s.feed.awaitSubscriber(ctx)
			return errors.Join(s.opts.Fleet.Sleep(ctx, d), err)
		},
		Progress: func(j iothub.Job) {
			current = newJob(j)
			current.Ended = false // for the page, the job ends when the devices are judged
			publish()
		},
		Note: func(text string) { current.Note = shown(text); publish() },
	})

	if err != nil {
		current.Note = shown(err.Error())
		s.feed.do(s.ctx, func(f *feed) {
			f.setJob(current, nil)
			delete(f.jobs, current.ID) // if the user opens the job, the console follows it again
		})
		return
	}

	s.budget.spend(report.Total(), s.opts.Fleet.Now())
	current = newJob(report.Job)
	current.Verdict = newVerdict(report)

	live := false
	s.feed.do(s.ctx, func(f *feed) {
		f.setJob(current, newReport(report))
		live = f.live
	})
	if !live {
		s.refreshNow(1)
	}
}

// setJob stores the state of a job and publishes it. It forgets all ended jobs but the
// last maxEnded, because the hub still has them.
func (f *feed) setJob(j job, report any) {
	f.jobs[j.ID] = &trackedJob{j, report}
	f.publish("job", j)

	if j.Ended {
		f.ended = append(f.ended, j.ID)
	}
	if len(f.ended) > maxEnded {
		delete(f.jobs, f.ended[0])
		f.ended = f.ended[1:]
	}
}
