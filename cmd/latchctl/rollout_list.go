package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type rolloutListOptions struct {
	app *app
}

func newRolloutList(a *app) *cobra.Command {
	o := &rolloutListOptions{app: a}
	return &cobra.Command{
		Use:     "list",
		Short:   "List the rollouts that were started on this computer, the newest first",
		Example: "  latchctl rollout list",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.perform(cmd.Context(), o)
		},
	}
}

// listedRollout is a rollout as the command "rollout list" prints it.
type listedRollout struct {
	ID      string         `json:"id"`
	Hub     string         `json:"hub"` // host name of the hub
	HubID   iothub.HubID   `json:"hubId,omitempty"`
	HubName string         `json:"hubName,omitempty"`
	Created time.Time      `json:"created"`
	What    string         `json:"what"`
	Status  rollout.Status `json:"status"`
	Reason  string         `json:"reason,omitempty"`
	Wave    int            `json:"wave"`
	Waves   int            `json:"waves"`
	Summary rollout.Counts `json:"summary"`
}

func (o *rolloutListOptions) run(_ context.Context) error {
	store, err := o.app.rollouts()
	if err != nil {
		return err
	}
	ids, err := store.List()
	if err != nil {
		return err
	}

	var rows []listedRollout
	for _, id := range ids {
		r, err := store.Show(id)
		if err != nil {
			o.app.note("left out: %v", err)
			continue
		}
		rows = append(rows, newListedRollout(r))
	}
	slices.SortStableFunc(rows, func(x, y listedRollout) int { return y.Created.Compare(x.Created) })

	return printList(o.app, rows, func() *ui.Table { return o.app.rolloutTable(rows) })
}

func newListedRollout(r rollout.Rollout) listedRollout {
	return listedRollout{
		ID:      r.ID,
		Hub:     r.Hub,
		HubID:   r.HubID,
		HubName: r.HubName,
		Created: r.Created,
		What:    rolloutOperation(r.Work).Title,
		Status:  r.Status,
		Reason:  r.Reason,
		Wave:    min(r.CurrentWave()+1, len(r.Waves)),
		Waves:   len(r.Waves),
		Summary: r.Counts(),
	}
}

func (a *app) rolloutTable(rows []listedRollout) *ui.Table {
	t := &ui.Table{Head: []string{"ROLLOUT", "STATUS", "WAVE", "CREATED", "DEVICES", "SUCCEEDED", "FAILED", "HUB", "WHAT"}, Optional: []int{5, 3, 8, 7}}
	for _, r := range rows {
		t.Add(r.ID, string(r.Status), fmt.Sprintf("%d/%d", r.Wave, r.Waves), a.localTime(&r.Created),
			fmt.Sprint(r.Summary.Devices), fmt.Sprint(r.Summary.Succeeded), fmt.Sprint(r.Summary.Failed), cmp.Or(r.HubName, r.Hub), r.What)
	}

	return t
}
