package main

import (
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
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
	iothub.Refused:        "the device answered with an error: see its answer",
	iothub.Pending:        "the door acts by itself as soon as it can; do not send the command again",
	iothub.Offline:        "the gateway was not connected and did nothing: check its power and network",
	iothub.TimedOut:       "the gateway was called and did not answer in time: look at the door before you try again",
	iothub.Uncertain:      "the gateway may have acted, but its answer is lost: look at the door, or call getStatus",
	iothub.Gone:           "the device was deleted from the registry",
	iothub.Canceled:       "the device was not called",
	iothub.Unfinished:     "the hub has no final result: run 'latchctl job show --devices' later, and look at the door",
	rollout.NotAsRequired: "the device reported success, but its twin does not meet the condition: run 'latchctl twin show ID'",
	iothub.Failed:         "see the reason; run 'latchctl method invoke ID ping' to test whether the device answers",
}

// failureKind groups the failures that have the same remedy.
type failureKind struct {
	outcome iothub.Outcome
	code    string // error code in the device's answer; empty if refusalAdvice has no remedy for it
}

// advice returns one line of advice for each kind of failure in a report. Each line
// names the kind of failure, some of the affected devices, and the remedy.
func advice(r watch.Report) []string {
	devices := make(map[failureKind][]string)
	var order []failureKind

	for _, d := range r.Failed() {
		kind := failureKind{d.Verdict.Outcome, d.Verdict.Code}
		if kind.outcome != iothub.Refused || refusalAdvice[kind.code] == "" {
			kind.code = ""
		}
		if devices[kind] == nil {
			order = append(order, kind)
		}
		devices[kind] = append(devices[kind], d.DeviceID)
	}

	var lines []string
	for _, kind := range order {
		name, remedy := kind.describe()
		lines = append(lines, fmt.Sprintf("%s (%s): %s", name, words.Names(devices[kind]), remedy))
	}
	if r.Missing > 0 {
		lines = append(lines, fmt.Sprintf("the hub has no result for %s: %s", words.Count(r.Missing, "device"), outcomeAdvice[iothub.Unfinished]))
	}

	return lines
}

func (k failureKind) describe() (name, remedy string) {
	if remedy := refusalAdvice[k.code]; k.outcome == iothub.Refused && remedy != "" {
		return string(k.outcome) + ", " + k.code, remedy
	}

	return string(k.outcome), outcomeAdvice[k.outcome]
}
