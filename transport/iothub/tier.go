package iothub

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tier holds the limits of one edition of IoT Hub, as published in Azure's page
// "IoT Hub quotas and throttling" (2023). The basic tiers are absent because they
// have no jobs.
type Tier struct {
	Name       string // F1, S1, S2 or S3
	MaxUnits   int    // most units that one hub can have
	ActiveJobs int    // most jobs that can run at once

	Registry      Rate // device identities created, read, listed, changed or deleted
	Connections   Rate // new connections of devices
	Events        Rate // device-to-cloud messages
	Queries       Rate // queries of twins and of device jobs
	Methods       Rate // direct methods, counted once for each started 4 KiB of payload
	TwinReads     Rate // twins read by a device or a service
	TwinUpdates   Rate // twins changed by a device or a service
	JobOperations Rate // jobs created, read, listed or cancelled
	JobDevices    Rate // devices on which jobs call a method or update the twin
}

// Rate limits how many operations a hub allows in each period. The limit is
// PerUnit times the number of units, but at least PerHub.
type Rate struct {
	PerUnit float64
	PerHub  float64
	Period  time.Duration // a second or a minute
}

// Limit returns how many operations a hub allows in one period if it has the given
// number of units.
func (r Rate) Limit(units int) float64 {
	return max(r.PerUnit*float64(units), r.PerHub)
}

// PerSecond returns how many operations a hub allows in a second if it has the given
// number of units.
func (r Rate) PerSecond(units int) float64 {
	return r.Limit(units) / r.Period.Seconds()
}

// ParseTier returns the tier with the given name, in upper or lower case.
func ParseTier(name string) (Tier, error) {
	i := slices.IndexFunc(tiers, func(t Tier) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return Tier{}, fmt.Errorf("tier %q: want F1, S1, S2 or S3; the basic tiers have no jobs", name)
	}

	return tiers[i], nil
}

// CheckUnits returns an error if a hub of this tier cannot have the given number of
// units.
func (t Tier) CheckUnits(units int) error {
	if units < 1 || units > t.MaxUnits {
		return fmt.Errorf("tier %s cannot have %d units; want 1 to %d", t.Name, units, t.MaxUnits)
	}

	return nil
}

var tiers = []Tier{
	small("F1", 1),
	small("S1", 200),
	{
		Name:       "S2",
		MaxUnits:   200,
		ActiveJobs: 5,

		Registry:      Rate{PerUnit: 100, Period: time.Minute},
		Connections:   Rate{PerUnit: 120, Period: time.Second},
		Events:        Rate{PerUnit: 120, Period: time.Second},
		Queries:       Rate{PerUnit: 20, Period: time.Minute},
		Methods:       Rate{PerUnit: 120, Period: time.Second},
		TwinReads:     Rate{PerUnit: 10, PerHub: 100, Period: time.Second},
		TwinUpdates:   Rate{PerUnit: 5, PerHub: 50, Period: time.Second},
		JobOperations: Rate{PerUnit: 100, Period: time.Minute},
		JobDevices:    Rate{PerUnit: 1, PerHub: 10, Period: time.Second},
	},
	{
		Name:       "S3",
		MaxUnits:   10,
		ActiveJobs: 10,

		Registry:      Rate{PerUnit: 5000, Period: time.Minute},
		Connections:   Rate{PerUnit: 6000, Period: time.Second},
		Events:        Rate{PerUnit: 6000, Period: time.Second},
		Queries:       Rate{PerUnit: 1000, Period: time.Minute},
		Methods:       Rate{PerUnit: 6000, Period: time.Second},
		TwinReads:     Rate{PerUnit: 500, Period: time.Second},
		TwinUpdates:   Rate{PerUnit: 250, Period: time.Second},
		JobOperations: Rate{PerUnit: 5000, Period: time.Minute},
		JobDevices:    Rate{PerUnit: 50, Period: time.Second},
	},
}

// small returns a tier with the limits that the tiers F1 and S1 share.
func small(name string, maxUnits int) Tier {
	return Tier{
		Name:       name,
		MaxUnits:   maxUnits,
		ActiveJobs: 1,

		Registry:      Rate{PerUnit: 100, Period: time.Minute},
		Connections:   Rate{PerUnit: 12, PerHub: 100, Period: time.Second},
		Events:        Rate{PerUnit: 12, PerHub: 100, Period: time.Second},
		Queries:       Rate{PerUnit: 20, Period: time.Minute},
		Methods:       Rate{PerUnit: 40, Period: time.Second},
		TwinReads:     Rate{PerHub: 100, Period: time.Second},
		TwinUpdates:   Rate{PerHub: 50, Period: time.Second},
		JobOperations: Rate{PerUnit: 100, Period: time.Minute},
		JobDevices:    Rate{PerHub: 10, Period: time.Second},
	}
}
