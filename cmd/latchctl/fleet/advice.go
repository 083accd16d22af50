package fleet

import (
	"fmt"
	"slices"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
)

// refusalAdvice holds the remedy that latchctl prints when a door refuses a command.
// The keys are the error codes in the doors' answers.
var refusalAdvice = map[string]string{
	"jammed":               "the bolt did not reach its position: check bolt, strike and frame, then try again",
	"door-open":            "close the door, then lock it",
	"busy":                 "the bolt was moving: try again in a moment",
	"too-soon":             "the bolt moved a moment ago: try again in a moment",
	"lockdown":             "the door is in lockdown: end it with 'latchctl lockdown off ID'",
	"not-allowed":          "the gateway's configuration does not allow this command",
	"actuator-unavailable": "the gateway cannot reach its lock: run 'latchd check' on the gateway",
	"unknown-method":       "the device does not know this method: check the method's name, and the device's software version",
	"bad-payload":          "the device does not accept this payload: check --payload",
}

// outcomeAdvice holds the remedy that latchctl prints for a device that did not
// succeed.
var outcomeAdvice = map[iothub.Outcome]string{
	iothub.Refused:    "the device answered with an error: see its answer",
	iothub.Pending:    "the door acts by itself as soon as it can; do not send the command again",
	iothub.Offline:    "the gateway was not connected and did nothing: check its power and network",
	iothub.TimedOut:   "the gateway was called and did not answer in time: look at the door before you try again",
	iothub.Uncertain:  "the gateway may have acted, but its answer is lost: look at the door, or call getStatus",
	iothub.Gone:       "the device was deleted from the registry",
	iothub.Canceled:   "the device was not called",
	iothub.Unfinished: "the hub has no final result: run 'latchctl job show --devices' later, and look at the door",
	NotAsRequired:     "the device reported success, but its twin does not meet the condition: run 'latchctl twin show ID'",
	iothub.Failed:     "see the reason; run 'latchctl method invoke ID ping' to test whether the device answers",
}

// Advice is what the user should do about the devices that failed in the same way.
type Advice struct {
	Outcome iothub.Outcome
	Code    string   // error code in the devices' answers; empty if there is no remedy for it
	Devices []string // ids of the devices; empty if the hub does not name them
	Count   int      // number of devices
	Remedy  string
}

// String returns the advice on one line, with some of the devices.
func (a Advice) String() string {
	if len(a.Devices) == 0 {
		return fmt.Sprintf("the hub has no result for %s: %s", words.Count(a.Count, "device"), a.Remedy)
	}

	name := string(a.Outcome)
	if a.Code != "" {
		name += ", " + a.Code
	}

	return fmt.Sprintf("%s (%s): %s", name, words.Names(a.Devices), a.Remedy)
}

// Advise returns the advice for each kind of failure in a report.
func Advise(r watch.Report) []Advice {
	var all []Advice
	for _, d := range r.Failed() {
		if d.Verdict.Outcome == iothub.Canceled {
			continue // there is nothing to do about it
		}
		kind := AdviceFor(d.Verdict)
		i := slices.IndexFunc(all, func(a Advice) bool { return a.Outcome == kind.Outcome && a.Code == kind.Code })
		if i < 0 {
			i = len(all)
			all = append(all, kind)
		}
		all[i].Devices = append(all[i].Devices, d.DeviceID)
		all[i].Count++
	}

	if r.Missing > 0 {
		all = append(all, Advice{Outcome: iothub.Unfinished, Count: r.Missing, Remedy: outcomeAdvice[iothub.Unfinished]})
	}

	return all
}

// AdviceFor returns the advice for a verdict, without devices.
func AdviceFor(v iothub.Verdict) Advice {
	if remedy := refusalAdvice[v.Code]; v.Outcome == iothub.Refused && remedy != "" {
		return Advice{Outcome: v.Outcome, Code: v.Code, Remedy: remedy}
	}

	return Advice{Outcome: v.Outcome, Remedy: outcomeAdvice[v.Outcome]}
}
