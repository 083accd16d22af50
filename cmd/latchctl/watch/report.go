package watch

import (
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// Device is the result of one device: its row in the job (the hub's record), and
// latchctl's verdict on the row.
type Device struct {
	iothub.DeviceJob
	Verdict iothub.Verdict
}

// Failed reports whether the device has not succeeded. It is also true for a pending
// device, and for a device whose result is not final.
func (d Device) Failed() bool { return d.Verdict.Outcome != iothub.Succeeded }

// Report is a job with the result of each device. The failed devices come first, then
// the others. Both groups are sorted by device id.
type Report struct {
	Job     iothub.Job
	Devices []Device
	Missing int // number of the job's devices for which the hub has no row
}

// Join combines the devices of two reports into one report. The joined report
// describes the job of next.
func (r Report) Join(next Report) Report {
	joined := Report{Job: next.Job, Missing: r.Missing + next.Missing, Devices: slices.Concat(r.Devices, next.Devices)}
	joined.sort()

	return joined
}

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

// Succeeded returns the number of devices whose method call or twin update succeeded.
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

// final reports whether the hub has the final result of every device.
func (r Report) final() bool {
	return r.Missing == 0 && r.Counts()[iothub.Unfinished] == 0
}
