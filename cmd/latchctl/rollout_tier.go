package main

import (
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

// tierFlags holds the flags that name the hub's IoT Hub tier. The limits of the tier
// decide how long a rollout takes.
type tierFlags struct {
	name  string
	units int

	limits iothub.Tier // limits of the tier that name states; set by check and addFromConfig
}

func (t *tierFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.name, "tier", "", "estimate the duration by the limits of this IoT Hub `TIER`: F1, S1, S2 or S3 (default: the tier in the config file)")
	cmd.Flags().IntVar(&t.units, "units", 1, "with --tier: the number `N` of the tier's units")
}

// check validates --tier and --units and sets the limits of the tier.
func (t *tierFlags) check(cmd *cobra.Command) (err error) {
	if t.units < 1 {
		return usagef("--units %d: want 1 or more", t.units)
	}
	if t.name == "" {
		if cmd.Flags().Changed("units") {
			return usagef("--units has no effect without --tier; give both")
		}
		return nil
	}

	if t.limits, err = iothub.ParseTier(t.name); err != nil {
		return usagef("--%w", err)
	}
	if err := t.limits.CheckUnits(t.units); err != nil {
		return usagef("--units: %w", err)
	}

	return nil
}

// addFromConfig takes the tier from the config file if the command line does not name a
// tier.
func (t *tierFlags) addFromConfig(a *app) (err error) {
	if t.name != "" || a.tier == "" {
		return nil
	}

	t.name, t.units = a.tier, a.units
	if t.limits, err = iothub.ParseTier(t.name); err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	if err := t.limits.CheckUnits(t.units); err != nil {
		return fmt.Errorf("config file: %w", err)
	}

	return nil
}

// estimate returns a text that tells the user how long a rollout will take.
func (t *tierFlags) estimate(r rollout.Rollout) string {
	if t.name == "" {
		soak := r.Estimate(0).Soak
		if soak == 0 {
			return "give --tier to estimate the duration"
		}
		return "it takes " + words.Duration(soak) + " of soak time and the time for the calls; give --tier to estimate the calls"
	}

	rate := int(t.limits.JobDevices.PerSecond(t.units))
	e := r.Estimate(rate)
	text := fmt.Sprintf("it takes about %s: %s for the calls (on %s: %d per second and %s at a time)",
		words.Duration(e.Total().Round(time.Second)), words.Duration(e.Calls.Round(time.Second)), t.limits.Name, rate, words.Count(t.limits.ActiveJobs, "job"))
	if e.Soak > 0 {
		text += " and " + words.Duration(e.Soak) + " of soak time"
	}

	return text
}
