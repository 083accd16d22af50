package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
)

// Properties lists the desired properties that latchd applies and acknowledges. It is the
// list of writable properties in the model of a door.
var Properties = []string{"autoRelockSeconds", "building", "floor", "heldOpenSeconds", "lockdown", "logLevel", "room", "telemetrySeconds"}

// UnknownProperties returns the names of desired properties that latchd ignores.
func UnknownProperties(desired iothub.Object) []string {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(desired)) {
		if !slices.Contains(Properties, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// DesiredOf returns the desired properties that a twin job sets. It returns nil for any
// other job.
func DesiredOf(job iothub.Job) iothub.Object {
	var patch iothub.TwinPatch
	if job.Type != iothub.ScheduleUpdateTwin || json.Unmarshal(job.UpdateTwin, &patch) != nil || patch.Properties == nil {
		return nil
	}
	return patch.Properties.Desired
}

// acknowledgement is what a device reports about a desired property.
type acknowledgement struct {
	Value       any    `json:"value"`
	Code        int    `json:"ac"`
	Version     int64  `json:"av"`
	Description string `json:"ad"`
}

// propertyState is a property in a device's twin.
type propertyState struct {
	name    string
	desired any
	version int64            // version of the desired properties at the last change of this property
	ack     *acknowledgement // nil if the device has reported none, or something else
}

// Columns of the query for the states of properties.
const (
	stateFields  = "deviceId, connectionState, modelId"
	desiredField = ", properties.desired.%[1]s AS %[1]sDesired"
	versionField = ", properties.desired.$metadata.%[1]s.$lastUpdatedVersion AS %[1]sVersion"
	ackField     = ", properties.reported.%[1]s AS %[1]sAck"
)

// ackFields returns the columns of the query that reads the states of properties.
func ackFields(names []string) string {
	text := stateFields
	for _, name := range names {
		text += fmt.Sprintf(desiredField+versionField+ackField, name)
	}
	return text
}

// parseProperty reads the state of a property from a row of that query. An acknowledgement
// in an unknown form counts as missing, because a device can report anything.
func parseProperty(row map[string]json.RawMessage, name string) propertyState {
	p := propertyState{name: name}
	if json.Unmarshal(row[name+"Desired"], &p.desired) != nil {
		p.desired = nil
	}
	if json.Unmarshal(row[name+"Version"], &p.version) != nil {
		p.version = 0
	}
	if json.Unmarshal(row[name+"Ack"], &p.ack) != nil || p.ack != nil && p.ack.Code == 0 {
		p.ack = nil
	}

	return p
}

// acknowledged reports whether the device has acknowledged the newest change of the
// property. A device that has applied the removal of a property reports nothing.
func (p propertyState) acknowledged() bool {
	if p.desired == nil {
		return p.ack == nil
	}
	return p.ack != nil && p.ack.Version >= p.version
}

// Reasons of devices that have not acknowledged a property.
const (
	reasonOffline = "is offline; it follows when it connects"
	reasonSilent  = "is connected but has not acknowledged yet"
)

// judge returns the verdict on a property that a device should have applied. want is the
// value that was sent, or nil if the property was removed.
func (p propertyState) judge(id string, connected bool, want any) iothub.Verdict {
	switch {
	case !equalJSON(p.desired, want):
		return iothub.Verdict{Outcome: iothub.Failed, Reason: "somebody else has changed " + p.name + " since; run 'latchctl twin show " + words.ShellArgument(id) + "'"}
	case !p.acknowledged() && !connected:
		return iothub.Verdict{Outcome: iothub.Pending, Reason: reasonOffline}
	case !p.acknowledged():
		return iothub.Verdict{Outcome: iothub.Pending, Reason: reasonSilent}
	case p.desired == nil:
		return iothub.Verdict{Outcome: iothub.Succeeded}
	}

	on, isSwitch := want.(bool)
	switch code := p.ack.Code; {
	case code == 202 && p.name == "lockdown":
		return iothub.Verdict{Outcome: iothub.Pending, Reason: withDetail("is in lockdown but not locked yet", p.ack.Description)}
	case code == 202:
		return iothub.Verdict{Outcome: iothub.Pending, Reason: withDetail("applies "+p.name+" later", p.ack.Description)}
	case code < 200 || code > 299:
		return iothub.Verdict{Outcome: iothub.Refused, Reason: withDetail(p.prefix()+fmt.Sprint(code), p.ack.Description)}
	case isSwitch && p.ack.Value != on:
		return iothub.Verdict{Outcome: iothub.Refused, Reason: fmt.Sprintf("the device acknowledged another value: %v", p.ack.Value)}
	}

	return iothub.Verdict{Outcome: iothub.Succeeded}
}

// prefix returns the property's name for a reason. A lockdown is the only change of its
// command, so its reason needs no name.
func (p propertyState) prefix() string {
	if p.name == "lockdown" {
		return ""
	}
	return p.name + ": "
}

// withDetail appends the device's own explanation to a reason, if there is one.
func withDetail(reason, detail string) string {
	if detail == "" {
		return reason
	}

	return reason + ": " + detail
}

// worst combines the verdicts on a device's properties: the worst outcome, with the
// different reasons for it.
func worst(verdicts []iothub.Verdict) iothub.Verdict {
	order := []iothub.Outcome{iothub.Succeeded, iothub.Pending, iothub.Failed, iothub.Refused}
	outcome := iothub.Succeeded
	for _, v := range verdicts {
		if slices.Index(order, v.Outcome) > slices.Index(order, outcome) {
			outcome = v.Outcome
		}
	}

	var reasons []string
	for _, v := range verdicts {
		if v.Outcome == outcome && v.Reason != "" && !slices.Contains(reasons, v.Reason) {
			reasons = append(reasons, v.Reason)
		}
	}
	return iothub.Verdict{Outcome: outcome, Reason: strings.Join(reasons, "; ")}
}

// equalJSON reports whether two values have the same JSON form. 3 and 3.0 are equal,
// because some hubs write one for the other.
func equalJSON(a, b any) bool { return reflect.DeepEqual(plainJSON(a), plainJSON(b)) }

func plainJSON(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return value
	}
	var plain any
	if json.Unmarshal(text, &plain) != nil {
		return value
	}
	return plain
}
