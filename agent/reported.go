package agent

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// reported returns the current values of all reported properties of the agent.
func (a *Agent) reported() iothub.Object {
	status := a.lock.Status()
	all := iothub.Object{
		"lock":   a.reportedLock(status),
		"agent":  map[string]any{"version": a.config.Version, "startedAt": formatTime(a.startedAt)},
		"system": a.reportedSystem(),
	}

	if door := reportedDoor(status); len(door) > 0 {
		all["door"] = door
	}

	if info := a.link.Load(); info != nil {
		link := map[string]any{"connectedAt": formatTime(info.connectedAt), "reconnects": info.reconnects}
		if info.lastError != "" {
			link["lastError"] = cutRunes(info.lastError, maxReportedText)
		}
		all["link"] = link
	}

	desired := a.desired.Load()
	maps.Copy(all, desired.acks)
	if ack, ok := desired.acks["lockdown"].(map[string]any); ok {
		all["lockdown"] = lockdownAck(ack, desired.settings, status)
	}
	return all
}

// maxReportedText is the maximum length, in characters, of a text in a reported
// property that comes from another program or the kernel. A hub refuses a report with a
// string longer than 4 KiB.
const maxReportedText = 1000

// lockdownAck returns the acknowledgement of the desired property lockdown. The
// acknowledgement reports completion only when the door is locked.
func lockdownAck(ack map[string]any, settings Settings, status actuator.Status) map[string]any {
	complete := status.Lockdown && status.Position == actuator.Locked
	if !settings.Lockdown || complete || ack["ac"] != http.StatusOK {
		return ack
	}

	ack = maps.Clone(ack)
	ack["ac"], ack["ad"] = http.StatusAccepted, "the door is not locked yet"
	if status.Door == actuator.DoorOpen {
		ack["ad"] = "the door is open; it locks when it has been closed"
	}
	return ack
}

// reportedDoor returns the reported property door. It is empty without a door sensor,
// unless an exit input is fitted that has something to report.
func reportedDoor(status actuator.Status) map[string]any {
	door := make(map[string]any)
	if status.Door != "" {
		door["changedAt"] = formatTime(status.DoorChangedAt)
		door["heldOpen"] = status.HeldOpen
	}
	if status.Door == actuator.DoorOpen || status.Door == actuator.DoorClosed {
		door["open"] = status.Door == actuator.DoorOpen
	}

	if status.Door != "" || status.Forced {
		door["forced"] = status.Forced
	}
	if !status.LastForcedAt.IsZero() {
		door["lastForcedAt"] = formatTime(status.LastForcedAt)
	}
	if status.ExitStuck {
		door["exitStuck"] = true
	}
	return door
}

// reportedLock returns the reported property lock.
func (a *Agent) reportedLock(status actuator.Status) map[string]any {
	lock := map[string]any{
		"driver":    a.config.Driver,
		"mode":      string(a.config.Mode),
		"position":  string(status.Position),
		"source":    string(status.Source),
		"confirmed": status.Confirmed,
		"changedAt": formatTime(status.ChangedAt),
		"secured":   status.Secured,
		"hold":      status.Hold,
		"pending":   status.Pending,
		"lockdown":  status.Lockdown,
	}
	if !status.ReleaseEnd.IsZero() {
		lock["releasedUntil"] = formatTime(status.ReleaseEnd)
	}
	if status.Fault != "" {
		lock["fault"] = cutRunes(status.Fault, maxReportedText)
	}

	if last := status.Last; last != nil {
		command := map[string]any{"name": last.Name, "at": formatTime(last.At), "status": statusOf(last.Code, last.Pending)}
		if last.Reason != "" {
			command["reason"] = cutRunes(last.Reason, MaxReason)
		}
		lock["lastCommand"] = command
	}
	return lock
}

// reportedSystem returns the reported property system.
func (a *Agent) reportedSystem() map[string]any {
	system := a.config.System.object()
	if last := a.state.Get().LastReboot; last != nil {
		system["lastReboot"] = map[string]any{"at": formatTime(last.At), "cause": last.Cause}
	}
	return system
}

// Status returns the body of the answer to the method getStatus: the reported
// properties, the agent's counters and, as the member twin, why the twin is out of date.
func (a *Agent) Status() iothub.Object {
	all := a.reported()
	all["uptimeSeconds"] = int64(a.config.Now().Sub(a.startedAt).Seconds())

	counters := map[string]any{
		"methods":         a.methods.Load(),
		"methodsRefused":  a.refused.Load(),
		"links":           a.links.Load(),
		"desiredIgnored":  a.desired.Load().ignored,
		"stateSaveErrors": a.state.Errors(),
	}
	if info := a.link.Load(); info != nil {
		counters["retainedIgnored"] = info.replayed()
	}
	if a.config.Events != nil {
		counts := a.config.Events.Counts()
		counters["eventsWaiting"] = counts.Waiting
		counters["eventsDropped"] = counts.Dropped.Important + counts.Dropped.Routine
		counters["importantEventsDropped"] = counts.Dropped.Important
		counters["eventSaveErrors"] = counts.Errors
	}
	all["counters"] = counters

	if trouble := a.trouble.Load(); trouble != nil {
		all["twin"] = trouble.object()
	}
	return all
}

// isSection reports whether the agent writes the reported property with this name as a
// set of members that do not depend on each other.
func isSection(name string) bool {
	switch name {
	case "lock", "door", "agent", "system", "link":
		return true
	}
	return false
}

// isOwned reports whether the agent, rather than another program, writes the reported
// property with this name.
func isOwned(name string) bool { return isSection(name) || isProperty(name) }

// difference returns the smallest patch that updates the reported properties in have,
// which the hub sent, to those in want. The patch leaves properties of other programs
// unchanged.
func difference(have, want iothub.Object) iothub.Object {
	owned := make(map[string]any, len(have))
	for name, value := range have {
		if isOwned(name) {
			owned[name] = value
		}
	}
	return patch(owned, want)
}

// patch returns the smallest JSON merge patch that turns have, decoded by
// [iothub.ParseObject], into want. The values in want may also have the types of the
// agent's own values; see plain.
func patch(have, want map[string]any) map[string]any {
	p := make(map[string]any)
	for name, newValue := range want {
		oldValue, exists := have[name]
		if newObject, ok := newValue.(map[string]any); ok {
			oldObject, isObject := oldValue.(map[string]any)
			if sub := patch(oldObject, newObject); len(sub) > 0 || !isObject {
				p[name] = sub
			}
			continue
		}

		newValue = plain(newValue)
		if !exists || !reflect.DeepEqual(oldValue, newValue) {
			p[name] = newValue
		}
	}

	for name := range have {
		if _, wanted := want[name]; !wanted {
			p[name] = nil
		}
	}
	return p
}

// plain returns a reported value in the form in which [iothub.ParseObject] reads its
// JSON. Two values with equal JSON then compare equal.
func plain(value any) any {
	switch v := value.(type) {
	case int:
		return json.Number(strconv.Itoa(v))
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case string:
		if !utf8.ValidString(v) {
			return string([]rune(v)) // each invalid byte becomes U+FFFD
		}
	}
	return value
}

func formatTime(t time.Time) string {
	return t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
}

var _ Lock = (*actuator.Lock)(nil)
