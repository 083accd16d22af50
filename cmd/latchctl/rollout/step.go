package rollout

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// Event is what has happened to a rollout.
type Event interface{ event() }

// The events. Begin is a person's wish that the rollout go on, the first time too.
type (
	Begin    struct{}
	Stop     struct{ Reason string }       // a person's wish that it end
	JobEnded struct{ Report watch.Report } // the job of the last RunJob
	SoakOver struct{}                      // the time of the last Soak
	Checked  struct{ Failing []string }    // those of the last Check that do not meet the condition
)

func (Begin) event()    {}
func (Stop) event()     {}
func (JobEnded) event() {}
func (SoakOver) event() {}
func (Checked) event()  {}

// Action is what is to be done next.
type Action interface{ action() }

// The actions.
type (
	// RunJob: find this job of the hub or, if there is none of its id, create it,
	// and follow it to its end.
	RunJob struct {
		Job     iothub.Job
		Devices []string
		Begun   time.Time
		Again   bool // it was tried before, and may exist
	}
	Soak  struct{ Until time.Time }
	Check struct{ Devices []string } // which do not meet the condition?
	End   struct{}                   // nothing: it is over, or a person is to decide
)

func (RunJob) action() {}
func (Soak) action()   {}
func (Check) action()  {}
func (End) action()    {}

// Step returns what becomes of a rollout by an event, and what is to be done then.
// The new state must be on disk before it is done.
func Step(r Rollout, e Event, now time.Time) (Rollout, Action) {
	r = r.clone()
	now = now.UTC()
	switch e := e.(type) {
	case Begin:
		r.begin()
	case Stop:
		if r.Status == Running {
			r.Status, r.Reason = Stopped, e.Reason
		}
	case JobEnded:
		r.jobEnded(e.Report)
	case SoakOver:
		r.Phase, r.SoakUntil = Checking, nil
	case Checked:
		r.checked(e.Failing)
	}
	if r.Status != Running {
		return r, End{}
	}
	return r, r.next(now)
}

// begin sets the rollout going. What a person stopped, or what was left, goes on
// where it was. After an abort, and after an end with failed devices, these are
// called again first.
func (r *Rollout) begin() {
	retry := r.Status == Aborted || r.Status == Done
	r.Status, r.Reason = Running, ""
	if !retry {
		return
	}
	r.Phase, r.SoakUntil = Calling, nil
	for i := range r.Waves {
		if w := &r.Waves[i]; len(w.Failed) > 0 {
			r.plan(i, slices.Sorted(maps.Keys(w.Failed)))
			w.Failed, w.Passed = nil, false
		}
	}
}

// jobEnded takes a job's rows. It aborts as soon as the wave cannot pass any more.
func (r *Rollout) jobEnded(report watch.Report) {
	w := &r.Waves[r.At()]
	j := &w.Jobs[w.open()]
	j.Ended = true
	for id, why := range failures(*j, report) {
		w.fail(id, why)
	}
	if report.Job.Status == iothub.JobCompleted {
		r.judge()
		return
	}
	r.Status, r.Reason = Aborted, fmt.Sprintf("job %s is %s", j.ID, report.Job.Status)
	if report.Job.FailureReason != "" {
		r.Reason += ": " + report.Job.FailureReason
	}
}

// checked takes the devices that do not meet the condition.
func (r *Rollout) checked(failing []string) {
	w := &r.Waves[r.At()]
	for _, id := range failing {
		w.fail(id, Failure{NotAsRequired, "its twin does not meet: " + r.Rules.Require})
	}
	if r.judge(); r.Status == Running {
		r.pass()
	}
}

func (w *Wave) fail(id string, why Failure) {
	if w.Failed == nil {
		w.Failed = make(map[string]Failure)
	}
	w.Failed[id] = why
}

// pass ends the wave.
func (r *Rollout) pass() {
	r.Waves[r.At()].Passed = true
	r.Phase, r.SoakUntil = Calling, nil
}

// next says what a running rollout does next.
func (r *Rollout) next(now time.Time) Action {
	for r.At() < len(r.Waves) {
		w := &r.Waves[r.At()]
		if i := w.open(); i >= 0 {
			j := &w.Jobs[i]
			again := j.Begun != nil
			if !again {
				j.Begun = &now
			}
			return RunJob{Job: r.job(*j), Devices: j.Devices, Begun: *j.Begun, Again: again}
		}
		switch r.Phase {
		case Calling:
			r.Phase = Checking
			if r.soaks() {
				until := now.Add(time.Duration(r.Rules.Soak) * time.Second)
				r.Phase, r.SoakUntil = Soaking, &until
			}
		case Soaking:
			return Soak{*r.SoakUntil}
		case Checking:
			if r.Rules.Require != "" {
				return Check{w.succeeded()}
			}
			r.pass()
		}
	}
	r.Status = Done
	return End{}
}

// soaks reports whether the wave's devices are waited for. After the last wave
// there is nothing to wait for but the condition.
func (r *Rollout) soaks() bool {
	last := !slices.ContainsFunc(r.Waves[r.At()+1:], func(w Wave) bool { return !w.Passed })
	return r.Rules.Soak > 0 && (!last || r.Rules.Require != "")
}

func (w Wave) succeeded() []string {
	return slices.DeleteFunc(w.Devices(), func(id string) bool {
		_, failed := w.Failed[id]
		return failed
	})
}
