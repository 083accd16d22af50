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
	// abortTimeout is how long "rollout abort" waits for the other latchctl process
	// to stop the rollout.
	abortTimeout = 15 * time.Second
	// abortPause is the pause between two checks of "rollout abort" whether another
	// latchctl process still runs the rollout.
	abortPause = 100 * time.Millisecond
)

type rolloutAbortOptions struct {
	app    *app
	id     string
	reason string
}

func newRolloutAbort(a *app) *cobra.Command {
	o := &rolloutAbortOptions{app: a}
	cmd := &cobra.Command{
		Use:   "abort ID",
		Short: "Stop a rollout, so that it creates no further job",
		Long: "The latchctl process that runs the rollout ends at once, with exit status 4. A job\n" +
			"that has started runs to completion, because a hub cannot cancel it. To continue\n" +
			"the rollout later, run 'latchctl rollout resume'.",
		Example: `  latchctl rollout abort lockDoor-20261123-114500-4f3a9c01 --reason "fire drill"`,
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().StringVar(&o.reason, "reason", "aborted by hand", "record this reason, which 'latchctl rollout show' prints")

	return cmd
}

func (o *rolloutAbortOptions) run(ctx context.Context) error {
	store, err := o.app.rollouts()
	if err != nil {
		return err
	}
	r, err := o.app.loadRollout(o.id)
	if err != nil {
		return err
	}
	if r.Status != rollout.Running {
		return fmt.Errorf("rollout %s is not running: it is %s", o.id, r.Status)
	}

	if err := store.RequestStop(o.id, o.reason); err != nil {
		return err
	}
	r, err = o.waitAndStop(ctx, store)
	if errors.Is(err, rollout.ErrBusy) {
		return fmt.Errorf("%w; the process did not stop within %s and will stop before its next job", err, abortTimeout)
	}
	if err != nil {
		return err
	}

	o.app.noteRunningJob(r)
	return o.app.printOne(rolloutResult{r, r.Counts()}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "rollout %s is %s: %s\n", o.id, r.Status, countsLine(r.Counts()))
		return err
	})
}

// waitAndStop waits until no other latchctl process runs the rollout. If that process
// was killed, the rollout still has the status "running"; waitAndStop then sets it to
// "stopped".
func (o *rolloutAbortOptions) waitAndStop(ctx context.Context, store rollout.Store) (rollout.Rollout, error) {
	begin := o.app.now()
	unlock, err := store.Lock(o.id)
	for errors.Is(err, rollout.ErrBusy) && o.app.now().Sub(begin) < abortTimeout {
		if err := o.app.sleep(ctx, abortPause); err != nil {
			return rollout.Rollout{}, err
		}
		unlock, err = store.Lock(o.id)
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
