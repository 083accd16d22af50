package fleet

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// AcknowledgeTime is how long a connected door needs at most to acknowledge a change of its
// desired properties.
const AcknowledgeTime = 30 * time.Second

// doorModel is the beginning of the model id that latchd announces.
const doorModel = "dtmi:latchd:"

// lockTime is how long Acknowledged waits for a door that has acknowledged a property but
// has not finished, such as a door in lockdown whose bolt still moves. A bolt arrives within
// 4 seconds or is jammed.
const lockTime = 5 * time.Second

// Acknowledged waits until the devices of a twin job have acknowledged the desired
// properties that the job has set, and judges each device by its acknowledgements. It
// considers only Properties, and devices whose twin was updated. It waits up to limit, and
// then up to lockTime for devices that have not finished:
//
//   - A device has succeeded if it has acknowledged the properties in their newest version.
//   - A device that is offline is pending: its twin holds the change.
//   - A device that is not a door acknowledges nothing, so its updated twin is a success. A
//     device that never connected may be a door, so it is pending.
//     Only a lockdown needs an acknowledgement of every device.
//   - A connected device that did not acknowledge in time has timed out. With a limit of 0,
//     Acknowledged reads the twins once, and such a device is pending.
func (f *Fleet) Acknowledged(ctx context.Context, report watch.Report, desired iothub.Object, limit time.Duration) (watch.Report, error) {
	var names []string
	for _, name := range Properties {
		if _, ok := desired[name]; ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return report, nil
	}

	w := ackWait{fleet: f, names: names, desired: desired, began: f.Now(), limit: limit, verdicts: make(map[string]iothub.Verdict), seen: make(map[string]time.Time)}
	for _, d := range report.Devices {
		if !d.Failed() {
			w.open = append(w.open, d.DeviceID)
		}
	}

	for pause := time.Second; len(w.open) > 0; pause = min(pause*3/2, 5*time.Second) {
		states, err := w.read(ctx)
		if err != nil {
			return report, err
		}
		now := f.Now()
		w.open = slices.DeleteFunc(w.open, func(id string) bool { return w.isFinal(id, states, now) })

		if len(w.open) > 0 {
			if err := f.Sleep(ctx, pause); err != nil {
				return report, err
			}
		}
	}

	return w.apply(report), nil
}

// ackWait is the state of one call of Acknowledged.
type ackWait struct {
	fleet   *Fleet
	names   []string // names of the properties
	desired iothub.Object
	began   time.Time
	limit   time.Duration

	open     []string // devices whose verdict may still change
	verdicts map[string]iothub.Verdict
	seen     map[string]time.Time // device id -> time of the first reading in which all properties were acknowledged
}

// deviceState is the part of a device's twin that concerns the properties.
type deviceState struct {
	connected  bool
	isDoor     bool // the device runs latchd, or its model is not known
	properties []propertyState
}

// read reads the states of the open devices. Deleted devices are not in the result.
func (w *ackWait) read(ctx context.Context) (map[string]deviceState, error) {
	fields := ackFields(w.names)
	states := make(map[string]deviceState)

	for _, part := range rest.SplitDevices(w.open, rest.MaxQuery-len(QueryText(fields, " "))) {
		err := w.fleet.Retry(ctx, watch.Patient, func() error {
			for row, err := range w.fleet.Hub.Query(ctx, QueryText(fields, rest.DevicesIn(part))) {
				if err != nil {
					return err
				}
				id, state := parseDeviceState(row, w.names)
				states[id] = state
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}

	return states, nil
}

// parseDeviceState parses a row of the query for the states of properties.
func parseDeviceState(row json.RawMessage, names []string) (id string, state deviceState) {
	var v map[string]json.RawMessage
	if json.Unmarshal(row, &v) != nil {
		return "", deviceState{}
	}
	if json.Unmarshal(v["deviceId"], &id) != nil {
		return "", deviceState{}
	}

	state.connected = string(v["connectionState"]) == `"`+string(iothub.Connected)+`"`
	var model string
	unknown := json.Unmarshal(v["modelId"], &model) != nil || model == "" && !state.connected // a device announces its model when it connects
	state.isDoor = unknown || strings.HasPrefix(model, doorModel)
	for _, name := range names {
		state.properties = append(state.properties, parseProperty(v, name))
	}
	return id, state
}

// isFinal judges a device and reports whether its verdict will not change while latchctl
// waits.
func (w *ackWait) isFinal(id string, states map[string]deviceState, now time.Time) bool {
	state, exists := states[id]
	if !exists {
		w.verdicts[id] = iothub.Verdict{Outcome: iothub.Gone, Reason: "the device was deleted after its twin was changed"}
		return true
	}

	if _, isLockdown := w.desired["lockdown"]; !state.isDoor && !isLockdown {
		return true
	}

	acknowledged := true
	var verdicts []iothub.Verdict
	for _, p := range state.properties {
		acknowledged = acknowledged && p.acknowledged()
		verdicts = append(verdicts, p.judge(id, state.connected, w.desired[p.name]))
	}
	w.verdicts[id] = worst(verdicts)

	switch {
	case w.verdicts[id].Outcome != iothub.Pending, !state.connected:
		return true
	case acknowledged && w.seen[id].IsZero():
		w.seen[id] = now
	}
	late := now.Sub(w.began) >= w.limit
	if late && !acknowledged && w.limit > 0 {
		w.verdicts[id] = iothub.Verdict{Outcome: iothub.TimedOut, Reason: "is connected but did not acknowledge in time; its latchd may be too old for " + w.oldest(state)}
	}

	return late || acknowledged && now.Sub(w.seen[id]) >= lockTime
}

// oldest returns the name of the first property that a device has not acknowledged.
func (w *ackWait) oldest(state deviceState) string {
	for _, p := range state.properties {
		if !p.acknowledged() {
			return p.name
		}
	}
	return w.names[0]
}

// apply returns a copy of a report with the new verdicts.
func (w *ackWait) apply(report watch.Report) watch.Report {
	report.Devices = slices.Clone(report.Devices)
	for i, d := range report.Devices {
		if verdict, ok := w.verdicts[d.DeviceID]; ok {
			report.Devices[i].Verdict = verdict
		}
	}

	return report.Join(watch.Report{Job: report.Job}) // Join sorts the devices
}
