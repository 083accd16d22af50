package throttle

import "github.com/latchd/latchd/transport/iothub"

// Kind is a kind of operation that has its own limit. The fields of the same names in
// iothub.Tier say what each kind counts.
type Kind int

// The kinds of operations that have a limit.
const (
	Registry Kind = iota
	Connections
	Events
	Queries
	Methods
	TwinReads
	TwinUpdates
	JobOperations
	JobDevices
	numberOfKinds
)

// kindNames holds the names of the kinds of operations for error messages.
var kindNames = [numberOfKinds]string{
	Registry:      "identity operations",
	Connections:   "new connections",
	Events:        "device-to-cloud messages",
	Queries:       "queries",
	Methods:       "direct methods of 4 KiB",
	TwinReads:     "twin reads",
	TwinUpdates:   "twin updates",
	JobOperations: "job operations",
	JobDevices:    "devices of jobs",
}

// rates returns the tier's rate for each kind of operation.
func rates(t iothub.Tier) [numberOfKinds]iothub.Rate {
	return [numberOfKinds]iothub.Rate{
		Registry:      t.Registry,
		Connections:   t.Connections,
		Events:        t.Events,
		Queries:       t.Queries,
		Methods:       t.Methods,
		TwinReads:     t.TwinReads,
		TwinUpdates:   t.TwinUpdates,
		JobOperations: t.JobOperations,
		JobDevices:    t.JobDevices,
	}
}
