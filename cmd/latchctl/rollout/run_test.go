package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var errKilled = errors.New("killed")

// simulation simulates a hub with devices, and the process that runs a rollout. The
// process can be killed after any number of steps.
type simulation struct {
	now    time.Time
	disk   Rollout         // the state that the process has saved
	jobs   map[string]bool // jobs that the hub has
	called map[string]int  // number of calls of each device, by id
	log    []string        // actions that were carried out

	// stepsLeft is the number of steps until the process is killed. A negative number
	// means never.
	stepsLeft int
}

func newSimulation(r Rollout) *simulation {
	return &simulation{now: start, disk: r, jobs: make(map[string]bool), called: make(map[string]int), stepsLeft: -1}
}

// do executes an action in two steps, so that the process can be killed before and
// after the action.
func (w *simulation) do(action string, f func()) error {
	if w.stepsLeft == 0 {
		return errKilled
	}
	w.stepsLeft--
	f()
	w.log = append(w.log, action)

	if w.stepsLeft == 0 {
		return errKilled
	}
	w.stepsLeft--
	return nil
}

func (w *simulation) executor() Executor {
	return Executor{
		Now:    func() time.Time { return w.now },
		OnStep: func(Rollout, Action) {},
		Save:   func(r Rollout) error { return w.do("save", func() { w.disk = r.clone() }) },
		SleepUntil: func(_ context.Context, until time.Time) error {
			return w.do("sleep", func() { w.now = until })
		},
		RunJob: func(_ context.Context, run RunJob) (JobEnded, error) {
			job, devices := run.Job, run.Devices
			err := w.do("create "+job.JobID, func() {
				if !w.jobs[job.JobID] {
					w.jobs[job.JobID] = true
					for _, id := range devices {
						w.called[id]++
					}
				}
			})
			if err == nil {
				err = w.do("follow "+job.JobID, func() {})
			}
			return ended(job, devices), err
		},
		FindFailing: func(_ context.Context, devices []string, condition string) (Checked, error) {
			return Checked{}, w.do(fmt.Sprintf("check %s of %d", condition, len(devices)), func() {})
		},
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	w := newSimulation(makeRollout(t, 10, "1,100%", Rules{Soak: 60, Require: "x"}))
	r, err := Run(t.Context(), w.disk, Start{}, w.executor())
	if err != nil || r.Status != Done {
		t.Fatalf("%s, %v", r.Status, err)
	}
	const want = "save, create r-w1, follow r-w1, save, sleep, save, check x of 1, " +
		"save, create r-w2, follow r-w2, save, sleep, save, check x of 9, save"
	if got := strings.Join(w.log, ", "); got != want {
		t.Errorf("actions:\n%s, want\n%s", got, want)
	}
	if w.now != start.Add(2*time.Minute) {
		t.Errorf("the rollout ended at %s", w.now)
	}
}

// The process is killed after every possible step, restarted, and killed again after
// every possible step. Each device is still called exactly once.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for first := 0; ; first++ {
		killed := false
		for second := 0; ; second++ {
			w := newSimulation(makeRollout(t, 6, "1,3,100%", Rules{Soak: 60, Require: "x"}))
			w.stepsLeft = first
			_, err := Run(t.Context(), w.disk, Start{}, w.executor())
			if err == nil {
				break
			}
			killed = true

			w.stepsLeft = second
			_, err = Run(t.Context(), w.disk, Start{}, w.executor())
			killedAgain := err != nil
			if killedAgain {
				w.stepsLeft = -1
				if _, err = Run(t.Context(), w.disk, Start{}, w.executor()); err != nil {
					t.Fatal(err)
				}
			}

			for _, id := range ids(6) {
				if w.called[id] != 1 {
					t.Fatalf("killed after %d and %d steps: %s was called %d times; actions %s", first, second, id, w.called[id], w.log)
				}
			}
			if c := w.disk.Counts(); w.disk.Status != Done || c.Succeeded != 6 {
				t.Fatalf("killed after %d and %d steps: %s, %+v", first, second, w.disk.Status, c)
			}
			if !killedAgain {
				break
			}
		}
		if !killed {
			if first < 20 {
				t.Errorf("the process was killed in only %d places", first)
			}
			return
		}
	}
}

// A request to stop ends the current wait, and the rollout saves the status "stopped".
// An interrupt (Ctrl-C) does not change the saved status.
func TestStoppedAndInterrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		cause error
		want  Status
	}{
		{"stop request", stopError{"enough"}, Stopped},
		{"interrupt", context.Canceled, Running},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newSimulation(makeRollout(t, 2, "1,100%", Rules{Soak: 60}))
			ctx, cancel := context.WithCancelCause(t.Context())
			x := w.executor()
			x.SleepUntil = func(ctx context.Context, _ time.Time) error {
				cancel(tt.cause)
				<-ctx.Done()
				return ctx.Err()
			}

			r, err := Run(ctx, w.disk, Start{}, x)
			if (err == nil) != (tt.want == Stopped) || r.Status != tt.want || w.disk.Status != tt.want {
				t.Fatalf("%s, on disk %s, %v", r.Status, w.disk.Status, err)
			}
			if r, err = Run(t.Context(), w.disk, Start{}, w.executor()); err != nil || r.Status != Done {
				t.Errorf("after resuming: %s, %v", r.Status, err)
			}
		})
	}
}

// If the user requests a stop before the first job, the rollout creates no job.
func TestStoppedBeforeFirstJob(t *testing.T) {
	t.Parallel()
	w := newSimulation(makeRollout(t, 2, "1,100%", Rules{}))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopError{"enough"})
	r, err := Run(ctx, w.disk, Start{}, w.executor())
	if err != nil || r.Status != Stopped || len(w.jobs) > 0 {
		t.Errorf("%s, %v, jobs %v", r.Status, err, w.jobs)
	}
}

// A hub deletes old jobs. The rollout does not create a job again that the hub may have
// deleted.
func TestOldJobIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newSimulation(makeRollout(t, 2, "1,100%", Rules{}))
	w.stepsLeft = 2 // killed after the job was saved
	if _, err := Run(t.Context(), w.disk, Start{}, w.executor()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.stepsLeft, w.now = -1, start.AddDate(0, 0, 30)
	_, err := Run(t.Context(), w.disk, Start{}, w.executor())
	if err == nil || !strings.Contains(err.Error(), "job r-w1 may have been created 30 days ago") || len(w.jobs) > 0 {
		t.Errorf("%v, jobs %v", err, w.jobs)
	}
}
