package console

import (
	"context"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// maxJudged is the maximum number of jobs in the page's list that the console judges. It
// judges the newest ended jobs.
const maxJudged = 20

// judgeJobs starts to judge the newest ended jobs in a list whose verdict is not known
// yet. The hub's own counts do not tell whether a door obeyed, so the page says "reached"
// until then. It does nothing while an earlier list is being judged.
func (s *Server) judgeJobs(listed []iothub.Job) {
	var open []iothub.Job
	starts := false
	s.feed.do(s.ctx, func(f *feed) {
		f.forgetVerdicts(listed)
		for _, j := range listed[:min(len(listed), maxJudged)] {
			if j.Status.Ended() && f.verdictOf(j.JobID) == nil && f.jobs[j.JobID] == nil {
				open = append(open, j)
			}
		}

		starts = !f.judging && len(open) > 0
		f.judging = f.judging || starts
	})

	if starts {
		s.running.Go(func() {
			s.judge(s.ctx, open)
			s.feed.do(s.ctx, func(f *feed) { f.judging = false })
		})
	}
}

// judge reads the rows of ended jobs, one job after the other, and publishes the verdicts.
// It pauses while no page is open, and leaves out a job whose rows the hub does not send.
// The query budget delays it only while the hub sends no events (see gatherDelay).
func (s *Server) judge(ctx context.Context, jobs []iothub.Job) {
	for _, j := range jobs {
		if _, err := s.feed.awaitSubscriber(ctx); err != nil {
			return
		}
		live := false
		s.feed.do(ctx, func(f *feed) { live = f.live })
		if wait := s.budget.wait(s.opts.Fleet.Now()); !live && wait > 0 && s.opts.Fleet.Sleep(ctx, wait) != nil {
			return
		}

		report, err := watch.Rows(ctx, s.opts.Hub, j)
		s.budget.spend(report.Total(), s.opts.Fleet.Now())
		if err != nil {
			continue
		}

		judged := newJob(j)
		judged.Verdict = newVerdict(report)
		s.feed.do(ctx, func(f *feed) {
			f.verdicts[j.JobID] = judged.Verdict
			f.publish("job", judged)
		})
	}
}

// verdictOf returns the verdict on an ended job, or nil if it is not known.
func (f *feed) verdictOf(id string) *verdict {
	if tracked := f.jobs[id]; tracked != nil && tracked.job.Ended {
		return tracked.job.Verdict
	}
	return f.verdicts[id]
}

// forgetVerdicts removes the verdicts on jobs that are not in the list, so that the
// console keeps at most maxJobs of them.
func (f *feed) forgetVerdicts(listed []iothub.Job) {
	isListed := make(map[string]bool, len(listed))
	for _, j := range listed {
		isListed[j.JobID] = true
	}
	for id := range f.verdicts {
		if !isListed[id] {
			delete(f.verdicts, id)
		}
	}
}
