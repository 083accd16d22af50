package rollout

import (
	"context"
	"fmt"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
)

// Hub names a hub for a rollout.
type Hub struct {
	HostName string
	ID       iothub.HubID // empty if the hub sends no id
	Name     string       // what the user calls the hub
}

func (h Hub) String() string {
	name := h.Name
	if name == "" {
		name = h.HostName
	}
	if h.ID == "" || strings.EqualFold(string(h.ID), name) {
		return name
	}
	return fmt.Sprintf("%s (id %s)", name, h.ID)
}

// HubOf returns the hub that answers.
func HubOf(ctx context.Context, f *fleet.Fleet) (Hub, error) {
	id, err := f.Hub.HubID(ctx)
	return Hub{f.Hub.HostName(), id, f.HubName}, err
}

// DoubtError means that a rollout's file does not prove that the chosen hub is the
// rollout's. The user must decide.
type DoubtError struct {
	ID     string // id of the rollout
	Chosen Hub
	Reason string
}

func (e *DoubtError) Error() string {
	return fmt.Sprintf("rollout %s may belong to another hub than %s: %s", e.ID, e.Chosen, e.Reason)
}

// ClaimHub checks that the rollout belongs to the hub that answers, and records the hub
// in r. It changes nothing on the hub. If the rollout's file does not prove it, and the
// user has not accepted the hub, the error is a [*DoubtError].
func (r *Rollout) ClaimHub(ctx context.Context, f *fleet.Fleet, accepted bool) error {
	chosen, err := HubOf(ctx, f)
	if err != nil {
		return err
	}
	doubt, err := r.CheckHub(chosen)
	if err != nil {
		return err
	}

	if doubt != "" {
		if err := r.checkJobKept(ctx, f); err != nil {
			return err
		}
	}
	if doubt != "" && !accepted {
		return &DoubtError{r.ID, chosen, doubt}
	}

	r.SetHub(chosen)
	return nil
}

// checkJobKept returns an error if the hub does not know the rollout's last job, which may
// have called its devices. The rollout would otherwise create the job again.
func (r Rollout) checkJobKept(ctx context.Context, f *fleet.Fleet) error {
	job := r.RunningJob()
	if job == "" {
		return nil
	}

	_, err := f.Hub.Job(ctx, job)
	if fleet.HasStatus(err, 404) {
		return fmt.Errorf("the hub %s does not know job %s, which may have called its devices: it is not called again; start a new rollout", f.HubName, job)
	}
	return err
}

// OnHub returns the hub on which the rollout runs.
func (r Rollout) OnHub() Hub { return Hub{r.Hub, r.HubID, r.HubName} }

// SetHub records the hub on which the rollout runs.
func (r *Rollout) SetHub(h Hub) { r.Hub, r.HubID, r.HubName = h.HostName, h.ID, h.Name }

// CheckHub checks whether a rollout can continue on the chosen hub. It returns an error if
// the rollout belongs to another hub. If the file of the rollout does not prove that the
// hub is the same, doubt says why; the user must then decide.
//
// The host names of two hubs can be equal. Only the ids tell hubs apart, and files of
// earlier releases have none.
func (r Rollout) CheckHub(chosen Hub) (doubt string, err error) {
	id := r.HubID
	if id == "" {
		id = iothub.AzureHubID(r.Hub)
	}

	other := id != "" && !id.SameHub(chosen.ID)
	if id == "" {
		other = !strings.EqualFold(r.Hub, chosen.HostName)
	}
	switch {
	case other:
		return "", fmt.Errorf("rollout %s belongs to the hub %s, but the chosen hub is %s; choose the rollout's hub; nothing was sent", r.ID, r.OnHub(), chosen)
	case id == "":
		return "the rollout's file has no id of its hub, so another hub may have started the rollout", nil
	case id != chosen.ID:
		return "the hub was restored from a backup after the rollout had begun", nil
	}
	return "", nil
}
