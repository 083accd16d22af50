package iothub

import (
	"encoding/json"
	"fmt"
)

// Outcome is the result of a job for one device, as shown to users.
type Outcome string

// The outcomes of a job for one device.
const (
	Unfinished Outcome = "unfinished" // the job has not finished with the device
	Succeeded  Outcome = "succeeded"  // the device did what the job asked
	Pending    Outcome = "pending"    // the device will act later: for example, it locks an open door once the door closes
	Refused    Outcome = "refused"    // the device answered with a status other than 2xx
	Offline    Outcome = "offline"    // the device was not connected
	TimedOut   Outcome = "timed out"  // the hub called the device and got no answer
	Uncertain  Outcome = "uncertain"  // the hub may have called the device, but has no answer from it
	Gone       Outcome = "gone"       // the device was deleted
	Canceled   Outcome = "cancelled"  // the job was cancelled before the hub called the device
	Failed     Outcome = "failed"     // the hub reports an error that has no outcome of its own
)

// CodeOutcomeUnknown means that the hub stopped after it may have called the device,
// before it stored an answer. Only the embedded hub uses this code.
const CodeOutcomeUnknown Code = "OutcomeUnknown"

// Verdict is the outcome of a job for one device. Reason says why the outcome is not
// success; for a pending device, it says what the device waits for.
type Verdict struct {
	Outcome Outcome
	Reason  string
	Code    string // the error code in the answer of a device that refused, such as "jammed"
}

// Judge decides whether a job succeeded on a device. Success requires all of these:
//
//   - The device's row has the status completed and no error.
//   - If the job called a direct method, the device's answer has a status of 2xx.
//   - The answer is not pending: the device has acted and does not only promise to act.
//
// IoT Hub's own statistics are no proof. They count every answer as a success, even a
// status of 500 or the promise to lock a door that is still open. All code that depends
// on success must call Judge.
func (r DeviceJob) Judge() Verdict {
	if r.Error != nil {
		return Verdict{Outcome: errorOutcome(r.Error.Code), Reason: errorReason(*r.Error)}
	}

	switch r.Status {
	case DeviceCompleted:
	case DeviceCanceled:
		return Verdict{Outcome: Canceled, Reason: "the job was cancelled before the hub called the device"}
	case DeviceFailed:
		return Verdict{Outcome: Failed, Reason: "the hub gave no reason"}
	default:
		return Verdict{Outcome: Unfinished}
	}

	if r.JobType != ScheduleDeviceMethod {
		return Verdict{Outcome: Succeeded}
	}
	if r.Outcome == nil || r.Outcome.DeviceMethodResponse == nil {
		return Verdict{Outcome: Uncertain, Reason: "the hub has no answer from the device"}
	}
	return r.Outcome.DeviceMethodResponse.Judge()
}

// Judge decides whether a device's answer to a direct method is a success. A status of
// 2xx means success, unless the JSON answer has a text in its field "pending". Then the
// device has only promised to act later.
func (m MethodResponse) Judge() Verdict {
	if m.Status >= 200 && m.Status <= 299 {
		if cause := m.pending(); cause != "" {
			return Verdict{Outcome: Pending, Reason: pendingReason(cause)}
		}
		return Verdict{Outcome: Succeeded}
	}

	reason := fmt.Sprintf("status %d", m.Status)
	var answer struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(m.Payload, &answer) == nil && answer.Error.Code != "" {
		reason = fmt.Sprintf("%d %s", m.Status, answer.Error.Code)
		if answer.Error.Message != "" {
			reason += ": " + answer.Error.Message
		}
	}

	return Verdict{Outcome: Refused, Reason: reason, Code: answer.Error.Code}
}

// pending returns the text of the field "pending" in the device's JSON answer. The text
// names what the device waits for. pending returns "" if the answer has no such text.
func (m MethodResponse) pending() string {
	var answer map[string]json.RawMessage
	if json.Unmarshal(m.Payload, &answer) != nil {
		return ""
	}

	var cause string
	if json.Unmarshal(answer["pending"], &cause) != nil {
		return ""
	}

	return cause
}

// pendingReason returns a sentence that says what a pending device waits for.
func pendingReason(cause string) string {
	switch cause {
	case "door":
		return "waits for the door: it is open, and locks when somebody closes it"
	case "exit":
		return "waits for somebody who is leaving: the door locks behind them"
	}

	return "waits for " + firstLine(cause)
}

// errorOutcome returns the outcome of a device from the error code in the device's row.
// IoT Hub writes the code as a name or as a number.
func errorOutcome(code string) Outcome {
	switch code {
	case string(CodeDeviceNotOnline), "404103":
		return Offline
	case string(CodeGatewayTimeout), "504101":
		return TimedOut
	case string(CodeOutcomeUnknown):
		return Uncertain
	case string(CodeDeviceNotFound), "404001":
		return Gone
	}

	return Failed
}

func errorReason(e DeviceJobError) string {
	if e.Description == "" {
		return e.Code
	}

	return firstLine(e.Description)
}
