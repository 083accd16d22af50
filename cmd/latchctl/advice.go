package main

import (
	"fmt"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// refusals says what to do by the code of a door's own refusal.
var refusals = map[string]string{
	"jammed":               "the bolt did not get there: look at bolt, strike and frame, then try again",
	"door-open":            "close the door, then lock it",
	"busy":                 "it was moving: try again in a moment",
	"too-soon":             "it moved a moment ago: try again in a moment",
	"not-allowed":          "the gateway's configuration does not allow it",
	"actuator-unavailable": "the gateway cannot reach its lock: run latchd check on it",
	"unknown-method":       "the device does not know this method: check its name, and the device's software",
	"bad-payload":          "the device does not take this payload: check --payload",
}

// advices says what to do by the outcome.
var advices = map[iothub.Outcome]string{
	iothub.Refused:        "the device answered and refused: see its answer",
	iothub.Offline:        "the gateway was not connected: check its power and its network; it did nothing",
	iothub.TimedOut:       "the gateway was called and did not answer in time: look at the door before you try again",
	iothub.Uncertain:      "the gateway may have acted and its answer is lost: look at the door, or call getStatus",
	iothub.Gone:           "the device is not in the registry any more",
	iothub.Canceled:       "the device was not called",
	iothub.Unfinished:     "the hub has no final result: ask again with latchctl job show --devices, and look at the door",
	rollout.NotAsRequired: "the device did as told, and its twin does not say so: latchctl twin show ID shows what it says",
	iothub.Failed:         "see the reason; latchctl method invoke ID ping shows whether the device answers",
}

// advice is what to do next about the failed devices: a line for each kind of
// failure, with the first devices that it is for.
func advice(r watch.Report) []string {
	type kind struct {
		outcome iothub.Outcome
		code    string
	}
	devices := make(map[kind][]string)
	var order []kind
	for _, d := range r.Failed() {
		k := kind{d.Verdict.Outcome, refusalCode(d.Verdict)}
		if name, _ := whatNext(k.outcome, k.code); name == string(k.outcome) {
			k.code = "" // one that says nothing more
		}
		if devices[k] == nil {
			order = append(order, k)
		}
		devices[k] = append(devices[k], d.DeviceID)
	}
	var lines []string
	for _, k := range order {
		name, text := whatNext(k.outcome, k.code)
		lines = append(lines, fmt.Sprintf("%s (%s): %s", name, fewNames(devices[k]), text))
	}
	if r.Missing > 0 {
		lines = append(lines, fmt.Sprintf("the hub has no row for %s: %s", plural(r.Missing, "device"), advices[iothub.Unfinished]))
	}
	return lines
}

// whatNext names a failure and says what to do about it, by the outcome and by the
// code of the device's own refusal, if it is one of latchd's.
func whatNext(o iothub.Outcome, code string) (name, text string) {
	if text = refusals[code]; o == iothub.Refused && text != "" {
		return string(o) + ", " + code, text
	}
	return string(o), advices[o]
}

// refusalCode is the code in a device's own refusal, if it has the form of latchd's:
// its judgement begins as "500 jammed".
func refusalCode(v iothub.Verdict) string {
	words := strings.Fields(v.Reason)
	if len(words) < 2 {
		return ""
	}
	return strings.TrimSuffix(words[1], ":")
}

func fewNames(ids []string) string {
	if len(ids) > 6 {
		return strings.Join(ids[:5], ", ") + fmt.Sprintf(" and %d more", len(ids)-5)
	}
	return strings.Join(ids, ", ")
}
