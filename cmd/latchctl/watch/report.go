package watch

import (
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// Device is a device's row with its judgement.
type Device struct {
	iothub.DeviceJob
	Verdict iothub.Verdict
}

// Failed reports whether the device is not known to have succeeded.
func (d Device) Failed() bool { return d.Verdict.Outcome != iothub.Succeeded }

// Report is a job with what became of its devices: the failed ones first, each
// part in the order of the ids.
type Report struct {
	Job     iothub.Job
	Devices []Device
	Missing int // devices that the hub counts and has no row of
}

// Join returns the devices of both reports together, with the job of next.
func (r Report) Join(next Report) Report {
	all := Report{Job: next.Job, Missing: r.Missing + next.Missing, Devices: slices.Concat(r.Devices, next.Devices)}
	all.sort()
	return all
}

// sort puts the failed devices first, each part in the order of the ids.
func (r Report) sort() {
	slices.SortStableFunc(r.Devices, func(a, b Device) int {
		if a.Failed() != b.Failed() {
			if a.Failed() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.DeviceID, b.DeviceID)
	})
}

// Total is the number of the job's devices.
func (r Report) Total() int { return len(r.Devices) + r.Missing }

// Failed returns the devices that are not known to have succeeded.
func (r Report) Failed() []Device {
	n := 0
	for n < len(r.Devices) && r.Devices[n].Failed() {
		n++
	}
	return r.Devices[:n]
}

// Succeeded is the number of devices that have succeeded.
func (r Report) Succeeded() int { return len(r.Devices) - len(r.Failed()) }

// Counts is the number of devices of each outcome. Devices without a row are
// unfinished.
func (r Report) Counts() map[iothub.Outcome]int {
	counts := make(map[iothub.Outcome]int)
	for _, d := range r.Devices {
		counts[d.Verdict.Outcome]++
	}
	if r.Missing > 0 {
		counts[iothub.Unfinished] += r.Missing
	}
	return counts
}

// final reports whether every device has a row that will not change.
func (r Report) final() bool {
	return r.Missing == 0 && r.Counts()[iothub.Unfinished] == 0
}
