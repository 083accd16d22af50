package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

// lockdownOptions holds the flags and arguments of lockdown on and lockdown off.
type lockdownOptions struct {
	scheduling
	app     *app
	cmd     *cobra.Command
	on      bool
	timeout seconds // how long to wait for the doors' acknowledgements; 0 means no wait
}

func newLockdown(a *app, on bool) *cobra.Command {
	o := &lockdownOptions{app: a, on: on, timeout: 30}
	cmd := &cobra.Command{
		Use:   "off --where CONDITION | ID...",
		Short: "End the lockdown of doors; no bolt moves",
		Example: `  latchctl lockdown off front-door back-door
  latchctl lockdown off --where "properties.desired.building = '43'" --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.IDs = cmd, args
			return a.perform(cmd.Context(), o)
		},
	}
	if on {
		cmd.Use = "on --where CONDITION | ID..."
		cmd.Short = "Lock doors, and refuse to unlock them until the lockdown ends"
		cmd.Example = `  latchctl lockdown on front-door back-door
  latchctl lockdown on --where "properties.desired.building = '43'" --yes`
	}
	cmd.Long = lockdownHelp

	o.addFlags(cmd)
	o.addRunFlags(cmd)
	cmd.Flags().Var(&o.timeout, "timeout", "wait this long for the doors' acknowledgements; 0 does not wait")

	return cmd
}

const lockdownHelp = "A job changes the desired property lockdown of the doors. A door that is offline\n" +
	"follows when it connects. latchctl waits up to --timeout for the other doors to\n" +
	"acknowledge. An open door is pending: it locks when somebody closes it. People can\n" +
	"always leave: the exit input works, and the door locks behind them. A door that\n" +
	"could trap people refuses lockdown.\n" +
	"Exit status: 0 if every door has acknowledged or is pending, 3 if a door refused, 5\n" +
	"if a connected door did not acknowledge in time."

// lockdownLockTime is how long latchctl waits until a door in lockdown reports that
// its bolt is locked. A bolt arrives within 4 seconds or is jammed.
const lockdownLockTime = 5 * time.Second

func (o *lockdownOptions) run(ctx context.Context) error {
	if err := o.scheduling.check(o.app, o.cmd); err != nil {
		return err
	}
	patch, err := json.Marshal(iothub.TwinPatch{ETag: "*", // IoT Hub requires an etag in a job's twin patch
		Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"lockdown": o.on}}})
	if err != nil {
		return err
	}
	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	o.watch = true
	work, err := o.app.prepare(ctx, f, o.scheduling, iothub.Job{Type: iothub.ScheduleUpdateTwin, UpdateTwin: patch}, o.operation())
	if err != nil || len(work.Jobs) == 0 {
		return err
	}

	report, failure := f.Run(ctx, work)
	if failure != nil && report.Total() == 0 {
		return failure
	}

	report, err = o.awaitAcknowledgements(ctx, f, report)
	if err != nil {
		o.app.note("the job has changed the twins, but latchctl could not read the doors' acknowledgements")
		return err
	}
	if err := o.app.showReport(report, false); err != nil {
		return err
	}
	if failure != nil {
		return o.app.workExitStatus(work, report, failure)
	}

	return lockdownExitStatus(report)
}

// operation describes the start or the end of a lockdown to the user.
func (o *lockdownOptions) operation() fleet.Operation {
	if o.on {
		return fleet.Operation{Verb: "lock down", Noun: "door", Name: "lockdown", Caution: fleet.AboveOne}
	}

	return fleet.Operation{Verb: "end the lockdown of", Noun: "door", Name: "lockdown", Caution: fleet.Always}
}

// awaitAcknowledgements waits until the doors have acknowledged the change of
// lockdown, and judges each door by its acknowledgement. It waits up to --timeout for
// the acknowledgements of connected doors, and then up to lockdownLockTime for their
// bolts to lock.
func (o *lockdownOptions) awaitAcknowledgements(ctx context.Context, f *fleet.Fleet, report watch.Report) (watch.Report, error) {
	var open []string // devices whose verdict may still change
	for _, d := range report.Devices {
		if !d.Failed() {
			open = append(open, d.DeviceID)
		}
	}

	verdicts := make(map[string]iothub.Verdict)
	began := f.Now()
	acknowledged := make(map[string]time.Time) // device id -> time at which latchctl first saw its acknowledgement

	for pause := time.Second; len(open) > 0; pause = min(pause*3/2, 5*time.Second) {
		states, err := o.readStates(ctx, f, open)
		if err != nil {
			return report, err
		}

		now := f.Now()
		late := now.Sub(began) >= time.Duration(o.timeout)*time.Second
		open = slices.DeleteFunc(open, func(id string) bool {
			state, exists := states[id]
			if !exists {
				verdicts[id] = iothub.Verdict{Outcome: iothub.Gone, Reason: "the device was deleted after its twin was changed"}
				return true
			}

			verdicts[id] = state.judge(o.on)
			switch {
			case late, !state.connected(), verdicts[id].Outcome != iothub.Pending:
				return true
			case state.acknowledged() && acknowledged[id].IsZero():
				acknowledged[id] = now
			}
			return state.acknowledged() && now.Sub(acknowledged[id]) >= lockdownLockTime
		})

		if len(open) > 0 {
			if err := f.Sleep(ctx, pause); err != nil {
				return report, err
			}
		}
	}

	return o.withVerdicts(report, verdicts), nil
}

// withVerdicts returns a copy of a report in which the given devices have new
// verdicts.
func (o *lockdownOptions) withVerdicts(report watch.Report, verdicts map[string]iothub.Verdict) watch.Report {
	report.Devices = slices.Clone(report.Devices)
	for i, d := range report.Devices {
		verdict, ok := verdicts[d.DeviceID]
		if !ok {
			continue
		}
		if verdict.Reason == reasonSilent && o.timeout > 0 {
			verdict = iothub.Verdict{Outcome: iothub.TimedOut, Reason: "is connected but did not acknowledge in time; its latchd may be too old for lockdown"}
		}
		report.Devices[i].Verdict = verdict
	}

	return report.Join(watch.Report{Job: report.Job}) // Join sorts the devices
}

// lockdownExitStatus returns the exit status of a lockdown, as an error. A pending
// device does not count as failed, because it follows later: its twin holds the
// lockdown.
func lockdownExitStatus(r watch.Report) error {
	counts := r.Counts()
	pending, silent := counts[iothub.Pending], counts[iothub.TimedOut]

	switch {
	case r.Job.Status != iothub.JobCompleted, r.Total() == 0:
		return jobExitStatus(r)
	case r.Succeeded()+pending+silent < r.Total():
		return exitStatus(exitDevices)
	case silent > 0:
		return exitStatus(exitTimedOut)
	}

	return nil
}

// lockdownFields lists the columns of the query that reads the lockdownState of
// devices.
const lockdownFields = "deviceId, connectionState, properties.desired.lockdown AS desired, " +
	"properties.desired.$metadata.lockdown.$lastUpdatedVersion AS version, properties.reported.lockdown AS ack"

// lockdownState is the part of a device's twin that concerns lockdown.
type lockdownState struct {
	DeviceID        string `json:"deviceId"`
	ConnectionState string `json:"connectionState"`
	Desired         any    `json:"desired"`
	Version         int64  `json:"version"` // version of the desired properties at the last change of lockdown
	Ack             *struct {
		Value       any    `json:"value"`
		Code        int    `json:"ac"`
		Version     int64  `json:"av"`
		Description string `json:"ad"`
	} `json:"ack"`
}

// readStates reads lockdownState from the twins of the devices with the given ids. The
// result does not contain devices that were deleted.
func (o *lockdownOptions) readStates(ctx context.Context, f *fleet.Fleet, ids []string) (map[string]lockdownState, error) {
	states := make(map[string]lockdownState)

	for _, chunk := range rest.SplitDevices(ids, rest.MaxQuery-len(fleet.QueryText(lockdownFields, " "))) {
		err := f.Retry(ctx, fleet.Patient, func() error {
			for row, err := range f.Hub.Query(ctx, fleet.QueryText(lockdownFields, rest.DevicesIn(chunk))) {
				if err != nil {
					return err
				}
				state := parseLockdownState(row)
				states[state.DeviceID] = state
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}

	return states, nil
}

// parseLockdownState parses a row of the query for lockdownState. An acknowledgement
// in an unknown form counts as missing, because a device can report anything.
func parseLockdownState(row json.RawMessage) lockdownState {
	var state lockdownState
	if json.Unmarshal(row, &state) == nil {
		return state
	}

	var known struct {
		DeviceID        string `json:"deviceId"`
		ConnectionState string `json:"connectionState"`
		Desired         any    `json:"desired"`
		Version         int64  `json:"version"`
	}
	_ = json.Unmarshal(row, &known)

	return lockdownState{DeviceID: known.DeviceID, ConnectionState: known.ConnectionState, Desired: known.Desired, Version: known.Version}
}

func (s lockdownState) connected() bool { return s.ConnectionState == iothub.Connected }

// acknowledged reports whether the device has acknowledged the newest change of
// lockdown.
func (s lockdownState) acknowledged() bool {
	return s.Ack != nil && s.Ack.Code != 0 && s.Ack.Version >= s.Version
}

// reasonSilent is the verdict's reason for a connected device that has not
// acknowledged lockdown.
const reasonSilent = "is connected but has not acknowledged yet"

// judge returns the verdict on a device that should be in lockdown (on is true) or
// out of lockdown (on is false).
func (s lockdownState) judge(on bool) iothub.Verdict {
	switch {
	case s.Desired != on:
		return iothub.Verdict{Outcome: iothub.Failed, Reason: "somebody else has changed lockdown since; run 'latchctl twin show " + words.ShellArgument(s.DeviceID) + "'"}
	case !s.acknowledged() && !s.connected():
		return iothub.Verdict{Outcome: iothub.Pending, Reason: "is offline; it follows when it connects"}
	case !s.acknowledged():
		return iothub.Verdict{Outcome: iothub.Pending, Reason: reasonSilent}
	}

	switch code := s.Ack.Code; {
	case code == 202:
		return iothub.Verdict{Outcome: iothub.Pending, Reason: withDetail("is in lockdown but not locked yet", s.Ack.Description)}
	case code < 200 || code > 299:
		return iothub.Verdict{Outcome: iothub.Refused, Reason: withDetail(fmt.Sprint(code), s.Ack.Description)}
	case s.Ack.Value != on:
		return iothub.Verdict{Outcome: iothub.Refused, Reason: fmt.Sprintf("the device acknowledged another value: %v", s.Ack.Value)}
	}

	return iothub.Verdict{Outcome: iothub.Succeeded}
}

// withDetail appends the device's own explanation to a reason, if there is one.
func withDetail(reason, detail string) string {
	if detail == "" {
		return reason
	}

	return reason + ": " + detail
}
