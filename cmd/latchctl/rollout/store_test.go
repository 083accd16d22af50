package rollout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s := Store(filepath.Join(t.TempDir(), "state", "latchctl", "rollouts"))
	if list, err := s.List(); err != nil || list != nil {
		t.Errorf("empty store: %v, %v", list, err)
	}
	if _, err := s.Load("r"); !errors.Is(err, ErrNotFound) {
		t.Errorf("load: %v", err)
	}
	if _, err := s.Load("../r"); !errors.Is(err, ErrNotFound) {
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
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != want {
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
	if _, err := s.Load("r"); err == nil || !strings.Contains(err.Error(), "the file belongs to rollout other") {
		t.Errorf("load the file of another rollout: %v", err)
	}
}

func TestDefaultStore(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	for folder, want := range map[string]string{state: filepath.Join(state, "latchctl", "rollouts"), "": ""} {
		getenv := func(name string) string { return map[string]string{"XDG_STATE_HOME": folder}[name] }
		if got := DefaultStore(getenv); string(got) != want {
			t.Errorf("%q: %q, want %q", folder, got, want)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
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

func TestRequestStop(t *testing.T) {
	t.Parallel()
	s := Store(t.TempDir())
	if _, requested := s.StopRequested("r"); requested {
		t.Error("a new rollout has a stop request")
	}

	ctx, end := s.WithStop(t.Context(), "r")
	defer end()
	if err := s.RequestStop("r", "enough"); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	stop, ok := errors.AsType[stopError](context.Cause(ctx))
	if !ok || stop.reason != "enough" {
		t.Errorf("cause: %v", context.Cause(ctx))
	}

	if err := s.ClearStop("r"); err != nil {
		t.Error(err)
	}
	if err := s.ClearStop("r"); err != nil {
		t.Errorf("cleared twice: %v", err)
	}
	if _, requested := s.StopRequested("r"); requested {
		t.Error("the stop request is still there")
	}
}

// A rollout that no process runs is shown as stopped. Its file keeps the status running.
func TestShow(t *testing.T) {
	t.Parallel()
	s := Store(t.TempDir())
	if _, err := s.Show("r"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a missing rollout: %v", err)
	}
	r := makeRollout(t, 2, "1,100%", Rules{})
	if err := s.Save(r); err != nil {
		t.Fatal(err)
	}
	want := func(status Status, reason string) {
		t.Helper()
		if got, err := s.Show("r"); err != nil || got.Status != status || got.Reason != reason {
			t.Errorf("the rollout is %s: %q, %v; want %s: %q", got.Status, got.Reason, err, status, reason)
		}
	}

	want(Stopped, Interrupted) // the lock file does not exist
	unlock, err := s.Lock("r")
	if err != nil {
		t.Fatal(err)
	}
	want(Running, "")
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	want(Stopped, Interrupted)
	if got, err := s.Load("r"); err != nil || got.Status != Running {
		t.Errorf("the file has the status %s, %v", got.Status, err)
	}

	r.Status, r.Reason = Aborted, "too many failed"
	if err := s.Save(r); err != nil {
		t.Fatal(err)
	}
	want(Aborted, "too many failed")
}

// parse refuses a file with an invalid value, and the error names the problem.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := toJSON(t, file{fileVersion, makeRollout(t, 4, "2,100%", Rules{})})
	if _, err := parse([]byte(good)); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct{ name, old, new, want string }{
		{"later version", `"version":1`, `"version":2`, "unsupported file version 2"},
		{"no version", `"version":1,`, ``, "unsupported file version 0"},
		{"invalid JSON", `"waves":`, ``, "invalid character"},
		{"unknown field", `"status":`, `"hurry":true,"status":`, `unknown field "hurry"`},
		{"status", `"status":"running"`, `"status":"flying"`, `unknown status "flying"`},
		{"phase", `"phase":"calling"`, `"phase":"resting"`, `unknown phase "resting"`},
		{"soaking without an end time", `"phase":"calling"`, `"phase":"soaking"`, "soakUntil"},
		{"id", `"id":"r",`, `"id":"../r",`, `invalid id "../r"`},
		{"work", `"scheduleDeviceMethod"`, `"scheduleUpdateTwin"`, "the work does not match the job type"},
		{"threshold", `"abortAbove":"0%"`, `"abortAbove":"110%"`, "want a percentage"},
		{"job id", `"id":"r-w2"`, `"id":"r-w1"`, `job "r-w1" of wave 2 is invalid`},
		{"job without a device", `["d0003","d0004"]`, `[]`, `job "r-w2" of wave 2 is invalid`},
		{"wave without a job", `{"jobs":[{"id":"r-w2","devices":["d0003","d0004"]}]}`, `{"jobs":[]}`, "wave 2 has no job"},
		{"device in two waves", `"d0003"`, `"d0001"`, `device "d0001" is in two waves`},
		{"passed with an unfinished job", `{"jobs":[{"id":"r-w1"`, `{"passed":true,"jobs":[{"id":"r-w1"`, "wave 1 has passed but has an unfinished job"},
		{"ended but never submitted", `["d0003","d0004"]`, `["d0003","d0004"],"ended":true`, `job "r-w2" of wave 2 is invalid`},
		{"failed device of another wave", `{"jobs":[{"id":"r-w1"`, `{"failed":{"d0003":{"outcome":"refused"}},"jobs":[{"id":"r-w1"`, `wave 1 lists the failed device "d0003", which is not in the wave`},
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
			t.Errorf("%q was accepted", text)
		}
	}
}

// If parse accepts a file, the rollout in it ends after a limited number of steps.
func FuzzParse(f *testing.F) {
	r := New("r", Hub{"h", "5f0c1a52", "north"}, "*", lockWork, Rules{Soak: 1, Require: "x", MinDevices: 2}, [][]string{{"a"}, {"b", "c"}}, start)
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

		next, action := Step(r, Start{}, start)
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
					t.Errorf("the rollout ends with status running: %s", text)
				}
				return
			}
			next, action = Step(next, e, start)
		}
		t.Errorf("the rollout does not end: %s", text)
	})
}
