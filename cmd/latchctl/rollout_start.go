package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/spf13/cobra"
)

// maxRolloutID is the maximum length of a rollout's id. It is shorter than a job id may
// be, because the ids of the rollout's jobs are the rollout's id with a suffix.
const maxRolloutID = 48

// rolloutPlan holds the flags that all commands that start a rollout have in common.
type rolloutPlan struct {
	selection
	waves        string
	soak         seconds
	abortAbove   rollout.Percent
	minDevices   int
	require      string
	maxExecution seconds
	wait         seconds // how long to follow the rollout; 0 means until its end
	id           string  // the rollout's id; latchctl generates an id if it is empty
	tier         tierFlags

	sizes []rollout.Size // wave sizes, which check parses from --waves
}

func (p *rolloutPlan) addPlanFlags(cmd *cobra.Command) {
	p.addFlags(cmd)
	p.maxExecution = 3600

	flags := cmd.Flags()
	flags.StringVar(&p.waves, "waves", "1,10%,100%", "call the devices in waves of these `SIZES`: numbers or percentages of devices, each including the earlier waves")
	flags.Var(&p.soak, "soak", "wait this long after each wave, but after the last only with --require")
	flags.Var(&p.abortAbove, "abort-above", "abort if more than this percentage of a wave's devices fails")
	flags.IntVar(&p.minDevices, "min-devices", 1, "judge a wave of fewer than `N` devices together with the next wave")
	flags.StringVar(&p.require, "require", "", "count a device as failed if its twin does not meet this `CONDITION` after the soak time")
	flags.StringVar(&p.id, "id", "", "give the rollout this `ID` instead of a generated one")
	flags.Var(&p.maxExecution, "max-execution", "let the hub end each job after this time")
	addRolloutWait(cmd, &p.wait)
	p.tier.addFlags(cmd)
}

func addRolloutWait(cmd *cobra.Command, wait *seconds) {
	cmd.Flags().Var(wait, "wait", "stop after this time, with exit status 5; you can resume the rollout")
}

// check validates all flags and parses --waves. It sends no request.
func (p *rolloutPlan) check(cmd *cobra.Command) error {
	if err := p.selection.check(cmd); err != nil {
		return err
	}
	if cmd.Flags().Changed("require") {
		if err := checkCondition("--require", p.require); err != nil {
			return err
		}
		if len(p.require) > rollout.MaxRequire {
			return usagef("--require has %d characters; at most %d are allowed", len(p.require), rollout.MaxRequire)
		}
	}
	if p.maxExecution == 0 {
		return usagef("--max-execution is 0; want a duration such as 1h")
	}
	if p.minDevices < 1 {
		return usagef("--min-devices %d: want 1 or more", p.minDevices)
	}
	if p.id != "" {
		if err := checkJobID(p.id); err != nil {
			return err
		}
		if len(p.id) > maxRolloutID {
			return usagef("--id has %d characters; at most %d are allowed", len(p.id), maxRolloutID)
		}
	}

	var err error
	if p.sizes, err = rollout.ParseWaves(p.waves); err != nil {
		return usagef("--waves: %w", err)
	}

	return p.tier.check(cmd)
}

func (p *rolloutPlan) rules() rollout.Rules {
	return rollout.Rules{Soak: int64(p.soak), AbortAbove: p.abortAbove, MinDevices: p.minDevices, Require: p.require}
}

// startRollout plans a rollout, asks the user for confirmation if it is needed, and
// runs the rollout. With --dry-run it only prints the devices.
func (a *app) startRollout(ctx context.Context, p rolloutPlan, work rollout.Work) error {
	store, err := a.rollouts()
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	f := a.fleetOf(client)
	if err := p.tier.addFromConfig(a); err != nil {
		return err
	}

	devices, err := f.Where(ctx, p.Where)
	if err != nil {
		return err
	}
	if err := a.checkAtHub(ctx, f, store, p, devices); err != nil {
		return err
	}

	if work.Method != nil {
		method := *work.Method
		method.Payload = fleet.Identify(method, f.By(ctx))
		work.Method = &method
	}
	op := rolloutOperation(work)
	id := p.id
	if id == "" {
		name := []rune(op.Name)
		id = f.NewJobID(string(name[:min(len(name), 20)]))
	}
	work.MaxExecution = int64(p.maxExecution)
	waves := rollout.PlanWaves(fleet.IDs(devices), p.sizes)
	hub, err := rollout.HubOf(ctx, f)
	if err != nil {
		return err
	}
	r := rollout.New(id, hub, p.Where, work, p.rules(), waves, a.now())
	if p.dryRun {
		return a.showWaves(f, r, p.tier)
	}

	a.note("%s in %s (%s); %s", words.Count(len(devices), "device"), words.Count(len(waves), "wave"), waveSizes(waves), p.tier.estimate(r))
	if !p.Yes {
		if err := f.Ask(ctx, devices, op); err != nil {
			return err
		}
	}

	return a.runRollout(ctx, f, store, id, p.wait, func() (rollout.Rollout, error) { return r, nil })
}

// checkAtHub checks with the hub that the condition selects enough devices, that the
// rollout's id is new, and that --require is a valid condition. Otherwise the user
// would see a mistake in --require only after the first wave.
func (a *app) checkAtHub(ctx context.Context, f *fleet.Fleet, store rollout.Store, p rolloutPlan,
	devices []fleet.Device) error {
	if len(devices) == 0 {
		return errors.New("the condition selects no device; nothing was sent")
	}
	if n := len(devices); n < p.minDevices {
		return usagef("--min-devices %d: the condition selects %s, so no wave would be judged", p.minDevices, words.Count(n, "device"))
	}
	if err := a.checkRolloutID(ctx, f, store, p.id); err != nil {
		return err
	}
	if p.require == "" {
		return nil
	}

	_, err := f.ThatMeet(ctx, []string{devices[0].DeviceID}, p.require)
	return err
}

// rollouts returns the folder that stores the rollouts' files.
func (a *app) rollouts() (rollout.Store, error) {
	store := rollout.DefaultStore(a.getenv)
	if store == "" {
		return "", errors.New("no folder for the rollout's file: set XDG_STATE_HOME to an absolute path")
	}

	return store, nil
}

// checkRolloutID returns an error if the id that the user gave belongs to an earlier
// rollout. The new rollout would otherwise take the jobs of the earlier rollout for its
// own jobs.
func (a *app) checkRolloutID(ctx context.Context, f *fleet.Fleet, store rollout.Store, id string) error {
	if id == "" {
		return nil
	}
	if _, err := store.Load(id); !errors.Is(err, rollout.ErrNotFound) {
		return fmt.Errorf("the rollout %s exists already; give another --id, or see 'latchctl rollout show %s'", id, words.ShellArgument(id))
	}

	first := rollout.New(id, rollout.Hub{}, "", rollout.Work{}, rollout.Rules{}, [][]string{{"any"}}, a.now()).Waves[0].Jobs[0].ID
	_, err := f.Hub.Job(ctx, first)
	switch {
	case fleet.HasStatus(err, 404):
		return nil
	case err == nil:
		return fmt.Errorf("the hub already has a job %s; give another --id", first)
	}

	return err
}

// waveSizes formats the number of devices of each wave as text: "1, 2, 2".
func waveSizes(waves [][]string) string {
	var sizes []string
	for _, w := range waves {
		sizes = append(sizes, fmt.Sprint(len(w)))
	}

	return strings.Join(sizes, ", ")
}

// plannedDevice is a device of a rollout as --dry-run prints it.
type plannedDevice struct {
	DeviceID string `json:"deviceId"`
	Wave     int    `json:"wave"`
}

// showWaves prints the devices of a dry run in the order in which the rollout would
// call them, and an estimate of the rollout's duration.
func (a *app) showWaves(f *fleet.Fleet, r rollout.Rollout, t tierFlags) error {
	var planned []plannedDevice
	for i, w := range r.Waves {
		for _, id := range w.Pending() {
			planned = append(planned, plannedDevice{id, i + 1})
		}
	}

	err := printList(a, planned, func() *ui.Table {
		table := &ui.Table{Head: []string{"WAVE", "DEVICE"}}
		for _, d := range planned {
			table.Add(fmt.Sprint(d.Wave), d.DeviceID)
		}
		return table
	})

	a.note("this would %s; %s; nothing was sent", f.Describe(rolloutOperation(r.Work), len(planned)), t.estimate(r))
	return err
}

// pendingDevices returns the devices that a rollout still has to call, including failed
// devices that it calls again.
func pendingDevices(r rollout.Rollout) []fleet.Device {
	var ids []string
	for _, w := range r.Waves {
		ids = append(ids, w.Pending()...)
	}

	return fleet.WithIDs(ids)
}
