package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
)

// rolloutSummary is a rollout in the page's list.
type rolloutSummary struct {
	ID      string         `json:"id"`
	What    string         `json:"what"`
	Where   string         `json:"where"`
	Status  rollout.Status `json:"status"`
	Reason  string         `json:"reason,omitempty"` // why the rollout was aborted or stopped
	Created time.Time      `json:"created"`
	Wave    int            `json:"wave"` // number of the current wave, starting at 1
	Waves   int            `json:"waves"`
	Counts  rollout.Counts `json:"counts"`
}

// rolloutDetail is a rollout with its waves (groups of devices) and its failed devices.
type rolloutDetail struct {
	rolloutSummary
	AbortAbove string         `json:"abortAbove"`
	Require    string         `json:"require,omitempty"`
	Soak       int            `json:"soak"` // seconds to wait after each wave
	SoakUntil  *time.Time     `json:"soakUntil,omitempty"`
	Parts      []wave         `json:"parts"`
	Failed     []failedDevice `json:"failed"`
	Resumable  bool           `json:"resumable,omitempty"` // no process runs the rollout, and it has something left to do
	Left       []string       `json:"left,omitempty"`      // ids of the devices that a resumed rollout calls
	Without    []string       `json:"without,omitempty"`   // the same if the failed devices are skipped; empty if none failed
	Note       string         `json:"note,omitempty"`      // why the console could not run the rollout to its end
}

// wave is one wave of a rollout, that is, one group of devices.
type wave struct {
	State  string         `json:"state"` // passed, waiting, or the state that waveState gives the current wave
	Counts rollout.Counts `json:"counts"`
}

// failedDevice is a device that failed in a wave.
type failedDevice struct {
	DeviceID string         `json:"deviceId"`
	Wave     int            `json:"wave"`
	Result   iothub.Outcome `json:"result"`
	Reason   string         `json:"reason"`
}

func newRolloutSummary(r rollout.Rollout) rolloutSummary {
	work := iothub.Job{Type: r.Work.Type, CloudToDeviceMethod: r.Work.Method}

	return rolloutSummary{
		ID: r.ID, What: fleet.OperationOf(work).Title, Where: r.Where, Status: r.Status,
		Reason: shown(r.Reason), Created: r.Created, Wave: min(r.CurrentWave()+1, len(r.Waves)), Waves: len(r.Waves), Counts: r.Counts(),
	}
}

func newRolloutDetail(r rollout.Rollout) rolloutDetail {
	detail := rolloutDetail{
		rolloutSummary: newRolloutSummary(r),
		AbortAbove:     r.Rules.AbortAbove.String(),
		Require:        r.Rules.Require,
		Soak:           int(r.Rules.Soak),
		Failed:         []failedDevice{},
		Resumable:      r.Status != rollout.Running && resumable(r),
	}
	if r.Status == rollout.Running {
		detail.SoakUntil = r.SoakUntil
	}

	for i, w := range r.Waves {
		detail.Parts = append(detail.Parts, wave{waveState(r, i), w.Counts()})
		for _, id := range slices.Sorted(maps.Keys(w.Failed)) {
			detail.Failed = append(detail.Failed, failedDevice{id, i + 1, w.Failed[id].Outcome, shown(w.Failed[id].Reason)})
		}
	}

	if detail.Resumable {
		detail.Left, detail.Without = leftToCall(r), leftWithout(r, detail.Failed)
	}
	return detail
}

// waveState returns the state of wave i: "passed" or "waiting". The current wave has
// the phase of a running rollout, else the status of the rollout.
func waveState(r rollout.Rollout, i int) string {
	switch {
	case r.Waves[i].Passed:
		return "passed"
	case i != r.CurrentWave():
		return "waiting"
	case r.Status != rollout.Running:
		return string(r.Status)
	}
	return string(r.Phase)
}

// listRollouts sends the page the rollouts on this hub that were started from this
// computer, newest first. The command latchctl rollout starts them.
func (s *Server) listRollouts(w http.ResponseWriter, r *http.Request) error {
	list := []rolloutSummary{}
	if s.opts.Rollouts != "" {
		hub, err := rollout.HubOf(r.Context(), s.opts.Fleet)
		if err != nil {
			return err
		}
		ids, err := s.opts.Rollouts.List()
		if err != nil {
			return err
		}
		for _, id := range ids {
			// Skip an unreadable file; latchctl rollout list reports it.
			one, err := s.opts.Rollouts.Show(id)
			if err != nil {
				continue
			}
			if !isOther(one, hub) {
				list = append(list, newRolloutSummary(one))
			}
		}
	}

	slices.SortStableFunc(list, func(a, b rolloutSummary) int { return b.Created.Compare(a.Created) })
	return respond(w, list)
}

// isOther reports whether a rollout belongs to another hub.
func isOther(r rollout.Rollout, hub rollout.Hub) bool {
	_, err := r.CheckHub(hub)
	return err != nil
}

// showRollout sends the page the details of a rollout.
func (s *Server) showRollout(w http.ResponseWriter, r *http.Request) error {
	one, err := s.loadRollout(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}

	detail := newRolloutDetail(one)
	s.feed.do(r.Context(), func(f *feed) { detail.Note = f.rolloutNotes[one.ID] })
	return respond(w, detail)
}

// loadRollout loads a rollout on this hub. The error has the status 404 if this hub has no
// such rollout.
func (s *Server) loadRollout(ctx context.Context, id string) (rollout.Rollout, error) {
	if err := iothub.CheckJobID(id); err != nil {
		return rollout.Rollout{}, badRequest(err)
	}

	var one rollout.Rollout
	err := rollout.ErrNotFound
	if s.opts.Rollouts != "" {
		one, err = s.opts.Rollouts.Show(id)
	}

	if err == nil {
		var hub rollout.Hub
		if hub, err = rollout.HubOf(ctx, s.opts.Fleet); err == nil && isOther(one, hub) {
			err = rollout.ErrNotFound
		}
	}
	if errors.Is(err, rollout.ErrNotFound) {
		return one, &httpError{http.StatusNotFound, "no rollout " + id + " was started from this computer on this hub"}
	}
	return one, err
}
