package rollout

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// Event is an input of [Step]: something that happened to the rollout.
type Event interface{ event() }

// The events.
type (
	// Start means that the user starts or resumes the rollout.
	Start struct{}
	// Stop means that the user stops the rollout.
	Stop struct{ Reason string }
	// JobEnded means that the action RunJob is done, with the results of the job. Gone
	// holds the ids of the job's devices that are no longer in the registry.
	JobEnded struct {
		Report watch.Report
		Gone   []string
	}
	// SoakOver means that the action Soak is done.
	SoakOver struct{}
	// Checked means that the action Check is done. Failing holds the ids of the devices
	// whose twins do not meet the required condition, and Gone those of the devices that
	// were deleted from the registry.
	Checked struct{ Failing, Gone []string }
)

func (Start) event()    {}
func (Stop) event()     {}
func (JobEnded) event() {}
func (SoakOver) event() {}
func (Checked) event()  {}

// Action is an output of [Step]: the next thing to do.
type Action interface{ action() }

// The actions.
type (
	// RunJob means: create the job unless the hub has a job with its id, and follow it
	// until it ends.
	RunJob struct {
		Job         iothub.Job
		Devices     []string
		SubmittedAt time.Time // time of the first attempt to create the job
		IsRetry     bool      // an earlier attempt may have created the job
	}
	// Soak means: wait until the given time.
	Soak struct{ Until time.Time }
	// Check means: find the devices whose twins do not meet the required condition.
	Check struct{ Devices []string }
	// End means: do nothing. The rollout is done, or the user must decide how to
	// continue.
	End struct{}
)

func (RunJob) action() {}
func (Soak) action()   {}
func (Check) action()  {}
func (End) action()    {}

// Step processes an event and returns the rollout's new state and its next action. Save
// the new state before you perform the action.
func Step(r Rollout, e Event, now time.Time) (Rollout, Action) {
	r = r.clone()
	now = now.UTC()

	switch e := e.(type) {
	case Start:
		r.start()
	case Stop:
		if r.Status == Running {
			r.Status, r.Reason = Stopped, e.Reason
		}
	case JobEnded:
		r.jobEnded(e)
	case SoakOver:
		r.Phase, r.SoakUntil = Checking, nil
	case Checked:
		r.checked(e)
	}

	if r.Status != Running {
		return r, End{}
	}
	return r, r.next(now)
}

// start sets the status to running. A stopped or interrupted rollout continues where
// it was. An aborted rollout, or a completed one with failed devices, first calls the
// failed devices again.
func (r *Rollout) start() {
	retry := r.Status == Aborted || r.Status == Done
	r.Status, r.Reason = Running, ""
	if !retry {
		return
	}

	r.Phase, r.SoakUntil = Calling, nil
	for i := range r.Waves {
		if w := &r.Waves[i]; len(w.Failed) > 0 {
			r.addJobs(i, slices.Sorted(maps.Keys(w.Failed)))
			w.Failed, w.Passed = nil, false
		}
	}
}

// jobEnded records the results of a job that has ended. It aborts the rollout if the job
// itself failed or too many devices have failed.
func (r *Rollout) jobEnded(e JobEnded) {
	w := &r.Waves[r.CurrentWave()]
	j := &w.Jobs[w.currentJob()]
	j.Ended = true
	for id, failure := range failures(*j, e.Report) {
		w.fail(id, failure)
	}
	r.leaveOut(e.Gone)

	job := e.Report.Job
	if job.Status == iothub.JobCompleted {
		r.judge()
		return
	}

	r.Status, r.Reason = Aborted, fmt.Sprintf("job %s has status %s", j.ID, job.Status)
	if job.FailureReason != "" {
		r.Reason += ": " + job.FailureReason
	}
}

// checked records as failed the devices whose twins do not meet the required
// condition. The wave then passes, unless too many devices have failed.
func (r *Rollout) checked(result Checked) {
	w := &r.Waves[r.CurrentWave()]
	for _, id := range result.Failing {
		w.fail(id, Failure{Outcome: fleet.NotAsRequired, Reason: "the twin does not meet the condition: " + r.Rules.Require})
	}
	r.leaveOut(result.Gone)

	r.judge()
	if r.Status == Running && r.Phase == Checking { // leaveOut may have started the wave again
		r.passWave()
	}
}

// fail records the failure of a device of the wave.
func (w *Wave) fail(id string, failure Failure) {
	if w.Failed == nil {
		w.Failed = make(map[string]Failure)
	}
	w.Failed[id] = failure
}

// leaveOut leaves out devices of the current wave that were deleted from the registry.
// They have neither succeeded nor failed. If the wave has no device left, the next devices
// move up.
func (r *Rollout) leaveOut(ids []string) {
	i := r.CurrentWave()
	w := &r.Waves[i]
	size := len(w.Devices())

	for _, id := range ids {
		delete(w.Failed, id)
		if !slices.Contains(w.Gone, id) {
			w.Gone = append(w.Gone, id)
		}
	}
	slices.Sort(w.Gone)

	if size > 0 && len(w.Devices()) == 0 {
		r.moveUp(i, size)
	}
}

// passWave marks the current wave as passed.
func (r *Rollout) passWave() {
	r.Waves[r.CurrentWave()].Passed = true
	r.Phase, r.SoakUntil = Calling, nil
}

// next returns the next action of a running rollout. If the current phase needs no
// action, next moves the rollout to the following phase or wave.
func (r *Rollout) next(now time.Time) Action {
	for r.CurrentWave() < len(r.Waves) {
		w := &r.Waves[r.CurrentWave()]
		if i := w.currentJob(); i >= 0 {
			j := &w.Jobs[i]
			isRetry := j.SubmittedAt != nil
			if !isRetry {
				j.SubmittedAt = &now
			}
			return RunJob{Job: r.job(*j), Devices: j.Devices, SubmittedAt: *j.SubmittedAt, IsRetry: isRetry}
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
			r.passWave()
		}
	}

	r.Status = Done
	return End{}
}

// soaks reports whether the rollout waits for the soak time after the current wave.
// After the last wave it waits only if it must check the twins.
func (r *Rollout) soaks() bool {
	if len(r.Waves[r.CurrentWave()].Devices()) == 0 {
		return false
	}
	isLast := !slices.ContainsFunc(r.Waves[r.CurrentWave()+1:], func(w Wave) bool { return !w.Passed })
	return r.Rules.Soak > 0 && (!isLast || r.Rules.Require != "")
}

// succeeded returns the ids of the wave's devices that have not failed.
func (w Wave) succeeded() []string {
	return slices.DeleteFunc(w.Devices(), func(id string) bool {
		_, failed := w.Failed[id]
		return failed
	})
}
