package system

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// rollouts runs "latchctl rollout" commands that use one hub. All commands share a
// state directory.
type rollouts struct {
	*harness.Hub
	state string
}

func newRollouts(t *testing.T, h *harness.Hub) rollouts {
	return rollouts{h, filepath.Join(t.TempDir(), "state")}
}

func (r rollouts) command(args ...string) *exec.Cmd {
	cmd := r.Command(append([]string{"rollout"}, args...)...)
	cmd.Env = append(cmd.Env, "XDG_STATE_HOME="+r.state)
	return cmd
}

// run runs a "latchctl rollout" command and waits until it ends.
func (r rollouts) run(t *testing.T, args ...string) harness.Result {
	t.Helper()
	return harness.Run(t, r.command(args...))
}

// start starts a "latchctl rollout" command without waiting for its end.
func (r rollouts) start(t *testing.T, args ...string) *harness.Process {
	t.Helper()
	return harness.Start(t, "latchctl rollout", r.command(args...))
}

// shown is the JSON output of "latchctl rollout show".
type shown struct {
	Status, Reason string
	Waves          []struct {
		Jobs []struct {
			ID      string
			Devices []string
			Begun   *time.Time
		}
		Failed map[string]struct{ Outcome string }
	}
	Summary struct{ Devices, Succeeded, Failed, Pending int }
}

func (r rollouts) show(t *testing.T, id string) shown {
	t.Helper()
	var s shown
	r.run(t, "show", id, "-o", "json").Want(t, 0).JSON(t, &s)
	return s
}

// startSim starts latchsim and waits until all its devices have reported. The timeout
// begins anew with each line of progress.
func startSim(t *testing.T, h *harness.Hub, args ...string) *harness.Process {
	t.Helper()
	args = append(args, "--hub-file", h.ServiceFile(), "--ca-file", h.CA(), "--endpoint", h.Endpoint(), "--mqtt", h.MQTT)
	p := harness.Start(t, "latchsim", exec.Command(bin.Path("latchsim"), args...))
	for ready := false; !ready; {
		p.ExpectFunc(t, "a line of progress", func(line string) (string, bool) {
			ready = strings.HasPrefix(line, "latchsim ready ")
			return line, ready || strings.HasPrefix(line, "latchsim: ")
		})
	}
	return p
}

// A rollout runs on 1,000 doors, of which 8 % jam. The first ten doors work. Too many
// of the next ninety doors fail, so the rollout must stop before it calls the remaining
// doors. Then the doors are repaired. When the rollout is resumed, it must call the
// failed doors again and then the remaining doors.
func TestRolloutStopsAndResumes(t *testing.T) {
	const devices = "1000"
	faults := []string{"--devices", devices, "--jam", "8%", "--seed", "5"}
	jams := jamming(t, faults...)
	if n := count(jams, 1, 10); n > 0 {
		t.Fatalf("%d of the first ten devices jam; choose another seed", n)
	}
	if n := count(jams, 11, 100); n < 5 {
		t.Fatalf("only %d of the next ninety devices jam; choose another seed", n)
	}

	h := harness.StartHub(t, bin)
	r := newRollouts(t, h)
	sim := startSim(t, h, faults...)
	first := r.run(t, "method", "lockDoor", "--where", "*", "--waves", "10,10%,100%", "--abort-above", "5%", "--id", "all", "--yes").Want(t, 4)
	if !strings.Contains(first.Stderr, "no further job is created") || !strings.Contains(first.Stdout, "jammed") {
		t.Errorf("standard output:\n%s\nstandard error:\n%s", first.Stdout, first.Stderr)
	}
	s := r.show(t, "all")
	if s.Status != "aborted" || s.Summary.Pending != 900 || len(s.Waves) != 3 || s.Waves[2].Jobs[0].Begun != nil {
		t.Fatalf("%+v", s.Summary)
	}
	if got, want := slices.Sorted(maps.Keys(s.Waves[1].Failed)), jams[:len(s.Waves[1].Failed)]; !slices.Equal(got, want) || len(got) != count(jams, 11, 100) {
		t.Errorf("failed: %v, want %v", got, want)
	}

	sim.Kill()
	startSim(t, h, "--devices", devices)
	last := r.run(t, "resume", "all", "--yes").Want(t, 0)
	if !strings.HasPrefix(last.Stdout, "rollout done: 1000 devices: 1000 succeeded, 0 failed\n") {
		t.Errorf("standard output:\n%s", last.Stdout)
	}

	// Doors that jammed must have been called twice, and all others once.
	want := make(map[string]int)
	for i := range 1000 {
		want[fmt.Sprintf("sim-%05d", i+1)] = 1
	}
	for _, id := range jams[:count(jams, 11, 100)] {
		want[id] = 2
	}
	if got := r.rows(t, "all"); !maps.Equal(got, want) {
		t.Errorf("%d devices have rows; differing: %v", len(got), differing(got, want))
	}
}

// jamming returns the ids of the devices that jam, in order. It gets them from
// latchsim.
func jamming(t *testing.T, args ...string) []string {
	t.Helper()
	out := harness.Run(t, exec.Command(bin.Path("latchsim"), append(args, "--list-faults")...)).Want(t, 0).Stdout
	var ids []string
	for line := range strings.Lines(out) {
		id, fault, _ := strings.Cut(strings.TrimSpace(line), " ")
		if fault != "jam" {
			t.Fatalf("latchsim: %q", line)
		}
		ids = append(ids, id)
	}
	return ids
}

// count returns how many of the device ids end in a number from first to last.
func count(ids []string, first, last int) int {
	n := 0
	for _, id := range ids {
		if id >= fmt.Sprintf("sim-%05d", first) && id <= fmt.Sprintf("sim-%05d", last) {
			n++
		}
	}
	return n
}

// rows returns, for each device, the number of its rows in all started jobs of a
// rollout.
func (r rollouts) rows(t *testing.T, id string) map[string]int {
	t.Helper()
	times := make(map[string]int)
	for _, w := range r.show(t, id).Waves {
		for _, j := range w.Jobs {
			if j.Begun != nil {
				for device := range r.Rows(t, j.ID) {
					times[device]++
				}
			}
		}
	}
	return times
}

// differing returns the ids of the devices whose numbers differ in a and b.
func differing(got, want map[string]int) []string {
	var all []string
	for id := range want {
		if got[id] != want[id] {
			all = append(all, fmt.Sprintf("%s: %d, want %d", id, got[id], want[id]))
		}
	}
	slices.Sort(all)
	return all
}

// latchctl is killed, interrupted or aborted while a job of the rollout's first wave
// (group of doors) is running. The job must run to its end, and the hub must call no
// device of the next wave. When the rollout is resumed, it must succeed and call no
// device twice.
func TestRolloutInterrupted(t *testing.T) {
	const devices, firstWave = 40, 10
	for _, test := range []struct {
		name   string
		called int // number of devices that must have been called before
		stop   func(t *testing.T, r rollouts, running *harness.Process)
	}{
		{"killed while the wave is being called", 1, func(t *testing.T, _ rollouts, running *harness.Process) { running.Kill() }},
		{"killed after the wave was called", firstWave, func(t *testing.T, _ rollouts, running *harness.Process) { running.Kill() }},
		{"interrupted", firstWave, func(t *testing.T, _ rollouts, running *harness.Process) {
			running.Signal(syscall.SIGINT)
			running.Expect(t, "latchctl: to continue the rollout, run: latchctl rollout resume doors")
			if code := running.Wait(t); code != 1 {
				t.Errorf("the interrupted latchctl ended with exit code %d, want 1", code)
			}
		}},
		{"aborted", firstWave, func(t *testing.T, r rollouts, running *harness.Process) {
			aborted := r.run(t, "abort", "doors", "--reason", "fire drill").Want(t, 0)
			if !strings.Contains(aborted.Stdout, "rollout doors is stopped") || !strings.Contains(aborted.Stderr, "job doors-w1 may still be running; it runs to completion") {
				t.Errorf("standard output:\n%s\nstandard error:\n%s", aborted.Stdout, aborted.Stderr)
			}
			running.Expect(t, "latchctl: stopped: fire drill")
			if code := running.Wait(t); code != 4 {
				t.Errorf("the aborted latchctl ended with exit code %d, want 4", code)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := harness.StartHub(t, bin)
			r := newRollouts(t, h)
			f := startFleet(t, h, devices, func(i int) bool { return i < firstWave })
			running := r.start(t, "method", "lockDoor", "--where", "*", "--waves", "10,100%", "--id", "doors", "--yes")
			take(t, f.calls, test.called, "devices to be called")
			test.stop(t, r, running)
			close(f.release)
			awaitEnd(t, h, "doors-w1")
			if got := slices.Sorted(maps.Keys(f.timesCalled())); !slices.Equal(got, f.ids[:firstWave]) {
				t.Errorf("called before the rollout was resumed: %v", got)
			}
			r.run(t, "resume", "doors", "--yes").Want(t, 0)
			f.checkCalledOnce(t)
		})
	}
}

// latchctl is killed again and again, each time after a few more devices were called.
// After each kill the rollout is resumed at once. Tier S1 allows one active job, so the
// running job leaves no room for another.
func TestRolloutKilledAgainAndAgain(t *testing.T) {
	const devices, some = 40, 4
	for _, flags := range [][]string{nil, {"--tier", "S1"}} {
		t.Run(strings.Join(append([]string{"latchhub"}, flags...), " "), func(t *testing.T) {
			h := harness.StartHub(t, bin, flags...)
			r := newRollouts(t, h)
			f := startFleet(t, h, devices, func(int) bool { return false })
			args := []string{"method", "lockDoor", "--where", "*", "--waves", "1,5,10,15,20,25,30,100%", "--id", "doors", "--yes"}
			for range devices / some {
				running := r.start(t, args...)
				take(t, f.calls, some, "devices to be called")
				running.Kill()
				args = []string{"resume", "doors", "--yes"}
			}
			r.run(t, args...).Want(t, 0)
			f.checkCalledOnce(t)
		})
	}
}

// A hub with the limits of tier S1 runs one job at a time. A rollout must wait until
// another running job has ended.
func TestRolloutWaitsForAnotherJob(t *testing.T) {
	h := harness.StartHub(t, bin, "--tier", "S1")
	r := newRollouts(t, h)
	f := startFleet(t, h, 3, func(i int) bool { return i == 0 })
	h.Ctl(t, "job", "schedule", "method", "lockDoor", "--where", "deviceId = 'door-00'", "--id", jobID).Want(t, 0)
	take(t, f.calls, 1, "devices to be called")
	running := r.start(t, "method", "lockDoor", "--where", "deviceId != 'door-00'", "--waves", "1,100%", "--id", "doors")
	running.Expect(t, "latchctl: note: the hub has reached its limit on active jobs; waiting until a job has ended")
	close(f.release)
	if code := running.Wait(t); code != 0 {
		t.Errorf("latchctl ended with exit code %d", code)
	}
	f.checkCalledOnce(t)
}

// A device's successful answer is not enough: if its twin does not meet the condition
// of --require, the device has failed.
func TestRolloutRequires(t *testing.T) {
	h := harness.StartHub(t, bin)
	r := newRollouts(t, h)
	f := startFleet(t, h, 6, func(int) bool { return false })
	tag := func(id string) {
		t.Helper()
		if _, err := h.Client(t).UpdateTwin(t.Context(), id, iothub.TwinPatch{Tags: iothub.Object{"seen": "it's shut"}}, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{f.ids[0], f.ids[1], f.ids[3], f.ids[4], f.ids[5]} {
		tag(id)
	}
	stopped := r.run(t, "method", "lockDoor", "--where", "*", "--waves", "1,3,100%", "--id", "doors", "--abort-above", "40%",
		"--require", `tags.seen = 'it\'s shut' OR deviceId = 'none'`).Want(t, 4)
	if s := r.show(t, "doors"); s.Summary.Failed != 1 || s.Summary.Pending != 3 || s.Waves[1].Failed[f.ids[2]].Outcome != "not as required" {
		t.Errorf("%+v\n%s", s, stopped.Stderr)
	}
	tag(f.ids[2])
	r.run(t, "resume", "doors").Want(t, 0)
	want := map[string]int{f.ids[0]: 1, f.ids[1]: 1, f.ids[2]: 2, f.ids[3]: 1, f.ids[4]: 1, f.ids[5]: 1}
	if got := f.timesCalled(); !maps.Equal(got, want) {
		t.Errorf("called: %v, want %v", got, want)
	}
}

// checkCalledOnce checks that each device was called exactly once.
func (f *fleet) checkCalledOnce(t *testing.T) {
	t.Helper()
	want := make(map[string]int)
	for _, id := range f.ids {
		want[id] = 1
	}
	if got := f.timesCalled(); !maps.Equal(got, want) {
		t.Errorf("devices were not called once each: %v", differing(got, want))
	}
}

// The hub has the limits of tier S1. A rollout must take as long as its estimate says
// and must never have more than one active job.
func TestRolloutKeepsToATier(t *testing.T) {
	const devices = 300
	h := harness.StartHub(t, bin)
	startSim(t, h, "--devices", fmt.Sprint(devices)) // register the devices before the hub has limits, which is faster
	if code := h.Stop(t); code != 0 {
		t.Fatalf("latchhub ended with exit code %d", code)
	}
	h.Flags = []string{"--tier", "S1"}
	h.Start(t)
	for i := range devices {
		h.Invoke(t, fmt.Sprintf("sim-%05d", i+1), "ping", nil)
	}
	r := newRollouts(t, h)
	begun := time.Now()
	result := r.run(t, "method", "lockDoor", "--where", "*", "--waves", "1,10%,100%", "--id", "paced", "--tier", "S1", "--yes").Want(t, 0)
	took := time.Since(begun)
	_, text, _ := strings.Cut(result.Stderr, "it takes about ")
	text, _, _ = strings.Cut(text, ":")
	estimate, err := time.ParseDuration(strings.ReplaceAll(strings.ReplaceAll(text, " min", "m"), " ", ""))
	if err != nil {
		t.Fatalf("%v in\n%s", err, result.Stderr)
	}
	t.Logf("estimated %s, took %s", estimate, took)
	if took < estimate*8/10 || took > estimate*12/10 {
		t.Errorf("estimated %s, took %s", estimate, took)
	}
	if strings.Contains(result.Stderr, "active jobs") {
		t.Errorf("the rollout reached the limit on active jobs:\n%s", result.Stderr)
	}
}
