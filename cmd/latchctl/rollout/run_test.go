package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
)

var errKilled = errors.New("killed")

// world is a hub with devices, and the process that runs the rollout, which is
// killed when it has done so many things.
type world struct {
	now    time.Time
	disk   Rollout
	jobs   map[string]bool // that the hub has
	called map[string]int  // how often each device was called
	done   []string        // what was done
	left   int             // things until the process is killed; below 0: it is not
}

func newWorld(r Rollout) *world {
	return &world{now: start, disk: r, jobs: make(map[string]bool), called: make(map[string]int), left: -1}
}

// do does a thing, unless the process is killed before. It may be killed right after too.
func (w *world) do(what string, f func()) error {
	for i := range 2 {
		if w.left == 0 {
			return errKilled
		}
		w.left--
		if i == 0 {
			f()
			w.done = append(w.done, what)
		}
	}
	return nil
}

func (w *world) hands() Hands {
	return Hands{
		Now:  func() time.Time { return w.now },
		Tell: func(Rollout, Action) {},
		Save: func(r Rollout) error { return w.do("save", func() { w.disk = r.clone() }) },
		Sleep: func(_ context.Context, until time.Time) error {
			return w.do("sleep", func() { w.now = until })
		},
		Job: func(_ context.Context, run RunJob) (watch.Report, error) {
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
			return ended(job, devices).Report, err
		},
		Failing: func(_ context.Context, devices []string, condition string) ([]string, error) {
			return nil, w.do(fmt.Sprintf("check %s of %d", condition, len(devices)), func() {})
		},
	}
}

func TestRun(t *testing.T) {
	w := newWorld(makeRollout(t, 10, "1,100%", Rules{Soak: 60, Require: "x"}))
	r, err := Run(t.Context(), w.disk, Begin{}, w.hands())
	if err != nil || r.Status != Done {
		t.Fatalf("%s, %v", r.Status, err)
	}
	const want = "save, create r-w1, follow r-w1, save, sleep, save, check x of 1, " +
		"save, create r-w2, follow r-w2, save, sleep, save, check x of 9, save"
	if got := strings.Join(w.done, ", "); got != want {
		t.Errorf("done:\n%s, want\n%s", got, want)
	}
	if w.now != start.Add(2*time.Minute) {
		t.Errorf("it ended at %s", w.now)
	}
}

// The process is killed after each thing that it does, and again after each thing
// that it does once it was started anew. At the end every device was called once.
func TestKilledAnywhere(t *testing.T) {
	for first := 0; ; first++ {
		killed := false
		for second := 0; ; second++ {
			w := newWorld(makeRollout(t, 6, "1,3,100%", Rules{Soak: 60, Require: "x"}))
			w.left = first
			_, err := Run(t.Context(), w.disk, Begin{}, w.hands())
			if err == nil {
				break
			}
			killed = true
			w.left = second
			_, err = Run(t.Context(), w.disk, Begin{}, w.hands())
			again := err != nil
			if again {
				w.left = -1
				if _, err = Run(t.Context(), w.disk, Begin{}, w.hands()); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range ids(6) {
				if w.called[id] != 1 {
					t.Fatalf("killed after %d and %d things: %s was called %d times; %s", first, second, id, w.called[id], w.done)
				}
			}
			if c := w.disk.Counts(); w.disk.Status != Done || c.Succeeded != 6 {
				t.Fatalf("killed after %d and %d things: %s, %+v", first, second, w.disk.Status, c)
			}
			if !again {
				break
			}
		}
		if !killed {
			if first < 20 {
				t.Errorf("it was killed in %d places only", first)
			}
			return
		}
	}
}

// A wish to stop ends what is being waited for, and is written down. What is left
// by an interrupt is not.
func TestStoppedAndInterrupted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		want  Status
	}{
		{"a wish to stop", stopAsked{"enough"}, Stopped},
		{"an interrupt", context.Canceled, Running},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(makeRollout(t, 2, "1,100%", Rules{Soak: 60}))
			ctx, cancel := context.WithCancelCause(t.Context())
			h := w.hands()
			h.Sleep = func(ctx context.Context, _ time.Time) error {
				cancel(tt.cause)
				<-ctx.Done()
				return ctx.Err()
			}
			r, err := Run(ctx, w.disk, Begin{}, h)
			if (err == nil) != (tt.want == Stopped) || r.Status != tt.want || w.disk.Status != tt.want {
				t.Fatalf("%s, on disk %s, %v", r.Status, w.disk.Status, err)
			}
			if r, err = Run(t.Context(), w.disk, Begin{}, w.hands()); err != nil || r.Status != Done {
				t.Errorf("taken up: %s, %v", r.Status, err)
			}
		})
	}
}

// A wish to stop that is there before the first job is heard in time.
func TestStoppedBeforeTheJob(t *testing.T) {
	w := newWorld(makeRollout(t, 2, "1,100%", Rules{}))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopAsked{"enough"})
	r, err := Run(ctx, w.disk, Begin{}, w.hands())
	if err != nil || r.Status != Stopped || len(w.jobs) > 0 {
		t.Errorf("%s, %v, jobs %v", r.Status, err, w.jobs)
	}
}

// A hub forgets jobs after a while. One that may have been created before that is
// not created again.
func TestJobThatTheHubMayHaveForgotten(t *testing.T) {
	w := newWorld(makeRollout(t, 2, "1,100%", Rules{}))
	w.left = 2 // once the job is on disk
	if _, err := Run(t.Context(), w.disk, Begin{}, w.hands()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.left, w.now = -1, start.AddDate(0, 0, 30)
	_, err := Run(t.Context(), w.disk, Begin{}, w.hands())
	if err == nil || !strings.Contains(err.Error(), "job r-w1 was to be created 30 days ago") || len(w.jobs) > 0 {
		t.Errorf("%v, jobs %v", err, w.jobs)
	}
}
