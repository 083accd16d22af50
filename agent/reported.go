package agent

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// reported returns what the reported properties have to be now.
func (a *Agent) reported() iothub.Object {
	status := a.lock.Status()
	lock := map[string]any{
		"driver":    a.config.Driver,
		"mode":      string(a.config.Mode),
		"position":  string(status.Position),
		"source":    string(status.Source),
		"confirmed": status.Confirmed,
		"changedAt": timeText(status.ChangedAt),
	}
	if status.Fault != "" {
		lock["fault"] = status.Fault
	}
	if l := status.Last; l != nil {
		last := map[string]any{"name": l.Name, "at": timeText(l.At), "status": statusOf(l.Code)}
		if l.Reason != "" {
			last["reason"] = l.Reason
		}
		lock["lastCommand"] = last
	}
	all := iothub.Object{
		"lock":   lock,
		"agent":  map[string]any{"version": a.config.Version, "startedAt": timeText(a.startedAt)},
		"system": a.config.System.object(),
	}
	if last := a.state.Get().LastReboot; last != nil {
		all["system"].(map[string]any)["lastReboot"] = map[string]any{"at": timeText(last.At), "cause": last.Cause}
	}
	if status.Door != "" {
		door := map[string]any{"changedAt": timeText(status.DoorChangedAt)}
		if status.Door != actuator.DoorUnknown {
			door["open"] = status.Door == actuator.DoorOpen
		}
		all["door"] = door
	}
	if link := a.link.Load(); link != nil {
		o := map[string]any{"connectedAt": timeText(link.connectedAt), "reconnects": link.reconnects}
		if link.lastError != "" {
			o["lastError"] = link.lastError
		}
		all["link"] = o
	}
	for name, ack := range a.desired.Load().acks {
		all[name] = ack
	}
	return all
}

// Status returns what getStatus answers.
func (a *Agent) Status() iothub.Object { return a.status() }

// status is what getStatus answers: the reported section, and counters.
func (a *Agent) status() iothub.Object {
	all := a.reported()
	all["uptimeSeconds"] = int64(a.config.Now().Sub(a.startedAt).Seconds())
	counters := map[string]any{
		"methods":         a.methods.Load(),
		"methodsRefused":  a.refused.Load(),
		"links":           a.links.Load(),
		"desiredIgnored":  a.desired.Load().ignored,
		"stateSaveErrors": a.state.Errors(),
	}
	if a.config.Events != nil {
		counters["eventsWaiting"], counters["eventsDropped"] = a.config.Events.Counts()
	}
	all["counters"] = counters
	return all
}

// owned reports whether the agent writes the reported property of that name.
func owned(name string) bool {
	switch name {
	case "lock", "door", "agent", "system", "link":
		return true
	}
	return isProperty(name)
}

// difference returns the smallest patch that turns have into want, leaving
// alone what is not the agent's own.
func difference(have, want iothub.Object) iothub.Object {
	have, want = plain(have), plain(want)
	for name := range have {
		if !owned(name) {
			delete(have, name)
		}
	}
	return patch(have, want)
}

func patch(have, want map[string]any) map[string]any {
	p := make(map[string]any)
	for name, new := range want {
		old, there := have[name]
		oldObject, isOld := old.(map[string]any)
		newObject, isNew := new.(map[string]any)
		switch {
		case there && isOld && isNew:
			if sub := patch(oldObject, newObject); len(sub) > 0 {
				p[name] = sub
			}
		case !there || !reflect.DeepEqual(old, new):
			p[name] = new
		}
	}
	for name := range have {
		if _, wanted := want[name]; !wanted {
			p[name] = nil
		}
	}
	return p
}

// plain returns o as it would come from the wire, so that numbers and nested
// objects of different Go types compare.
func plain(o iothub.Object) iothub.Object {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("reported properties that are no JSON: %v", err)) // they are made above
	}
	p, err := iothub.ParseObject(text)
	if err != nil {
		return iothub.Object{}
	}
	return p
}

func timeText(t time.Time) string { return t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano) }

var _ Lock = (*actuator.Lock)(nil)
