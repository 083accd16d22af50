package throttle

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of operation with a bound of its own.
type Kind int

// The kinds of operations.
const (
	Registry      Kind = iota // an identity created, read, listed, changed or deleted
	Connections               // a device's new link
	Events                    // a device-to-cloud message
	Queries                   // a query of twins or of devices' jobs
	Methods                   // each 4 KiB of a direct method's payload, begun
	TwinReads                 // a twin read, by device or service
	TwinUpdates               // a twin changed, by device or service
	JobOperations             // a job created, read, listed or cancelled
	JobDevices                // a device that a job works on
	numberOfKinds             // is none
)

var kindNames = [numberOfKinds]string{
	Registry: "identity operations", Connections: "new connections", Events: "device-to-cloud messages",
	Queries: "queries", Methods: "direct methods of 4 KiB", TwinReads: "twin reads", TwinUpdates: "twin updates",
	JobOperations: "job operations", JobDevices: "devices of jobs",
}

// rate is how often an operation is allowed: a number for each unit of the hub,
// and one for the whole hub if that is more.
type rate struct {
	unit, hub float64
	every     string // second or minute
}

func (r rate) of(units int) float64 { return max(r.unit*float64(units), r.hub) }

func (r rate) perSecond(units int) float64 {
	if r.every == "minute" {
		return r.of(units) / 60
	}
	return r.of(units)
}

// Tier is what IoT Hub's tiers differ in.
type Tier struct {
	Name       string
	MaxUnits   int
	ActiveJobs int // at most, at the same time
	rates      [numberOfKinds]rate
}

// tiers are as documented. Where a value is for the hub, more units give no more.
var tiers = []Tier{
	{Name: "F1", MaxUnits: 1, ActiveJobs: 1, rates: small},
	{Name: "S1", MaxUnits: 200, ActiveJobs: 1, rates: small},
	{Name: "S2", MaxUnits: 200, ActiveJobs: 5, rates: [numberOfKinds]rate{
		Registry:      {unit: 100, every: "minute"},
		Connections:   {unit: 120, every: "second"},
		Events:        {unit: 120, every: "second"},
		Queries:       {unit: 20, every: "minute"},
		Methods:       {unit: 120, every: "second"},
		TwinReads:     {unit: 10, hub: 100, every: "second"},
		TwinUpdates:   {unit: 5, hub: 50, every: "second"},
		JobOperations: {unit: 100, every: "minute"},
		JobDevices:    {unit: 1, hub: 10, every: "second"},
	}},
	{Name: "S3", MaxUnits: 10, ActiveJobs: 10, rates: [numberOfKinds]rate{
		Registry:      {unit: 5000, every: "minute"},
		Connections:   {unit: 6000, every: "second"},
		Events:        {unit: 6000, every: "second"},
		Queries:       {unit: 1000, every: "minute"},
		Methods:       {unit: 6000, every: "second"},
		TwinReads:     {unit: 500, every: "second"},
		TwinUpdates:   {unit: 250, every: "second"},
		JobOperations: {unit: 5000, every: "minute"},
		JobDevices:    {unit: 50, every: "second"},
	}},
}

// small are the rates of F1 and S1.
var small = [numberOfKinds]rate{
	Registry:      {unit: 100, every: "minute"},
	Connections:   {unit: 12, hub: 100, every: "second"},
	Events:        {unit: 12, hub: 100, every: "second"},
	Queries:       {unit: 20, every: "minute"},
	Methods:       {unit: 40, every: "second"},
	TwinReads:     {hub: 100, every: "second"},
	TwinUpdates:   {hub: 50, every: "second"},
	JobOperations: {unit: 100, every: "minute"},
	JobDevices:    {hub: 10, every: "second"},
}

// Find returns the tier of that name, in any case, if it has so many units.
func Find(name string, units int) (Tier, error) {
	i := slices.IndexFunc(tiers, func(t Tier) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return Tier{}, fmt.Errorf("the tier is %q, it can be F1, S1, S2 or S3", name)
	}
	if t := tiers[i]; units < 1 || units > t.MaxUnits {
		return Tier{}, fmt.Errorf("the tier %s cannot have %d units, it can have 1 to %d", t.Name, units, t.MaxUnits)
	}
	return tiers[i], nil
}
