package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
)

// jobsKept is how long IoT Hub keeps a job that has ended, less a day.
const jobsKept = 29 * 24 * time.Hour

// Hands do what a step says. Each waits until it is done, and gives up when the
// context ends.
type Hands struct {
	// Job makes sure that the hub has the job, and follows it to its end.
	Job func(ctx context.Context, job RunJob) (watch.Report, error)
	// Sleep waits until a time.
	Sleep func(ctx context.Context, until time.Time) error
	// Failing returns those devices whose twins do not meet the condition.
	Failing func(ctx context.Context, devices []string, condition string) ([]string, error)

	Save func(Rollout) error
	Now  func() time.Time
	// Tell is told of each step, once it is on disk.
	Tell func(r Rollout, next Action)
}

// Run takes a rollout on from an event to its end, or until ctx ends. It returns
// the rollout as its file has it: after an error it can be taken up again.
func Run(ctx context.Context, r Rollout, e Event, h Hands) (Rollout, error) {
	for {
		next, action := Step(r, e, h.Now())
		if err := h.Save(next); err != nil {
			return r, err
		}
		r = next
		h.Tell(r, action)
		var err error
		if e, err = h.do(ctx, r, action); err != nil {
			var stop stopAsked
			if !errors.As(context.Cause(ctx), &stop) {
				return r, err
			}
			e = Stop{stop.reason}
		}
		if e == nil {
			return r, nil
		}
	}
}

// do carries out an action and returns what came of it; nothing after the last.
func (h Hands) do(ctx context.Context, r Rollout, action Action) (Event, error) {
	switch a := action.(type) {
	case RunJob:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if age := h.Now().Sub(a.Begun); age > jobsKept {
			return nil, fmt.Errorf("job %s was to be created %d days ago, and a hub keeps jobs for 30 days: whether its devices were called "+
				"is not known any more, so they are not called again; begin a new rollout", a.Job.JobID, int(age.Hours()/24))
		}
		report, err := h.Job(ctx, a)
		return JobEnded{report}, err
	case Soak:
		return SoakOver{}, h.Sleep(ctx, a.Until)
	case Check:
		failing, err := h.Failing(ctx, a.Devices, r.Rules.Require)
		return Checked{failing}, err
	}
	return nil, nil
}
