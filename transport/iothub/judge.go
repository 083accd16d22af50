package iothub

import (
	"encoding/json"
	"fmt"
)

// Outcome is the result of a job for one device, in the words that people read.
type Outcome string

// The outcomes of a job for one device.
const (
	Unfinished Outcome = "unfinished" // the job still works on the device
	Succeeded  Outcome = "succeeded"  // the device did what the job asked
	Pending    Outcome = "pending"    // the device has promised to do it later, such as to lock a door that is open
	Refused    Outcome = "refused"    // the device answered with a status other than 2xx
	Offline    Outcome = "offline"    // the device was not connected
	TimedOut   Outcome = "timed out"  // the hub called the device and got no answer
	Uncertain  Outcome = "uncertain"  // the hub may have called the device, but its answer is lost
	Gone       Outcome = "gone"       // the device was deleted
	Canceled   Outcome = "canceled"   // the job was cancelled before the hub called the device
	Failed     Outcome = "failed"     // the hub reports another error
)

// CodeOutcomeUnknown is the error of a device that the hub called shortly before the
// hub stopped, so that its answer was never stored. Only the embedded hub uses it.
const CodeOutcomeUnknown Code = "OutcomeUnknown"

// Verdict is the outcome of a job for one device. If the device did not succeed, the
// verdict also has the reason. For a pending device the reason is what it waits for.
type Verdict struct {
	Outcome Outcome
	Reason  string
}

// Judge decides whether a job succeeded on a device. The device has succeeded only if
// its row has no error, the status of its method is 2xx and its answer is not pending.
// IoT Hub's own statistics count every answer as a success, even a 500 or a pending
// lock, after which the door is still open. All code that depends on success must call
// Judge.
func (r DeviceJob) Judge() Verdict {
	if r.Error != nil {
		return Verdict{errorOutcome(r.Error.Code), errorReason(*r.Error)}
	}

	switch r.Status {
	case DeviceCompleted:
	case DeviceCanceled:
		return Verdict{Canceled, "the job was cancelled before the hub called the device"}
	case DeviceFailed:
		return Verdict{Failed, "the hub gave no reason"}
	default:
		return Verdict{Outcome: Unfinished}
	}

	if r.JobType != ScheduleDeviceMethod {
		return Verdict{Outcome: Succeeded}
	}
	if r.Outcome == nil || r.Outcome.DeviceMethodResponse == nil {
		return Verdict{Uncertain, "the hub has no answer from the device"}
	}
	return r.Outcome.DeviceMethodResponse.Judge()
}

// Judge decides whether a device's answer to a direct method is a success. An answer
// with the status 2xx and a text in its member "pending" is a promise, not a success.
func (m MethodResponse) Judge() Verdict {
	if m.Status >= 200 && m.Status <= 299 {
		if cause := m.pending(); cause != "" {
			return Verdict{Pending, pendingReason(cause)}
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

	return Verdict{Refused, reason}
}

// pending returns the text of the answer's member "pending", which names what the
// device waits for. It returns "" if the answer has no such text.
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

// pendingReason explains what a pending device waits for.
func pendingReason(cause string) string {
	switch cause {
	case "door":
		return "waits for the door: it is open, and locks when somebody closes it"
	case "exit":
		return "waits for somebody who is leaving: the door locks behind them"
	}

	return "waits for " + firstLine(cause)
}

// errorOutcome returns the outcome for the error code in a device's row. IoT Hub
// writes the code as a name or as a number.
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
