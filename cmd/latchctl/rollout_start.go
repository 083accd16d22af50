package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

// longestRolloutID leaves room for what the ids of its jobs add.
const longestRolloutID = 48

// rolling is what the commands that begin a rollout have in common.
type rolling struct {
	choice
	waves        string
	soak         seconds
	abortAbove   rollout.Percent
	minDevices   int
	require      string
	maxExecution seconds
	wait         seconds
	id           string
	tier         tier
	sizes        []rollout.Size // waves, once they were checked
}

func (o *rolling) addRollingFlags(cmd *cobra.Command) {
	o.addFlags(cmd)
	o.maxExecution = 3600
	flags := cmd.Flags()
	flags.StringVar(&o.waves, "waves", "1,10%,100%", "call so many devices by the end of each wave: `SIZES`, numbers or percentages")
	flags.Var(&o.soak, "soak", "wait this long after each wave but the last, after the last too if there is --require")
	flags.Var(&o.abortAbove, "abort-above", "stop when more than this part of a wave's devices has failed")
	flags.IntVar(&o.minDevices, "min-devices", 1, "judge a wave of fewer than `N` devices together with the next")
	flags.StringVar(&o.require, "require", "", "count devices as failed whose twins do not meet this `CONDITION` when their wave has soaked")
	flags.StringVar(&o.id, "id", "", "give the rollout this `ID` instead of one made up")
	flags.Var(&o.maxExecution, "max-execution", "let the hub end each job after this time")
	addRolloutWait(cmd, &o.wait)
	o.tier.addFlags(cmd)
}

func addRolloutWait(cmd *cobra.Command, wait *seconds) {
	cmd.Flags().Var(wait, "wait", "stop following after this time, with exit status 5; the rollout can be resumed")
}

// check looks at everything before anything is sent.
func (o *rolling) check(cmd *cobra.Command) error {
	if err := o.choice.check(cmd); err != nil {
		return err
	}
	if cmd.Flags().Changed("require") {
		if err := checkCondition(cmd, "--require", o.require); err != nil {
			return err
		}
		if len(o.require) > longestRequire {
			return usagef(cmd, "--require has %d characters; at most %d are possible beside the devices of a wave", len(o.require), longestRequire)
		}
	}
	if o.maxExecution == 0 {
		return usagef(cmd, "--max-execution is 0; want a time such as 1h")
	}
	if o.minDevices < 1 {
		return usagef(cmd, "--min-devices %d: want 1 or more", o.minDevices)
	}
	if o.id != "" {
		if err := jobID(cmd, o.id); err != nil {
			return err
		}
		if len(o.id) > longestRolloutID {
			return usagef(cmd, "--id has %d characters; at most %d are allowed, as its jobs' ids are longer", len(o.id), longestRolloutID)
		}
	}
	var err error
	if o.sizes, err = rollout.ParseWaves(o.waves); err != nil {
		return usagef(cmd, "--waves: %w", err)
	}
	return o.tier.check(cmd)
}

// rules are the rollout's, of the flags.
func (o *rolling) rules() rollout.Rules {
	return rollout.Rules{Soak: int64(o.soak), AbortAbove: o.abortAbove, MinDevices: o.minDevices, Require: o.require}
}

// beginRollout plans a rollout, asks, and runs it.
func (a *app) beginRollout(ctx context.Context, cmd *cobra.Command, o rolling, job rollout.Work, what work) error {
	job.MaxExecution = int64(o.maxExecution)
	store, err := a.rollouts()
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	if err := o.tier.fromConfig(a); err != nil {
		return err
	}
	devices, err := a.selectDevices(ctx, client, o.where)
	if err != nil {
		return err
	}
	if len(devices) == 0 {
		return errors.New("the condition selects no device; nothing was sent")
	}
	if n := len(devices); n < o.minDevices {
		return usagef(cmd, "--min-devices %d: the condition selects %s, so no wave would be judged", o.minDevices, plural(n, "device"))
	}
	if err := a.checkRolloutID(ctx, client, store, o.id); err != nil {
		return err
	}
	if o.require != "" { // a mistake in it is to show now, not after the first wave
		if _, err := a.failing(ctx, client, []string{devices[0].DeviceID}, o.require); err != nil {
			return err
		}
	}
	id := o.id
	if id == "" {
		name := []rune(what.name)
		id = a.madeUpID(string(name[:min(len(name), 20)]))
	}
	var ids []string
	for _, d := range devices {
		ids = append(ids, d.DeviceID)
	}
	waves := rollout.PlanWaves(ids, o.sizes)
	r := rollout.New(id, client.HostName(), o.where, job, o.rules(), waves, a.now())
	if o.dryRun {
		return a.showWaves(r, o.tier, what)
	}
	a.note("%s in %s (%s); %s", plural(len(ids), "device"), plural(len(waves), "wave"), waveSizes(waves), o.tier.estimate(r))
	if err := a.agree(ctx, cmd, devices, o.yes, what); err != nil {
		return err
	}
	return a.runRollout(ctx, client, store, id, o.wait, func() (rollout.Rollout, error) { return r, nil })
}

// rollouts is where the rollouts' files are.
func (a *app) rollouts() (rollout.Store, error) {
	store := rollout.DefaultStore(a.getenv)
	if store == "" {
		return "", errors.New("there is no place for the rollout's file: set HOME, or XDG_STATE_HOME to an absolute path")
	}
	return store, nil
}

// checkRolloutID sees to it that an id that the user has given is new: the jobs of
// another rollout would else be taken for those of this one.
func (a *app) checkRolloutID(ctx context.Context, client *rest.Client, store rollout.Store, id string) error {
	if id == "" {
		return nil
	}
	if _, err := store.Load(id); !errors.Is(err, rollout.ErrNotFound) {
		return fmt.Errorf("there is a rollout %s already; give another --id, or see 'latchctl rollout show %s'", id, id)
	}
	first := rollout.New(id, "", "", rollout.Work{}, rollout.Rules{}, [][]string{{"any"}}, a.now()).Waves[0].Jobs[0].ID
	_, err := client.Job(ctx, first)
	var refusal *iothub.Error
	switch {
	case errors.As(err, &refusal) && refusal.Status == 404:
		return nil
	case err == nil:
		return fmt.Errorf("the hub has a job %s already; give another --id", first)
	}
	return err
}

// waveSizes tells how many devices each wave has.
func waveSizes(waves [][]string) string {
	var sizes []string
	for _, w := range waves {
		sizes = append(sizes, fmt.Sprint(len(w)))
	}
	return strings.Join(sizes, ", ")
}

// plannedDevice is a device of a dry run.
type plannedDevice struct {
	DeviceID string `json:"deviceId"`
	Wave     int    `json:"wave"`
}

// showWaves prints the devices of a dry run in the order in which they would be
// called.
func (a *app) showWaves(r rollout.Rollout, t tier, what work) error {
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
	a.note("this would %s %s; %s; nothing was sent", what.verb, plural(len(planned), "device"), t.estimate(r))
	return err
}

// tier is what the user says of the hub's edition.
type tier struct {
	name  string
	units int
	limit iothub.Tier // of the name, once it was checked
}

func (t *tier) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.name, "tier", "", "estimate by the limits of this `TIER` of IoT Hub: F1, S1, S2 or S3; or name it in the config file")
	cmd.Flags().IntVar(&t.units, "units", 1, "with --tier: the hub has `N` units")
}

func (t *tier) check(cmd *cobra.Command) (err error) {
	if t.units < 1 {
		return usagef(cmd, "--units %d: want 1 or more", t.units)
	}
	if t.name == "" {
		if cmd.Flags().Changed("units") {
			return usagef(cmd, "--units says nothing without --tier")
		}
		return nil
	}
	if t.limit, err = iothub.ParseTier(t.name); err != nil {
		return usagef(cmd, "--%w", err)
	}
	return nil
}

// fromConfig takes the tier of the config file where the command line has none.
func (t *tier) fromConfig(a *app) (err error) {
	if t.name != "" || a.tier == "" {
		return nil
	}
	t.name, t.units = a.tier, a.units
	if t.limit, err = iothub.ParseTier(t.name); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// estimate says how long a rollout takes.
func (t *tier) estimate(r rollout.Rollout) string {
	if t.name == "" {
		soak := r.Estimate(0).Soak
		if soak == 0 {
			return "how long it takes is not known without --tier"
		}
		return "it takes " + ui.Duration(soak) + " and the time of the calls, which --tier estimates"
	}
	rate := int(t.limit.JobDevices.PerSecond(t.units))
	e := r.Estimate(rate)
	text := fmt.Sprintf("it takes about %s: %s for the calls (%d a second and %s at a time on %s)",
		ui.Duration(e.Total().Round(time.Second)), ui.Duration(e.Calls.Round(time.Second)), rate, plural(t.limit.ActiveJobs, "job"), t.limit.Name)
	if e.Soak > 0 {
		text += " and " + ui.Duration(e.Soak) + " of soak"
	}
	return text
}

// toBeCalled are the devices that a rollout is still to call, or to call again.
func toBeCalled(r rollout.Rollout) []selected {
	var devices []selected
	for _, w := range r.Waves {
		for _, id := range w.Pending() {
			devices = append(devices, selected{DeviceID: id})
		}
	}
	return devices
}
