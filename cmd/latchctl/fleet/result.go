package fleet

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
)

// Result is a device's result, as -o json and -o jsonl print it.
type Result struct {
	DeviceID string          `json:"deviceId"`
	Result   iothub.Outcome  `json:"result"`
	Reason   string          `json:"reason,omitempty"`
	Status   int             `json:"status,omitempty"`  // the status of the device's answer
	Code     string          `json:"code,omitempty"`    // the error code in the device's answer
	Payload  json.RawMessage `json:"payload,omitempty"` // the payload of the device's answer
	Start    *time.Time      `json:"startTime,omitempty"`
	End      *time.Time      `json:"endTime,omitempty"`
}

// JobResult is a job with the results of its devices, as -o json prints it.
type JobResult struct {
	Job     iothub.Job `json:"job"`
	Summary Summary    `json:"summary"`
	Devices []Result   `json:"devices"`
}

// Summary holds the numbers of a job's devices by result.
type Summary struct {
	Devices   int                    `json:"devices"`
	Succeeded int                    `json:"succeeded"`
	Failed    int                    `json:"failed"`
	ByResult  map[iothub.Outcome]int `json:"byResult"`
}

// Results returns the results of all devices of a report, or only of the failed
// devices.
func Results(r watch.Report, onlyFailed bool) []Result {
	devices := r.Devices
	if onlyFailed {
		devices = r.Failed()
	}

	results := make([]Result, len(devices))
	for i, d := range devices {
		results[i] = newResult(d)
	}

	return results
}

func newResult(d watch.Device) Result {
	result := Result{
		DeviceID: d.DeviceID,
		Result:   d.Verdict.Outcome,
		Reason:   d.Verdict.Reason,
		Code:     d.Verdict.Code,
		Start:    d.StartTimeUTC,
		End:      d.EndTimeUTC,
	}
	if d.Outcome != nil && d.Outcome.DeviceMethodResponse != nil {
		result.Status = d.Outcome.DeviceMethodResponse.Status
		result.Payload = d.Outcome.DeviceMethodResponse.Payload
	}

	return result
}

// NewJobResult returns the results of all devices of a report, or only of those that did
// not succeed.
func NewJobResult(r watch.Report, onlyFailed bool) JobResult {
	summary := Summary{Devices: r.Total(), Succeeded: r.Succeeded(), Failed: r.Total() - r.Succeeded(), ByResult: r.Counts()}
	return JobResult{r.Job, summary, Results(r, onlyFailed)}
}

// NotAsRequired is the outcome of a device that reported success, but whose twin did not
// meet the condition that the rollout requires.
const NotAsRequired iothub.Outcome = "not as required"

// FailedOutcomes lists the outcomes of failed devices in the order in which SummaryLine
// prints them.
var FailedOutcomes = [...]iothub.Outcome{iothub.Refused, NotAsRequired, iothub.TimedOut, iothub.Uncertain, iothub.Offline,
	iothub.Gone, iothub.Failed, iothub.Canceled, iothub.Unfinished}

// SummaryLine returns a job's result on one line: "3 devices: 1 succeeded, 1 failed (1
// refused), 1 pending". A pending device acts later by itself, so it does not count as
// failed.
func SummaryLine(r watch.Report) string {
	prefix := ""
	switch r.Job.Status {
	case iothub.JobFailed:
		prefix = "job failed"
		if r.Job.FailureReason != "" {
			prefix += ": " + r.Job.FailureReason
		}
		prefix += "; "
	case iothub.JobCancelled:
		prefix = "job cancelled; "
	}
	if r.Total() == 0 {
		return prefix + "no devices: the condition selected none"
	}

	pending := r.Counts()[iothub.Pending]
	failed := r.Total() - r.Succeeded() - pending
	line := fmt.Sprintf("%s%s: %d succeeded, %d failed", prefix, words.Count(r.Total(), "device"), r.Succeeded(), failed)

	var kinds []string
	for _, o := range FailedOutcomes {
		n := r.Counts()[o]
		// Omit "(1 failed)" after "1 failed", because it repeats the number.
		if n > 0 && (o != iothub.Failed || n != failed) {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(kinds) > 0 {
		line += " (" + strings.Join(kinds, ", ") + ")"
	}
	if pending > 0 {
		line += fmt.Sprintf(", %d pending", pending)
	}

	return line
}
