package rollout

import (
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// failures returns the devices that did not succeed in a job that has ended. A device
// without a row in the job's results did not succeed. It was deleted (its outcome is
// [iothub.Gone]), or the hub has lost the row.
func failures(j Job, report watch.Report) map[string]Failure {
	missing := Failure{Outcome: iothub.Gone, Reason: "the hub has no row for this device: it was not in the registry when the job started"}
	if report.Missing > 0 {
		missing = Failure{Outcome: iothub.Unfinished, Reason: "the hub has no row for this device"}
	}

	failed := make(map[string]Failure)
	for _, id := range j.Devices {
		failed[id] = missing
	}
	for _, d := range report.Devices {
		if !d.Failed() {
			delete(failed, d.DeviceID)
		} else if _, inJob := failed[d.DeviceID]; inJob {
			failed[d.DeviceID] = Failure{d.Verdict.Outcome, d.Verdict.Reason, d.Verdict.Code}
		}
	}

	return failed
}

// judge aborts the rollout if too many devices of a wave (a group of devices) have
// failed. It judges a wave with fewer devices than Rules.MinDevices together with the
// following waves.
func (r *Rollout) judge() {
	first, last := 0, r.CurrentWave()
	var c Counts
	for i, w := range r.Waves[:last+1] {
		if i > 0 && c.Devices >= r.Rules.MinDevices {
			first, c = i, Counts{}
		}
		c = c.Add(w.Counts())
	}
	if c.Devices < r.Rules.MinDevices || !r.Rules.AbortAbove.exceededBy(c.Failed, c.Devices) {
		return
	}

	waves := fmt.Sprintf("wave %d", last+1)
	if first < last {
		waves = fmt.Sprintf("waves %d to %d", first+1, last+1)
	}
	r.Status = Aborted
	r.Reason = fmt.Sprintf("%d of the %d devices of %s failed, more than %s", c.Failed, c.Devices, waves, r.Rules.AbortAbove)
}
