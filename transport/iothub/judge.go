package iothub

import (
	"encoding/json"
	"fmt"
)

// Outcome is what became of one device in a job, for a person.
type Outcome string

// The outcomes that are told apart.
const (
	Unfinished Outcome = "unfinished" // not ended yet
	Succeeded  Outcome = "succeeded"
	Refused    Outcome = "refused"   // the device answered, and its answer was not 2xx
	Offline    Outcome = "offline"   // the device was not connected
	TimedOut   Outcome = "timed out" // the device was called and did not answer
	Uncertain  Outcome = "uncertain" // the device may have been called; its answer is lost
	Gone       Outcome = "gone"      // the device does not exist any more
	Canceled   Outcome = "canceled"
	Failed     Outcome = "failed" // any other error
)

// CodeOutcomeUnknown marks a device that was called, and whose answer was not
// stored before the hub ended. It is the embedded hub's own code.
const CodeOutcomeUnknown Code = "OutcomeUnknown"

// Verdict is the judgement of a device's row, with the reason where it failed.
type Verdict struct {
	Outcome Outcome
	Reason  string
}

// Judge says what became of the device. It has succeeded only if the row ended
// without an error and a method's status is 2xx: to IoT Hub an answer of 500 is
// an answer and counts as succeeded, but the door is still open. Everything
// that decides on success decides by this function.
func (r DeviceJob) Judge() Verdict {
	if r.Error != nil {
		return Verdict{errorOutcome(r.Error.Code), errorReason(*r.Error)}
	}
	switch r.Status {
	case DeviceCompleted:
	case DeviceCanceled:
		return Verdict{Canceled, "canceled before the device was called"}
	case DeviceFailed:
		return Verdict{Failed, "the hub gives no reason"}
	default:
		return Verdict{Outcome: Unfinished}
	}
	if r.JobType != ScheduleDeviceMethod {
		return Verdict{Outcome: Succeeded}
	}
	if r.Outcome == nil || r.Outcome.DeviceMethodResponse == nil {
		return Verdict{Uncertain, "the hub has no answer of the device"}
	}
	return r.Outcome.DeviceMethodResponse.Judge()
}

// Judge says whether a device's answer to a direct method is a success.
func (m MethodResponse) Judge() Verdict {
	if m.Status >= 200 && m.Status <= 299 {
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
