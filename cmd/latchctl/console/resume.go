package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
)

// resumeRequest is the body of a page's request to resume a rollout.
type resumeRequest struct {
	IDs  []string `json:"ids"`  // ids of the devices that the user confirmed
	Skip []string `json:"skip"` // ids of devices that the rollout leaves out
}

// resumeRollout handles a page's request to resume a rollout. It refuses the request
// unless the rollout would call exactly the devices that the user confirmed. The rollout
// then runs in the process of the console.
func (s *Server) resumeRollout(w http.ResponseWriter, r *http.Request) error {
	var request resumeRequest
	if err := decode(w, r, &request); err != nil {
		return err
	}
	id, store := r.PathValue("id"), s.opts.Rollouts
	if _, err := s.loadRollout(r.Context(), id); err != nil {
		return err
	}

	// Only the process that has locked a rollout may change its file.
	unlock, err := store.Lock(id)
	if errors.Is(err, rollout.ErrBusy) {
		return &httpError{http.StatusConflict, err.Error()}
	}
	if err != nil {
		return err
	}
	one, err := s.claimRollout(r.Context(), id, request)
	if err != nil {
		unlock()
		return err
	}

	s.running.Go(func() {
		defer unlock()
		s.runRollout(s.ctx, one)
	})

	next, _ := rollout.Step(one, rollout.Start{}, s.opts.Fleet.Now())
	return respond(w, newRolloutDetail(next))
}

// claimRollout loads a locked rollout and skips the devices that the user leaves out. It
// checks that the rollout belongs to the hub, and that it would call the confirmed
// devices. It removes earlier requests to stop the rollout.
func (s *Server) claimRollout(ctx context.Context, id string, request resumeRequest) (rollout.Rollout, error) {
	one, err := s.loadRollout(ctx, id)
	if err != nil {
		return one, err
	}

	err = one.ClaimHub(ctx, s.opts.Fleet, false)
	if doubt, ok := errors.AsType[*rollout.DoubtError](err); ok {
		return one, &httpError{http.StatusConflict, doubt.Error() + "; to decide, run: latchctl rollout resume " + id}
	}
	if err != nil {
		return one, err
	}

	if !resumable(one) {
		return one, &httpError{http.StatusConflict, "the rollout has called all its devices, and none failed"}
	}
	if err := one.Skip(request.Skip); err != nil {
		return one, &httpError{http.StatusConflict, err.Error()}
	}
	left := leftToCall(one)
	if len(left)+len(request.IDs) > 0 {
		if err := checkConfirmed(request.IDs, left, "the rollout now calls"); err != nil {
			return one, err
		}
	}
	return one, s.opts.Rollouts.ClearStop(id)
}

// runRollout runs a locked rollout until it ends or ctx ends. The page reads its progress
// from the rollout's file. If an error ends it, the page shows the error.
func (s *Server) runRollout(ctx context.Context, one rollout.Rollout) {
	s.setRolloutNote(one.ID, "")
	stoppable, end := s.opts.Rollouts.WithStop(ctx, one.ID)
	defer end()
	_, err := rollout.Run(stoppable, one, rollout.Start{}, rollout.OnFleet(s.quietFleet(), s.opts.Rollouts))
	if err == nil {
		err = s.opts.Rollouts.ClearStop(one.ID)
	}

	if err != nil && ctx.Err() == nil {
		s.setRolloutNote(one.ID, shown(err.Error()))
	}
}

// quietFleet returns the fleet for work in the background, which prints nothing on the
// terminal of the console.
func (s *Server) quietFleet() *fleet.Fleet {
	quiet := *s.opts.Fleet
	quiet.Note = func(string, ...any) {}
	quiet.Progress = func() (func(iothub.Job), func()) { return func(iothub.Job) {}, func() {} }
	return &quiet
}

// setRolloutNote stores why the console could not run a rollout to its end.
func (s *Server) setRolloutNote(id, text string) {
	s.feed.do(s.ctx, func(f *feed) {
		if text == "" {
			delete(f.rolloutNotes, id)
		} else {
			f.rolloutNotes[id] = text
		}
	})
}

// resumable reports whether a rollout has something left to do: it has not passed all
// waves, or devices failed.
func resumable(r rollout.Rollout) bool {
	return r.Status != rollout.Done || r.Counts().Failed > 0
}

// leftToCall returns the ids of the devices that a resumed rollout calls: those that it
// has not called yet, and the failed devices that it calls again.
func leftToCall(r rollout.Rollout) []string {
	next, _ := rollout.Step(r, rollout.Start{}, r.Created)

	ids := []string{}
	for _, w := range next.Waves {
		ids = append(ids, w.Pending()...)
	}
	return ids
}

// leftWithout returns the ids of the devices that a resumed rollout calls if the user
// leaves out the failed devices. It returns nil if no device failed.
func leftWithout(r rollout.Rollout, failed []failedDevice) []string {
	ids := make([]string, len(failed))
	for i, d := range failed {
		ids[i] = d.DeviceID
	}
	if len(ids) == 0 || r.Skip(ids) != nil {
		return nil
	}

	return leftToCall(r)
}
