package console

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
)

// listedRollout is a rollout as the page lists it.
type listedRollout struct {
	ID      string         `json:"id"`
	What    string         `json:"what"`
	Where   string         `json:"where"`
	Status  rollout.Status `json:"status"`
	Reason  string         `json:"reason,omitempty"` // why it does not run
	Created time.Time      `json:"created"`
	Wave    int            `json:"wave"` // the first that has not passed, from 1
	Waves   int            `json:"waves"`
	Counts  rollout.Counts `json:"counts"`
}

// shownRollout is a rollout with its waves.
type shownRollout struct {
	listedRollout
	AbortAbove string        `json:"abortAbove"`
	Require    string        `json:"require,omitempty"`
	Soak       int           `json:"soak"` // seconds
	SoakUntil  *time.Time    `json:"soakUntil,omitempty"`
	Parts      []wave        `json:"parts"`
	Failed     []failedInOne `json:"failed"`
}

type wave struct {
	State  string         `json:"state"` // passed, waiting, or what it is at
	Counts rollout.Counts `json:"counts"`
}

type failedInOne struct {
	DeviceID string         `json:"deviceId"`
	Wave     int            `json:"wave"`
	Result   iothub.Outcome `json:"result"`
	Reason   string         `json:"reason"`
}

func newListedRollout(r rollout.Rollout) listedRollout {
	return listedRollout{
		ID: r.ID, What: workText(iothub.Job{Type: r.Work.Type, CloudToDeviceMethod: r.Work.Method}), Where: r.Where, Status: r.Status,
		Reason: shown(r.Reason), Created: r.Created, Wave: min(r.At()+1, len(r.Waves)), Waves: len(r.Waves), Counts: r.Counts(),
	}
}

func newShownRollout(r rollout.Rollout) shownRollout {
	v := shownRollout{listedRollout: newListedRollout(r), AbortAbove: r.Rules.AbortAbove.String(), Require: r.Rules.Require,
		Soak: int(r.Rules.Soak), Failed: []failedInOne{}}
	if r.Status == rollout.Running {
		v.SoakUntil = r.SoakUntil
	}
	for i, w := range r.Waves {
		v.Parts = append(v.Parts, wave{waveState(r, i), w.Counts()})
		for _, id := range slices.Sorted(maps.Keys(w.Failed)) {
			v.Failed = append(v.Failed, failedInOne{id, i + 1, w.Failed[id].Outcome, shown(w.Failed[id].Reason)})
		}
	}
	return v
}

func waveState(r rollout.Rollout, i int) string {
	switch {
	case r.Waves[i].Passed:
		return "passed"
	case i != r.At():
		return "waiting"
	case r.Status != rollout.Running:
		return string(r.Status)
	}
	return string(r.Phase)
}

// listRollouts answers with the rollouts on this hub that were begun on this
// computer, the newest first. They are only looked at: what runs one is a command
// on a terminal.
func (s *Server) listRollouts(w http.ResponseWriter, r *http.Request) error {
	list := []listedRollout{}
	if s.opts.Rollouts != "" {
		ids, err := s.opts.Rollouts.List()
		if err != nil {
			return err
		}
		for _, id := range ids {
			// One whose file cannot be read is left out; rollout list says why.
			if one, err := s.opts.Rollouts.Load(id); err == nil && one.Hub == s.opts.HubName {
				list = append(list, newListedRollout(one))
			}
		}
	}
	slices.SortStableFunc(list, func(a, b listedRollout) int { return b.Created.Compare(a.Created) })
	return answer(w, list)
}

// showRollout answers with a rollout and its waves.
func (s *Server) showRollout(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := iothub.CheckJobID(id); err != nil {
		return badRequest(err)
	}
	var one rollout.Rollout
	err := rollout.ErrNone
	if s.opts.Rollouts != "" {
		one, err = s.opts.Rollouts.Load(id)
	}
	if errors.Is(err, rollout.ErrNone) || err == nil && one.Hub != s.opts.HubName {
		return &problem{http.StatusNotFound, "there is no rollout " + id + " on this hub, begun on this computer"}
	}
	if err != nil {
		return err
	}
	return answer(w, newShownRollout(one))
}
