package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/spf13/cobra"
)

const (
	// abortPatience is how long a latchctl that runs the rollout may take to stop.
	abortPatience = 15 * time.Second
	abortPause    = 100 * time.Millisecond
)

type rolloutAbortOptions struct {
	app    *app
	cmd    *cobra.Command
	id     string
	reason string
}

func newRolloutAbort(a *app, run func(context.Context, *rolloutAbortOptions) error) *cobra.Command {
	if run == nil {
		run = runRolloutAbort
	}
	o := &rolloutAbortOptions{app: a}
	cmd := &cobra.Command{
		Use:   "abort ID",
		Short: "Stop a rollout: schedule none of its jobs any more",
		Long: "A latchctl that runs the rollout ends at once, with exit status 4. A job that has\n" +
			"begun goes on to its end: a hub cancels none that runs. The rollout can be resumed.",
		Example: `  latchctl rollout abort lockDoor-20261123-114500-4f3a9c01 --reason "fire drill"`,
		Args:    named("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.reason, "reason", "aborted by hand", "why, for 'latchctl rollout show'")
	return cmd
}

func runRolloutAbort(ctx context.Context, o *rolloutAbortOptions) error {
	store, err := o.app.rollouts()
	if err != nil {
		return err
	}
	r, err := o.app.loadRollout(o.id)
	if err != nil {
		return err
	}
	if r.Status != rollout.Running {
		return fmt.Errorf("rollout %s does not run: it is %s", o.id, r.Status)
	}
	if err := store.RequestStop(o.id, o.reason); err != nil {
		return err
	}
	r, err = o.stopped(ctx, store)
	if errors.Is(err, rollout.ErrBusy) {
		return fmt.Errorf("%w and has not stopped in %s; it stops before its next job", err, abortPatience)
	}
	if err != nil {
		return err
	}
	if job := r.RunningJob(); job != "" {
		o.app.note("job %s may run, and goes on to its end", job)
	}
	return o.app.printOne(rolloutResult{r, r.Counts()}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "rollout %s is %s: %s\n", o.id, r.Status, countsLine(r.Counts()))
		return err
	})
}

// stopped waits until no latchctl runs the rollout, and stops it if none did.
func (o *rolloutAbortOptions) stopped(ctx context.Context, store rollout.Store) (rollout.Rollout, error) {
	unlock, err := store.Lock(o.id)
	for begun := o.app.now(); errors.Is(err, rollout.ErrBusy) && o.app.now().Sub(begun) < abortPatience; unlock, err = store.Lock(o.id) {
		if err := o.app.sleep(ctx, abortPause); err != nil {
			return rollout.Rollout{}, err
		}
	}
	if err != nil {
		return rollout.Rollout{}, err
	}
	defer unlock()
	r, err := o.app.loadRollout(o.id)
	if err != nil {
		return r, err
	}
	if r.Status == rollout.Running {
		r, _ = rollout.Step(r, rollout.Stop{Reason: o.reason}, o.app.now())
		if err := store.Save(r); err != nil {
			return r, err
		}
	}
	return r, store.ClearStop(o.id)
}
