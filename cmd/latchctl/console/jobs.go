package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	// maxJobs is how many jobs the list shows, the newest ones.
	maxJobs = 100
	// maxEnded is how many of the jobs that have ended are kept with their results.
	maxEnded = 20
)

// job is a job as the page shows it, with the hub's own counts.
type job struct {
	ID      string           `json:"id"`
	What    string           `json:"what"`
	Where   string           `json:"where"`
	Status  iothub.JobStatus `json:"status"`
	Ended   bool             `json:"ended"`
	Reason  string           `json:"reason,omitempty"` // why it failed
	Created *time.Time       `json:"created,omitempty"`
	Start   *time.Time       `json:"start,omitempty"`
	End     *time.Time       `json:"end,omitempty"`
	Counts  *counts          `json:"counts,omitempty"`
	Verdict *verdict         `json:"verdict,omitempty"` // once the devices' rows are judged
	Note    string           `json:"note,omitempty"`    // what is wrong with following it
}

// counts are the hub's: a device that has answered may have refused.
type counts struct {
	Devices  int `json:"devices"`
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	Running  int `json:"running"`
	Pending  int `json:"pending"`
}

// verdict is what became of a job's devices, by the one judgement that there is.
type verdict struct {
	Devices   int `json:"devices"`
	Succeeded int `json:"succeeded"`
}

// followed is a job that is watched, or was.
type followed struct {
	job    job
	report any // what became of each device; nil until it is known
}

func newJob(j iothub.Job) job {
	v := job{ID: j.JobID, What: workText(j), Where: j.QueryCondition, Status: j.Status, Ended: j.Status.Ended(),
		Reason: shown(j.FailureReason), Created: j.CreatedTime, Start: j.StartTime, End: j.EndTime}
	if s := j.DeviceJobStatistics; s != nil {
		v.Counts = &counts{s.DeviceCount, s.SucceededCount, s.FailedCount, s.RunningCount, s.PendingCount}
	}
	return v
}

// workText says what a job does.
func workText(j iothub.Job) string {
	switch m := j.CloudToDeviceMethod; {
	case j.Type == iothub.ScheduleUpdateTwin:
		return "Change twins"
	case m == nil:
		return string(j.Type)
	case m.MethodName == "lockDoor":
		return "Lock"
	case m.MethodName == "unlockDoor":
		return "Unlock"
	default:
		return "Call " + m.MethodName
	}
}

// listJobs answers with the hub's jobs, the newest first.
func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	jobs := []job{}
	for j, err := range s.opts.Hub.Jobs(r.Context(), rest.JobFilter{}) {
		if err != nil {
			return err
		}
		jobs = append(jobs, newJob(j))
	}
	slices.SortStableFunc(jobs, func(a, b job) int { return newest(a.Created, b.Created) })
	jobs = jobs[:min(len(jobs), maxJobs)]
	s.board.do(r.Context(), func(b *board) {
		for i, j := range jobs {
			if f := b.jobs[j.ID]; f != nil && f.job.Ended {
				jobs[i].Verdict = f.job.Verdict
			}
		}
	})
	return answer(w, jobs)
}

func newest(a, b *time.Time) int {
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

// shownJob is a job with what became of its devices, as far as it is known.
type shownJob struct {
	Job    job `json:"job"`
	Report any `json:"report"`
}

// showJob answers with a job and its devices' rows as they are, and follows it
// if it has not ended.
func (s *Server) showJob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := iothub.CheckJobID(id); err != nil {
		return badRequest(err)
	}
	var known followed
	s.board.do(r.Context(), func(b *board) {
		if f := b.jobs[id]; f != nil {
			known = *f
		}
	})
	if known.report != nil {
		return answer(w, shownJob{known.job, known.report})
	}
	j, err := s.opts.Hub.Job(r.Context(), id)
	if err != nil {
		return err
	}
	report, err := watch.Rows(r.Context(), s.opts.Hub, j)
	if err != nil {
		return err
	}
	s.pace.spend(report.Total(), s.opts.Now())
	v := newJob(j)
	if !v.Ended {
		s.follow(j)
	} else {
		v.Verdict = &verdict{report.Total(), report.Succeeded()}
	}
	return answer(w, shownJob{v, s.opts.Report(report)})
}

// follow watches a job to its end and tells the pages, unless that is done
// already. It pauses while no page looks.
func (s *Server) follow(j iothub.Job) {
	fresh := false
	s.board.do(s.ctx, func(b *board) {
		if b.jobs[j.JobID] == nil {
			fresh = true
			b.setJob(newJob(j), nil)
		}
	})
	if !fresh {
		return
	}
	s.running.Go(func() {
		last := newJob(j)
		tell := func() { s.board.do(s.ctx, func(b *board) { b.setJob(last, nil) }) }
		report, err := watch.Job(s.ctx, s.opts.Hub, j.JobID, watch.Options{
			Now: s.opts.Now, Known: true,
			Sleep: func(ctx context.Context, d time.Duration) error {
				_, err := s.board.await(ctx)
				return errors.Join(s.opts.Sleep(ctx, d), err)
			},
			Progress: func(j iothub.Job) {
				last = newJob(j)
				last.Ended = false // until the rows are judged
				tell()
			},
			Note: func(text string) { last.Note = shown(text); tell() },
		})
		if err != nil {
			last.Note = shown(err.Error())
			s.board.do(s.ctx, func(b *board) {
				b.setJob(last, nil)
				delete(b.jobs, last.ID) // it is followed anew when it is looked at
			})
			return
		}
		last = newJob(report.Job)
		last.Verdict = &verdict{report.Total(), report.Succeeded()}
		s.pace.spend(report.Total(), s.opts.Now())
		live := false
		s.board.do(s.ctx, func(b *board) {
			b.setJob(last, s.opts.Report(report))
			live = b.live
		})
		if !live {
			s.refreshNow(1)
		}
	})
}

// setJob keeps a job as it is now, and tells the pages. Of those that have ended
// only the last ones are kept: the hub has them all.
func (b *board) setJob(j job, report any) {
	b.jobs[j.ID] = &followed{j, report}
	b.tell("job", j)
	if j.Ended {
		b.ended = append(b.ended, j.ID)
	}
	if len(b.ended) > maxEnded {
		delete(b.jobs, b.ended[0])
		b.ended = b.ended[1:]
	}
}
