package fleet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
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

// Text returns the result's reason or, for a success, the device's answer on one line: a
// sentence for the answer to a lock or unlock, else its status and payload.
func (r Result) Text() string {
	switch {
	case r.Reason != "" || r.Status == 0:
		return r.Reason
	case r.Motion() != "":
		return r.Motion()
	}

	var compact bytes.Buffer
	if json.Compact(&compact, r.Payload) != nil || compact.String() == "null" {
		return fmt.Sprint(r.Status)
	}
	return fmt.Sprintf("%d %s", r.Status, &compact)
}

// Motion describes a door's answer to a lock or unlock, such as "locked, confirmed in 0.7
// s". It returns "" for any other answer.
func (r Result) Motion() string {
	var answer struct {
		Position  string
		Confirmed *bool
		Changed   *bool
		TookMs    int64
		Held      bool
	}
	if r.Result != iothub.Succeeded || json.Unmarshal(r.Payload, &answer) != nil || answer.Confirmed == nil {
		return ""
	}

	text := termtext.Clean(answer.Position)
	switch {
	case !*answer.Confirmed:
		text += ", not confirmed by a sensor"
	case answer.Changed != nil && !*answer.Changed:
		text += " already, confirmed"
	case answer.TookMs > 0:
		text += ", confirmed in " + words.Duration(time.Duration(answer.TookMs)*time.Millisecond)
	default:
		text += ", confirmed"
	}
	if answer.Held {
		text += "; it stays unlocked, because somebody holds it unlocked"
	}

	return text
}

// JobResult is a job with the results of its devices, as -o json prints it.
type JobResult struct {
	Job     iothub.Job `json:"job"`
	Summary Summary    `json:"summary"`
	Devices []Result   `json:"devices"`
}

// Summary holds the numbers of a job's devices by result. Each device is in one of the
// numbers Succeeded, Failed, Pending and Unfinished.
type Summary struct {
	Devices    int                    `json:"devices"`
	Succeeded  int                    `json:"succeeded"`
	Failed     int                    `json:"failed"`
	Pending    int                    `json:"pending"`    // devices that act later by themselves
	Unfinished int                    `json:"unfinished"` // devices with which a running job has not finished
	ByResult   map[iothub.Outcome]int `json:"byResult"`
}

// Summarize counts the devices of a report. When the job has ended, a device without a
// final result has failed.
func Summarize(r watch.Report) Summary {
	by := r.Counts()
	s := Summary{Devices: r.Total(), Succeeded: r.Succeeded(), Pending: by[iothub.Pending], ByResult: by}
	if !r.Job.Status.Ended() {
		s.Unfinished = by[iothub.Unfinished]
	}
	s.Failed = s.Devices - s.Succeeded - s.Pending - s.Unfinished

	return s
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
	return JobResult{r.Job, Summarize(r), Results(r, onlyFailed)}
}

// NotAsRequired is the outcome of a device that reported success, but whose twin did not
// meet the condition that the rollout requires.
const NotAsRequired iothub.Outcome = "not as required"

// FailedOutcomes lists the outcomes of failed devices in the order in which SummaryLine
// prints them.
var FailedOutcomes = [...]iothub.Outcome{iothub.Refused, NotAsRequired, iothub.TimedOut, iothub.Uncertain, iothub.Offline,
	iothub.Gone, iothub.Failed, iothub.Canceled, iothub.Unfinished}

// SummaryLine returns a job's result on one line: "3 devices: 1 succeeded, 1 failed (1
// refused), 1 pending".
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
		if r.Counts()[iothub.Canceled] == r.Total() {
			return "the job was cancelled before it started; no device was called"
		}
		prefix = "job cancelled; "
	}

	if r.Total() == 0 {
		return prefix + "no devices: the condition selected none"
	}
	return prefix + CountsLine(r)
}

// CountsLine returns the part of SummaryLine that counts the devices.
func CountsLine(r watch.Report) string {
	s := Summarize(r)
	line := fmt.Sprintf("%s: %d succeeded, %d failed", words.Count(s.Devices, "device"), s.Succeeded, s.Failed)

	var kinds []string
	for _, o := range FailedOutcomes {
		n := s.ByResult[o]
		if o == iothub.Unfinished {
			n -= s.Unfinished
		}
		// Omit "(1 failed)" after "1 failed", because it repeats the number.
		if n > 0 && (o != iothub.Failed || n != s.Failed) {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(kinds) > 0 {
		line += " (" + strings.Join(kinds, ", ") + ")"
	}

	if s.Pending > 0 {
		line += fmt.Sprintf(", %d pending", s.Pending)
	}
	if s.Unfinished > 0 {
		line += fmt.Sprintf(", %d unfinished", s.Unfinished)
	}

	return line
}

// Group is a number of devices with equal results.
type Group struct {
	Result  Result // of the first device
	Devices []string
}

// minGroup is the number of equal failures from which Groups combines them.
const minGroup = 6

// Groups combines the results of devices that failed in the same way, so that 200 equal
// failures are one group. It leaves few equal failures and all successes alone.
func Groups(results []Result) []Group {
	type kind struct {
		outcome iothub.Outcome
		reason  string
	}
	kindOf := func(r Result) kind {
		return kind{r.Result, strings.ReplaceAll(r.Reason, r.DeviceID, "…")} // a hub's reason can name the device
	}

	numbers := make(map[kind]int)
	for _, r := range results {
		numbers[kindOf(r)]++
	}

	var groups []Group
	at := make(map[kind]int) // index of the group of a kind
	for _, r := range results {
		k := kindOf(r)
		if r.Result == iothub.Succeeded || numbers[k] < minGroup {
			groups = append(groups, Group{r, []string{r.DeviceID}})
			continue
		}

		i, found := at[k]
		if !found {
			i = len(groups)
			at[k] = i
			r.Reason = k.reason
			groups = append(groups, Group{Result: r})
		}
		groups[i].Devices = append(groups[i].Devices, r.DeviceID)
	}

	return groups
}

// Retryable returns the ids of the jobs in a report that have devices to call again: the
// job failed on them, and they are neither pending nor deleted. It judges the rows, as a
// repetition of the job does: a twin that was updated needs no second update, even if the
// device has not acknowledged it.
func Retryable(r watch.Report) []string {
	var ids []string
	for _, d := range r.Failed() {
		id := cmp.Or(d.JobID, r.Job.JobID)
		if o := d.DeviceJob.Judge().Outcome; o != iothub.Succeeded && o != iothub.Pending && o != iothub.Gone && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}

	return ids
}
