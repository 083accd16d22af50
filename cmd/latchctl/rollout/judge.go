package rollout

import (
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// failures are the devices of a job that ended without success. A device without
// a row has not succeeded: it was deleted, or the hub has lost its row.
func failures(j Job, report watch.Report) map[string]Failure {
	failed := make(map[string]Failure)
	without := Failure{iothub.Gone, "the hub has no row for it: it was not in the registry when the job began"}
	if report.Missing > 0 {
		without = Failure{iothub.Unfinished, "the hub has no row for it"}
	}
	for _, id := range j.Devices {
		failed[id] = without
	}
	for _, d := range report.Devices {
		if !d.Failed() {
			delete(failed, d.DeviceID)
		} else if _, ours := failed[d.DeviceID]; ours {
			failed[d.DeviceID] = Failure{d.Verdict.Outcome, d.Verdict.Reason}
		}
	}
	return failed
}

// judge aborts the rollout if too many devices have failed. Waves of fewer devices
// than the rules want are judged together with those that follow.
func (r *Rollout) judge() {
	first, last := 0, r.At()
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
	where := fmt.Sprintf("wave %d", last+1)
	if first < last {
		where = fmt.Sprintf("waves %d to %d", first+1, last+1)
	}
	r.Status = Aborted
	r.Reason = fmt.Sprintf("%d of the %d devices of %s failed, more than %s", c.Failed, c.Devices, where, r.Rules.AbortAbove)
}
