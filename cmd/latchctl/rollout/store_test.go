package rollout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestStore(t *testing.T) {
	s := Store(filepath.Join(t.TempDir(), "state", "latchctl", "rollouts"))
	if list, err := s.List(); err != nil || list != nil {
		t.Errorf("before the first: %v, %v", list, err)
	}
	if _, err := s.Load("r"); !errors.Is(err, ErrNone) {
		t.Errorf("load: %v", err)
	}
	if _, err := s.Load("../r"); !errors.Is(err, ErrNone) {
		t.Errorf("load: %v", err)
	}
	unlock, err := s.Lock("r")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	r := makeRollout(t, 3, "1,100%", Rules{Soak: 60, Require: "x", AbortAbove: 25})
	if err := s.Save(r); err != nil {
		t.Fatal(err)
	}
	r.Status = Stopped
	if err := s.Save(r); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{s.Path("r"): 0o600, string(s): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", path, info.Mode(), err, want)
		}
	}
	if got, err := s.Load("r"); err != nil || got.Status != Stopped {
		t.Errorf("load: %+v, %v", got, err)
	}
	if list, err := s.List(); err != nil || !slices.Equal(list, []string{"r"}) {
		t.Errorf("list: %v, %v", list, err)
	}
	r.ID = "other"
	text := toJSON(t, file{fileVersion, r})
	if err := os.WriteFile(s.Path("r"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load("r"); err == nil || !strings.Contains(err.Error(), "it is of rollout other") {
		t.Errorf("load another's file: %v", err)
	}
}

func TestDefaultStore(t *testing.T) {
	for _, tt := range []struct{ state, home, want string }{
		{"/s", "/h", "/s/latchctl/rollouts"},
		{"", "/h", "/h/.local/state/latchctl/rollouts"},
		{"relative", "/h", "/h/.local/state/latchctl/rollouts"},
		{"", "", ""},
	} {
		getenv := func(name string) string { return map[string]string{"XDG_STATE_HOME": tt.state, "HOME": tt.home}[name] }
		if got := DefaultStore(getenv); string(got) != tt.want {
			t.Errorf("%q, %q: %q, want %q", tt.state, tt.home, got, tt.want)
		}
	}
}

func TestLock(t *testing.T) {
	s := Store(t.TempDir())
	unlock, err := s.Lock("r")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock("r"); !errors.Is(err, ErrBusy) {
		t.Errorf("locked twice: %v", err)
	}
	other, err := s.Lock("other")
	if err != nil {
		t.Errorf("another rollout: %v", err)
	}
	other()
	unlock()
	unlock, err = s.Lock("r")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestAskToStop(t *testing.T) {
	s := Store(t.TempDir())
	if _, asked := s.StopAsked("r"); asked {
		t.Error("asked before anybody did")
	}
	ctx, end := s.Stoppable(t.Context(), "r")
	defer end()
	if err := s.AskToStop("r", "enough"); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	var stop stopAsked
	if !errors.As(context.Cause(ctx), &stop) || stop.reason != "enough" {
		t.Errorf("cause: %v", context.Cause(ctx))
	}
	if err := s.ForgetStop("r"); err != nil {
		t.Error(err)
	}
	if err := s.ForgetStop("r"); err != nil {
		t.Errorf("forgotten twice: %v", err)
	}
	if _, asked := s.StopAsked("r"); asked {
		t.Error("asked still")
	}
}

// A file that is not as this program writes it is refused, and says why.
func TestParseRefuses(t *testing.T) {
	good := toJSON(t, file{fileVersion, makeRollout(t, 4, "2,100%", Rules{})})
	if _, err := parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"of a later release", `"version":1`, `"version":2`, "version 2 of the file is not known"},
		{"without a version", `"version":1,`, ``, "version 0 of the file"},
		{"cut", `"waves":`, ``, "invalid character"},
		{"with a field that nobody knows", `"status":`, `"hurry":true,"status":`, `unknown field "hurry"`},
		{"status", `"status":"running"`, `"status":"flying"`, `status "flying" is not known`},
		{"phase", `"phase":"calling"`, `"phase":"resting"`, `phase "resting" is not known`},
		{"soaking without an end", `"phase":"calling"`, `"phase":"soaking"`, "soakUntil"},
		{"id", `"id":"r",`, `"id":"../r",`, `the id "../r" is none`},
		{"work", `"scheduleDeviceMethod"`, `"scheduleUpdateTwin"`, "the work is not that"},
		{"threshold", `"abortAbove":"0%"`, `"abortAbove":"110%"`, "want a percentage"},
		{"job id", `"id":"r-w2"`, `"id":"r-w1"`, `job "r-w1" of wave 2 is none`},
		{"job without a device", `["d0003","d0004"]`, `[]`, `job "r-w2" of wave 2 is none`},
		{"device in two waves", `"d0003"`, `"d0001"`, `device "d0001" is in two waves`},
		{"passed with an open job", `{"jobs":[{"id":"r-w1"`, `{"passed":true,"jobs":[{"id":"r-w1"`, "wave 1 has passed with an open job"},
		{"ended and never begun", `["d0003","d0004"]`, `["d0003","d0004"],"ended":true`, `job "r-w2" of wave 2 is none`},
		{"failure of another wave", `{"jobs":[{"id":"r-w1"`, `{"failed":{"d0003":{"outcome":"refused"}},"jobs":[{"id":"r-w1"`, `device "d0003" failed in wave 1 and is not of it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatalf("%s does not have %s", good, tt.old)
			}
			if _, err := parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	for _, text := range []string{"", "{}", `{"version":1}`, "[]"} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// FuzzParse: whatever file is taken, the rollout in it comes to an end.
func FuzzParse(f *testing.F) {
	r := New("r", "h", "*", lockWork, Rules{Soak: 1, Require: "x", MinDevices: 2}, [][]string{{"a"}, {"b", "c"}}, start)
	for _, status := range []Status{Running, Aborted, Stopped, Done} {
		r.Status = status
		text := toJSON(f, file{fileVersion, r})
		f.Add([]byte(text))
		f.Add([]byte(strings.Replace(text, `"jobs"`, `"failed":{"a":{"outcome":"refused"}},"jobs"`, 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parse(text)
		if err != nil {
			return
		}
		next, action := Step(r, Begin{}, start)
		jobs := 0
		for _, w := range next.Waves {
			jobs += len(w.Jobs)
		}
		for range 3*jobs + 3*len(next.Waves) + 1 {
			var e Event
			switch a := action.(type) {
			case RunJob:
				e = ended(a.Job, a.Devices)
			case Soak:
				e = SoakOver{}
			case Check:
				e = Checked{}
			case End:
				if next.Status == Running {
					t.Errorf("it ends running: %s", text)
				}
				return
			}
			next, action = Step(next, e, start)
		}
		t.Errorf("it does not come to an end: %s", text)
	})
}
