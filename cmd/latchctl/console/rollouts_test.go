package console

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
)

// The page shows the rollouts on its own hub, as their files store them.
func TestRollouts(t *testing.T) {
	t.Parallel()
	store := rollout.Store(t.TempDir())
	created := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	work := rollout.Work{Type: iothub.ScheduleDeviceMethod, Method: &iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 15}}
	save := func(id string, hub rollout.Hub, change func(*rollout.Rollout)) {
		r := rollout.New(id, hub, "*", work, rollout.Rules{Soak: 60}, [][]string{{"a"}, {"b", "c"}}, created)
		created = created.Add(time.Minute)
		change(&r)
		if err := store.Save(r); err != nil {
			t.Fatal(err)
		}
	}

	save("first", onHub, func(r *rollout.Rollout) {
		r.Waves[0].Passed = true
		for i := range r.Waves {
			for j := range r.Waves[i].Jobs {
				submitted := created
				r.Waves[i].Jobs[j].SubmittedAt, r.Waves[i].Jobs[j].Ended = &submitted, true
			}
		}
		r.Waves[1].Failed = map[string]rollout.Failure{"c": {Outcome: iothub.Refused, Reason: "500 jammed"}}
		r.Status, r.Reason = rollout.Aborted, "too many failed"
	})
	save("second", onHub, func(*rollout.Rollout) {})
	save("other", rollout.Hub{HostName: onHub.HostName, ID: "77aa0c33", Name: "south"}, func(*rollout.Rollout) {})

	h := start(t, func(_ *fakeHub, o *Options) { o.Rollouts = store })
	list := decoded[[]rolloutSummary](t, body(t, h.request(t, "GET", "/api/rollouts", "", h.cookie)))
	if len(list) != 2 || list[0].ID != "second" || list[1].ID != "first" || list[1].What != "Lock" || list[1].Wave != 2 || list[1].Counts.Failed != 1 {
		t.Errorf("listed %+v", list)
	}

	one := decoded[rolloutDetail](t, body(t, h.request(t, "GET", "/api/rollouts/first", "", h.cookie)))
	if one.Status != rollout.Aborted || len(one.Parts) != 2 || one.Parts[0].State != "passed" || one.Parts[1].State != "aborted" || one.Soak != 60 {
		t.Errorf("shown %+v", one)
	}
	if len(one.Failed) != 1 || one.Failed[0] != (failedDevice{"c", 2, iothub.Refused, "500 jammed"}) {
		t.Errorf("failed %+v", one.Failed)
	}
	for id, want := range map[string]int{"none": 404, "other": 404, "..%2Fx": 400} {
		if res := h.request(t, "GET", "/api/rollouts/"+id, "", h.cookie); res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", id, res.StatusCode, want)
		}
	}
}

// The page gets the name and the id of its hub, and the name alone if the hub does not
// answer.
func TestSessionNamesTheHub(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("away")} {
		want := `{"hub":"north","hubId":"5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11","change":`
		if err != nil {
			want = `{"hub":"north","change":`
		}
		h := start(t, func(hub *fakeHub, _ *Options) { hub.err = err })
		if text := string(body(t, h.request(t, "GET", "/api/session", "", h.cookie))); !strings.HasPrefix(text, want) {
			t.Errorf("the session is %s, want %s", text, want)
		}
	}
}

func TestNoRollouts(t *testing.T) {
	t.Parallel()
	h := start(t)
	if text := body(t, h.request(t, "GET", "/api/rollouts", "", h.cookie)); string(text) != "[]" {
		t.Errorf("listed %s", text)
	}
	if res := h.request(t, "GET", "/api/rollouts/x", "", h.cookie); res.StatusCode != 404 {
		t.Errorf("status %d", res.StatusCode)
	}
}
