package watch

import (
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// Device is the result of one device: the device's row in the job, and the verdict on
// this row.
type Device struct {
	iothub.DeviceJob
	Verdict iothub.Verdict
}

// Failed reports whether the device did not succeed. Besides a failed device, this is a
// pending device and a device without a final row.
func (d Device) Failed() bool { return d.Verdict.Outcome != iothub.Succeeded }

// Report is a job with the result of each device. The failed devices come first, then
// the others. Both groups are sorted by device id.
type Report struct {
	Job     iothub.Job
	Devices []Device
	Missing int // number of devices that the hub counts but has no row for
}

// Join returns a report with the devices of both r and next, and with the job of next.
func (r Report) Join(next Report) Report {
	joined := Report{Job: next.Job, Missing: r.Missing + next.Missing, Devices: slices.Concat(r.Devices, next.Devices)}
	joined.sort()

	return joined
}

// sort puts the failed devices first and sorts both groups by device id.
func (r Report) sort() {
	slices.SortStableFunc(r.Devices, func(a, b Device) int {
		switch {
		case a.Failed() == b.Failed():
			return strings.Compare(a.DeviceID, b.DeviceID)
		case a.Failed():
			return -1
		}
		return 1
	})
}

// Total returns the number of devices of the job.
func (r Report) Total() int { return len(r.Devices) + r.Missing }

// Failed returns the devices that failed, are pending, or have no final row.
func (r Report) Failed() []Device {
	n := 0
	for n < len(r.Devices) && r.Devices[n].Failed() {
		n++
	}

	return r.Devices[:n]
}

// Succeeded returns the number of devices that have succeeded.
func (r Report) Succeeded() int { return len(r.Devices) - len(r.Failed()) }

// Counts returns the number of devices for each outcome. A device without a row counts
// as unfinished.
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

// final reports whether each device has a row that the hub will not change any more.
func (r Report) final() bool {
	return r.Missing == 0 && r.Counts()[iothub.Unfinished] == 0
}
