package console

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
)

// newRollout returns a rollout that locks a, then b and c. The door a succeeded. The change
// adapts the rollout.
func newRollout(id string, hub rollout.Hub, change func(*rollout.Rollout)) rollout.Rollout {
	created := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	work := rollout.Work{Type: iothub.ScheduleDeviceMethod, Method: &iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 15}, MaxExecution: 3600}
	r := rollout.New(id, hub, "*", work, rollout.Rules{AbortAbove: 50}, [][]string{{"a"}, {"b", "c"}}, created)

	r.Waves[0].Passed = true
	r.Waves[0].Jobs[0].SubmittedAt, r.Waves[0].Jobs[0].Ended = &created, true
	change(&r)
	return r
}

// stopped, aborted and killed are what can happen to a rollout before its end.
func stopped(r *rollout.Rollout) { r.Status = rollout.Stopped }
func killed(*rollout.Rollout)    {}
func aborted(r *rollout.Rollout) {
	r.Status, r.Reason = rollout.Aborted, "too many failed"
	r.Waves[1].Jobs[0].SubmittedAt, r.Waves[1].Jobs[0].Ended = &r.Created, true
	r.Waves[1].Failed = map[string]rollout.Failure{"c": {Outcome: iothub.Refused, Reason: "500 jammed"}}
}

// abortedEarly aborts the rollout after a job for the door c, before the door b is called.
func abortedEarly(r *rollout.Rollout) {
	aborted(r)
	r.Waves[1].Jobs[0].Devices = []string{"c"}
	r.Waves[1].Jobs = append(r.Waves[1].Jobs, rollout.Job{ID: "r-w2-2", Devices: []string{"b"}})
}

// A resumed rollout calls the doors that the user confirmed, and no others.
func TestResumeRollout(t *testing.T) {
	t.Parallel()
	oldFile := rollout.Hub{HostName: onHub.HostName}
	for _, tt := range []struct {
		name    string
		rollout rollout.Rollout
		ids     string // confirmed devices, and perhaps the devices to skip
		status  int
		want    string   // part of the error
		called  []string // conditions of the new jobs
	}{
		{"stopped", newRollout("r", onHub, stopped), `"b","c"]`, 200, "", []string{"deviceId IN ['b','c']"}},
		{"process killed", newRollout("r", onHub, killed), `"c","b"]`, 200, "", []string{"deviceId IN ['b','c']"}},
		{"aborted", newRollout("r", onHub, aborted), `"c"]`, 200, "", []string{"deviceId IN ['c']"}},
		{"aborted, without the failed door", newRollout("r", onHub, abortedEarly), `"b"],"skip":["c"]`, 200, "", []string{"deviceId IN ['b']"}},
		{"skip a door that succeeded", newRollout("r", onHub, aborted), `],"skip":["a"]`, 409, "device a has succeeded in rollout r; nothing was sent", nil},
		{"other doors", newRollout("r", onHub, aborted), `"b","c"]`, 409, "nothing was sent: you confirmed 2 doors, but the rollout now calls 1", nil},
		{"no doors", newRollout("r", onHub, stopped), `]`, 409, "nothing was sent: you confirmed 0 doors, but the rollout now calls 2", nil},
		{"done", newRollout("r", onHub, func(r *rollout.Rollout) {
			aborted(r)
			r.Status, r.Waves[1].Failed, r.Waves[1].Passed = rollout.Done, nil, true
		}), `]`, 409, "the rollout has called all its devices, and none failed", nil},
		{"on another hub", newRollout("r", rollout.Hub{HostName: onHub.HostName, ID: "77aa0c33"}, stopped), `"b","c"]`, 404, "no rollout r was started", nil},
		{"a file without the hub's id", newRollout("r", oldFile, stopped), `"b","c"]`, 409, "to decide, run: latchctl rollout resume r", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := rollout.Store(t.TempDir())
			if err := store.Save(tt.rollout); err != nil {
				t.Fatal(err)
			}
			h := start(t, func(hub *fakeHub, o *Options) {
				o.Rollouts, hub.answers = store, map[string]int{"b": 200, "c": 200}
			})

			res := h.request(t, "POST", "/api/rollouts/r/resume", `{"ids":[`+tt.ids+`}`, h.own)
			text := string(body(t, res))
			if res.StatusCode != tt.status || !strings.Contains(text, tt.want) {
				t.Fatalf("status %d, answer %s; want %d, %q", res.StatusCode, text, tt.status, tt.want)
			}
			if tt.status == 200 {
				awaitEnd(t, store)
			}

			var called []string
			h.hub.set(func() {
				for _, j := range h.hub.jobs {
					called = append(called, j.QueryCondition)
				}
			})
			after, err := store.Load("r")
			if err != nil || !reflect.DeepEqual(called, tt.called) {
				t.Fatalf("jobs %q, want %q; %v", called, tt.called, err)
			}
			if tt.status == 200 && (after.Status != rollout.Done || after.Counts().Succeeded+after.Counts().Skipped != 3) {
				t.Errorf("the rollout ended as %s with %+v", after.Status, after.Counts())
			}
			if tt.status != 200 && !reflect.DeepEqual(after, tt.rollout) {
				t.Errorf("the refusal changed the rollout to %+v", after)
			}
		})
	}
}

// awaitEnd waits until no process runs the rollout r.
func awaitEnd(t *testing.T, store rollout.Store) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if unlock, err := store.Lock("r"); err == nil {
			unlock()
			return
		}
	}
	t.Fatal("the rollout does not end")
}

// The page shows which rollouts somebody can resume, and which doors they would call.
func TestResumable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*rollout.Rollout)
		locked bool // a process runs the rollout
		status rollout.Status
		left   []string
		// without holds the doors that the rollout would call if the failed doors were left out.
		without []string
	}{
		{"running", killed, true, rollout.Running, nil, nil},
		{"process killed", killed, false, rollout.Stopped, []string{"b", "c"}, nil},
		{"stopped", stopped, false, rollout.Stopped, []string{"b", "c"}, nil},
		{"aborted", abortedEarly, false, rollout.Aborted, []string{"b", "c"}, []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := rollout.Store(t.TempDir())
			if err := store.Save(newRollout("r", onHub, tt.change)); err != nil {
				t.Fatal(err)
			}
			if tt.locked {
				unlock, err := store.Lock("r")
				if err != nil {
					t.Fatal(err)
				}
				defer unlock()
			}

			h := start(t, func(_ *fakeHub, o *Options) { o.Rollouts = store })
			one := decoded[rolloutDetail](t, body(t, h.request(t, "GET", "/api/rollouts/r", "", h.cookie)))
			if one.Status != tt.status || one.Resumable != !tt.locked || !reflect.DeepEqual(one.Left, tt.left) || !reflect.DeepEqual(one.Without, tt.without) {
				t.Errorf("status %s, resumable %t, left %q, %q; want %s, %q, %q", one.Status, one.Resumable, one.Left, one.Without, tt.status, tt.left, tt.without)
			}

			res := h.request(t, "POST", "/api/rollouts/r/resume", `{"ids":["b","c"]}`, h.cookie)
			if res.StatusCode != 403 {
				t.Errorf("a request from elsewhere: status %d, want 403", res.StatusCode)
			}
			if tt.locked {
				res := h.request(t, "POST", "/api/rollouts/r/resume", `{"ids":["b","c"]}`, h.own)
				if text := string(body(t, res)); res.StatusCode != 409 || !strings.Contains(text, "another latchctl process is running this rollout") {
					t.Errorf("status %d, answer %s", res.StatusCode, text)
				}
			}
		})
	}
}

// If the hub fails, the page shows why the rollout did not continue. The rollout can be
// resumed again.
func TestResumeFails(t *testing.T) {
	t.Parallel()
	store := rollout.Store(t.TempDir())
	if err := store.Save(newRollout("r", onHub, stopped)); err != nil {
		t.Fatal(err)
	}
	h := start(t, func(hub *fakeHub, o *Options) { o.Rollouts, hub.refusal = store, errors.New("the hub is closed") })

	if res := h.request(t, "POST", "/api/rollouts/r/resume", `{"ids":["b","c"]}`, h.own); res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	awaitEnd(t, store)
	one := decoded[rolloutDetail](t, body(t, h.request(t, "GET", "/api/rollouts/r", "", h.cookie)))
	if one.Status != rollout.Stopped || !one.Resumable || one.Note != "the hub is closed" {
		t.Errorf("shown %+v", one)
	}
}
