package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// twinHub is a hub whose device front acknowledges the property lockdown as its list says,
// one element for each reading of the twin. The last element stays.
type twinHub struct {
	Hub
	acks  []string
	reads int
}

func (h *twinHub) Query(ctx context.Context, text string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		ack := h.acks[min(h.reads, len(h.acks)-1)]
		h.reads++
		if ack == "deleted" {
			return
		}
		yield(json.RawMessage(fmt.Sprintf(`{"deviceId":"front","connectionState":"Connected","lockdownDesired":true,"lockdownVersion":2%s}`, ack)), nil)
	}
}

// TestAcknowledged checks how long latchctl waits for a device, and the verdict after that.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	const (
		silent   = ``
		old      = `,"lockdownAck":{"value":true,"ac":200,"av":1}`
		moving   = `,"lockdownAck":{"value":true,"ac":202,"av":2}`
		done     = `,"lockdownAck":{"value":true,"ac":200,"av":2}`
		notTrue  = `,"lockdownAck":{"value":false,"ac":403,"av":2,"ad":"people could be trapped"}`
		deleted  = "deleted"
		minute   = time.Minute
		interval = 5 * time.Second // the longest pause between two readings
	)

	for _, tt := range []struct {
		name    string
		acks    []string
		limit   time.Duration
		outcome iothub.Outcome
		reason  string
		atMost  time.Duration
	}{
		{"at once", []string{done}, minute, iothub.Succeeded, "", 0},
		{"at the third reading", []string{silent, old, done}, minute, iothub.Succeeded, "", interval},
		{"refused", []string{old, notTrue}, minute, iothub.Refused, "403: people could be trapped", interval},
		{"locked in the end", []string{moving, moving, done}, minute, iothub.Succeeded, "", lockTime},
		{"an open door", []string{moving}, minute, iothub.Pending, "is in lockdown but not locked yet", lockTime + interval},
		{"too late", []string{old}, 10 * time.Second, iothub.TimedOut, "is connected but did not acknowledge in time; its latchd may be too old for lockdown", 10*time.Second + interval},
		{"without a wait", []string{silent, done}, 0, iothub.Pending, reasonSilent, 0},
		{"deleted", []string{silent, deleted}, minute, iothub.Gone, "the device was deleted after its twin was changed", interval},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(0, 0)
			f := &Fleet{Hub: &twinHub{acks: tt.acks}, Now: func() time.Time { return now }, Note: func(string, ...any) {},
				Sleep: func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }}
			updated := watch.Device{DeviceJob: iothub.DeviceJob{DeviceID: "front"}, Verdict: iothub.Verdict{Outcome: iothub.Succeeded}}
			failed := watch.Device{DeviceJob: iothub.DeviceJob{DeviceID: "side"}, Verdict: iothub.Verdict{Outcome: iothub.Failed, Reason: "of the hub"}}

			report, err := f.Acknowledged(t.Context(), watch.Report{Devices: []watch.Device{updated, failed}}, iothub.Object{"lockdown": true, "site": "x"}, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range report.Devices {
				want := iothub.Verdict{Outcome: tt.outcome, Reason: tt.reason}
				if d.DeviceID == "side" {
					want = failed.Verdict
				}
				if d.Verdict != want {
					t.Errorf("%s: %+v, want %+v", d.DeviceID, d.Verdict, want)
				}
			}
			if passed := now.Sub(time.Unix(0, 0)); passed > tt.atMost {
				t.Errorf("waited for %s, want at most %s", passed, tt.atMost)
			}
		})
	}
}

// TestAcknowledgedByDevicesThatAreNoDoors checks that latchctl does not wait for a device
// that is no door, unless the job is a lockdown.
func TestAcknowledgedByDevicesThatAreNoDoors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		model    string
		desired  iothub.Object
		outcome  iothub.Outcome
		readings int // 0 means more than one
	}{
		{`""`, iothub.Object{"floor": 3}, iothub.Succeeded, 1},
		{`"","connectionState":"Disconnected"`, iothub.Object{"floor": 3}, iothub.Pending, 1}, // it may become a door
		{`"dtmi:com:example:Thermostat;1","connectionState":"Disconnected"`, iothub.Object{"floor": 3}, iothub.Succeeded, 1},
		{`"dtmi:com:example:Thermostat;1"`, iothub.Object{"floor": 3}, iothub.Succeeded, 1},
		{`"dtmi:latchd:DoorLock;2"`, iothub.Object{"floor": 3}, iothub.TimedOut, 0},
		{`""`, iothub.Object{"lockdown": true}, iothub.TimedOut, 0},
	} {
		hub := &twinHub{acks: []string{`,"floorDesired":3,"floorVersion":2,"modelId":` + tt.model}}
		now := time.Unix(0, 0)
		f := &Fleet{Hub: hub, Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }}
		device := watch.Device{DeviceJob: iothub.DeviceJob{DeviceID: "front"}, Verdict: iothub.Verdict{Outcome: iothub.Succeeded}}

		report, err := f.Acknowledged(t.Context(), watch.Report{Devices: []watch.Device{device}}, tt.desired, AcknowledgeTime)
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Devices[0].Verdict; got.Outcome != tt.outcome || (hub.reads == 1) != (tt.readings == 1) {
			t.Errorf("%s, %v: %+v after %d readings", tt.model, tt.desired, got, hub.reads)
		}
	}
}

// A query names only properties of latchd, because other names may contain anything.
func TestAckFieldsAreKnownNames(t *testing.T) {
	t.Parallel()
	hub := &twinHub{acks: []string{""}}
	f := &Fleet{Hub: hub, Now: time.Now}
	report, err := f.Acknowledged(t.Context(), watch.Report{Devices: []watch.Device{{Verdict: iothub.Verdict{Outcome: iothub.Succeeded}}}},
		iothub.Object{"x AS y FROM devices --": 1}, time.Minute)
	if err != nil || hub.reads != 0 || report.Succeeded() != 1 {
		t.Errorf("%d readings, %+v, %v", hub.reads, report, err)
	}
	if text := ackFields(Properties); strings.Contains(text, "%") || len(text) > 2000 {
		t.Errorf("the columns are %s", text)
	}
}
