package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/termtext"
)

// terminalApp returns an app that is connected to hub and prints on a terminal of the
// given width. The app's sleep advances the app's clock and returns at once.
func terminalApp(t *testing.T, hub *fakeHub, width int, typed io.Reader) (a *app, out, errOut *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	file, ca := filepath.Join(dir, "hub"), filepath.Join(dir, "ca.pem")
	for path, text := range map[string]string{file: hub.connectionString(hub.key), ca: string(hub.caPEM())} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	env := map[string]string{"LATCHCTL_HUB_FILE": file, "LATCHCTL_CA_FILE": ca, "LATCHCTL_ENDPOINT": hub.address}
	out, errOut = new(bytes.Buffer), new(bytes.Buffer)
	now := time.Now()

	return &app{
		in: typed, out: out, errOut: errOut,
		inTerminal: true, outTerminal: true, errTerminal: true,
		width:  func() int { return width },
		getenv: func(name string) string { return env[name] },
		now:    func() time.Time { return now },
		sleep: func(ctx context.Context, d time.Duration) error {
			now = now.Add(d)
			return ctx.Err()
		},
		local:   time.UTC,
		newID:   func() string { return "0123abcd" },
		perform: carryOut,
		login:   func() string { return "ada@bench" },
	}, out, errOut
}

func startFakeHub(t *testing.T, devices string) *fakeHub {
	t.Helper()
	hub, err := newFakeHub()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hub.server.Close() })
	if err := hub.load([]byte(devices)); err != nil {
		t.Fatal(err)
	}
	return hub
}

const threeDoors = `[{"id":"a","does":"ok"},{"id":"b","does":"ok"},{"id":"c","does":"jam"}]`

func TestConfirmOnATerminal(t *testing.T) {
	for typed, want := range map[string]int{"y\n": exitDevices, "Yes\n": exitDevices, "\n": exitFailed, "n\n": exitFailed, "": exitFailed, "yellow\n": exitFailed} {
		hub := startFakeHub(t, threeDoors)
		a, _, errOut := terminalApp(t, hub, 80, strings.NewReader(typed))

		if got := run(t.Context(), a, []string{"unlock", "a", "b", "c"}); got != want {
			t.Errorf("%q: status %d, want %d", typed, got, want)
		}
		if !strings.HasPrefix(errOut.String(), "Unlock 3 doors on "+hub.address+" (a, b, c)? [y/N] ") {
			t.Errorf("%q: asked %q", typed, errOut)
		}
		if sent := len(hub.jobs); (sent == 1) != (want == exitDevices) {
			t.Errorf("%q: %d jobs", typed, sent)
		}
		if want == exitFailed && !strings.HasSuffix(errOut.String(), "latchctl: not confirmed; nothing was sent\n") {
			t.Errorf("%q: said %q", typed, errOut)
		}
	}
}

// TestConfirmIsInterrupted checks that Ctrl-C ends a command that asks for
// confirmation, although the read from the terminal still waits for a line.
func TestConfirmIsInterrupted(t *testing.T) {
	hub := startFakeHub(t, threeDoors)
	silent, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	a, _, errOut := terminalApp(t, hub, 80, silent)
	asked := writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "[y/N]") {
			cancel()
		}
		return errOut.Write(p)
	})
	a.errOut = asked
	if got := run(ctx, a, []string{"unlock", "a", "b"}); got != exitFailed || len(hub.jobs) != 0 {
		t.Errorf("status %d, %d jobs, %q", got, len(hub.jobs), errOut)
	}
}

// TestConfirmedDevicesAreThoseThatWereShown checks that latchctl does not unlock a door
// that begins to meet the condition only after latchctl has shown the question.
func TestConfirmedDevicesAreThoseThatWereShown(t *testing.T) {
	const doors = `[{"id":"a","does":"ok","tags":{"building":"43"}},{"id":"b","does":"ok","tags":{"building":"43"}},` +
		`{"id":"c","does":"ok","tags":{"building":"%s"}}]`
	hub := startFakeHub(t, fmt.Sprintf(doors, "42"))
	a, _, errOut := terminalApp(t, hub, 0, strings.NewReader("y\n"))
	a.errOut = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "[y/N]") {
			if err := hub.load([]byte(fmt.Sprintf(doors, "43"))); err != nil {
				t.Error(err)
			}
		}
		return errOut.Write(p)
	})
	if got := run(t.Context(), a, []string{"unlock", "--where", "tags.building = '43'"}); got != exitFailed || len(hub.jobs) != 0 {
		t.Errorf("status %d, %d jobs", got, len(hub.jobs))
	}

	want := "Unlock 2 doors on " + hub.address + " (a, b)? [y/N] latchctl: the condition no longer selects the devices that were shown: it now selects " +
		"3 devices (a, b, c); nothing was sent\n"
	if errOut.String() != want {
		t.Errorf("said %q, want %q", errOut, want)
	}
}

// TestInterruptedWhileSending checks the message after Ctrl-C during a request. It says
// that the hub may execute the request anyway, and names the job or the device.
func TestInterruptedWhileSending(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a job": {[]string{"lock", "--where", "*"}, "interrupted; the hub may run the job anyway; see 'latchctl job show lock-"},
		"a job with an id": {[]string{"job", "schedule", "method", "ping", "--where", "*", "--id", "mine"},
			"interrupted; the hub may run the job anyway; see 'latchctl job show mine'\n"},
		"a method": {[]string{"method", "invoke", "a", "lockDoor"}, "interrupted; the hub may have called a anyway\n"},
	} {
		t.Run(name, func(t *testing.T) {
			hub := startFakeHub(t, threeDoors)
			ctx, cancel := context.WithCancel(t.Context())
			hub.interrupt = cancel
			a, _, errOut := terminalApp(t, hub, 0, strings.NewReader(""))

			if got := run(ctx, a, test.args); got != exitTimedOut || !strings.Contains(errOut.String(), test.want) {
				t.Errorf("status %d, %q", got, errOut)
			}
		})
	}
}

// TestFullHubAfterALostAnswer checks that latchctl does not claim "nothing was
// scheduled" after a lost answer. The job that fills the hub may be the one whose
// answer was lost.
func TestFullHubAfterALostAnswer(t *testing.T) {
	hub := startFakeHub(t, threeDoors)
	hub.interrupt = func() { hub.interrupt, hub.full = nil, 1000 }
	a, _, errOut := terminalApp(t, hub, 0, strings.NewReader(""))
	got := run(t.Context(), a, []string{"lock", "a"})
	if text := errOut.String(); got != exitTimedOut || !strings.Contains(text, "the hub may run the job anyway") || strings.Contains(text, "nothing was scheduled") {
		t.Errorf("status %d, %q", got, text)
	}
}

// TestDevicesCannotSteerTheTerminal checks that control characters in a device's answer
// do not reach the terminal, in any output format, and that the JSON keeps its value.
func TestDevicesCannotSteerTheTerminal(t *testing.T) {
	const made = "a\u009b2J\u007f\u202e\u2066é"
	payload, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "json", "jsonl"} {
		hub := startFakeHub(t, threeDoors)
		a, out, _ := terminalApp(t, hub, 80, strings.NewReader(""))

		if got := run(t.Context(), a, []string{"method", "invoke", "a", "ping", "--payload", string(payload), "-o", format}); got != exitOK {
			t.Fatalf("%s: status %d", format, got)
		}

		text := out.String()
		if got := termtext.Clean(strings.ReplaceAll(text, "\n", " ")); got != strings.ReplaceAll(text, "\n", " ") {
			t.Errorf("%s: %q", format, text)
		}
		if format == "table" {
			text = `{"payload":` + strings.TrimPrefix(text, "status 200\n") + "}"
		}

		var answer struct{ Payload string }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Payload != made {
			t.Errorf("%s: %q, %v", format, text, err)
		}
	}
}

// manyDoors starts a hub with n doors whose ids are so long that one condition cannot
// name all of them. All doors behave in the same way.
func manyDoors(t *testing.T, n int, does string) (hub *fakeHub, ids []string) {
	t.Helper()
	var doors []string
	for i := range n {
		id := fmt.Sprintf("%s-%03d", strings.Repeat("d", 124), i)
		ids = append(ids, id)
		doors = append(doors, fmt.Sprintf(`{"id":%q,"does":%q}`, id, does))
	}

	hub = startFakeHub(t, "["+strings.Join(doors, ",")+"]")
	if parts := rest.SplitDevices(ids, rest.MaxCondition); len(parts) < 2 {
		t.Fatalf("the ids of all %d doors fit into one condition", n)
	}
	return hub, ids
}

// TestManyIDs checks that a command with more ids than one condition can name splits the
// ids, and that it counts all devices.
func TestManyIDs(t *testing.T) {
	for _, tt := range []struct {
		command []string // without the ids
		status  int
		jobs    int
		want    string // in the output
	}{
		{[]string{"lock", "-y"}, exitOK, 2, "100 devices: 100 succeeded, 0 failed"},
		{[]string{"unlock", "-y", "--for", "30s"}, exitOK, 2, "100 devices: 100 succeeded, 0 failed"},
		{[]string{"lockdown", "on", "-y"}, exitOK, 2, "100 devices: 100 succeeded, 0 failed"},
		{[]string{"unlock", "-y", "--start", "+10m"}, exitOK, 2, "unlock-"},
		{[]string{"lock", "--dry-run"}, exitOK, 0, "-099"},
	} {
		t.Run(strings.Join(tt.command, " "), func(t *testing.T) {
			hub, ids := manyDoors(t, 100, "ok")
			a, out, errOut := terminalApp(t, hub, 0, strings.NewReader(""))
			made := 0
			a.newID = func() string { made++; return fmt.Sprint(made) }

			if got := run(t.Context(), a, append(tt.command, ids...)); got != tt.status {
				t.Fatalf("status %d, want %d: %.600s", got, tt.status, errOut)
			}
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("printed %.300q, want %q", out, tt.want)
			}

			called := make(map[string]int)
			for _, job := range hub.jobs {
				for _, d := range job.devices {
					called[d.ID]++
				}
			}
			if len(hub.jobs) != tt.jobs || tt.jobs > 0 && len(called) != len(ids) {
				t.Errorf("%d jobs for %d devices, want %d jobs for %d devices", len(hub.jobs), len(called), tt.jobs, len(ids))
			}
			for id, n := range called {
				if n != 1 {
					t.Errorf("%s is in %d jobs", id, n)
				}
			}
		})
	}
}

// TestLongConditions checks that latchctl refuses a condition or query that IoT Hub
// would refuse, and sends nothing.
func TestLongConditions(t *testing.T) {
	long := "deviceId = '" + strings.Repeat("x", rest.MaxQuery) + "'"
	for _, command := range [][]string{
		{"lock", "--where", long}, {"device", "list", "--where", long}, {"job", "schedule", "method", "ping", "--where", long},
		{"rollout", "method", "ping", "--where", long}, {"rollout", "method", "ping", "--where", "*", "--require", long},
		{"query", "SELECT * FROM devices WHERE " + long},
	} {
		hub := startFakeHub(t, threeDoors)
		a, out, errOut := terminalApp(t, hub, 0, strings.NewReader(""))
		got := run(t.Context(), a, command)
		if text := errOut.String(); got != exitUsage || out.Len() != 0 || !strings.Contains(text, "characters") || !strings.Contains(text, "IoT Hub accepts") {
			t.Errorf("%s: status %d, printed %q, said %.300q", command[:2], got, out, text)
		}
	}
}

// TestRetryThatEndsEarlyTellsWhatItHasDone checks that a retry prints the results of
// its first job even if the hub refuses its second job.
func TestRetryThatEndsEarlyTellsWhatItHasDone(t *testing.T) {
	hub, ids := manyDoors(t, 100, "jam")
	first := len(rest.SplitDevices(ids, rest.MaxCondition)[0])
	a, out, errOut := terminalApp(t, hub, 0, strings.NewReader(""))

	if got := run(t.Context(), a, []string{"job", "schedule", "method", "lockDoor", "--where", "*", "--id", "mine", "--watch", "-y"}); got != exitDevices {
		t.Fatalf("status %d, %s", got, errOut)
	}

	out.Reset()
	errOut.Reset()
	made := 0
	a.newID = func() string { made++; return fmt.Sprint(made) }
	a.errOut = writerFunc(func(p []byte) (int, error) {
		if strings.HasPrefix(string(p), "latchctl: job lock-") {
			hub.mu.Lock()
			hub.full = 1000
			hub.mu.Unlock()
		}
		return errOut.Write(p)
	})
	if got := run(t.Context(), a, []string{"job", "retry", "mine", "-y"}); got != exitFailed {
		t.Errorf("status %d", got)
	}
	if want := fmt.Sprintf("%d devices: 0 succeeded, %d failed", first, first); !strings.Contains(out.String(), want) {
		t.Errorf("told %.300q, want %q", out, want)
	}
	if text := errOut.String(); !strings.Contains(text, fmt.Sprintf("the retry stopped early; %d devices had no result", 100-first)) || !strings.Contains(text, "reached its limit on active jobs") {
		t.Errorf("said %.800q", text)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestLockAtATerminal checks the whole output of lock on a terminal of 40 characters.
func TestLockAtATerminal(t *testing.T) {
	hub := startFakeHub(t, threeDoors)
	a, out, errOut := terminalApp(t, hub, 40, strings.NewReader(""))

	if got := run(t.Context(), a, []string{"lock", "--where", "*"}); got != exitDevices {
		t.Errorf("status %d", got)
	}

	progress := errOut.String()
	for _, want := range []string{"\rlatchctl: job\n  lock-", "\r[------------------] 0/3  0 not reached", "\r[##################] 3/3  0 not reached"} {
		if !strings.Contains("\r"+progress, want) {
			t.Errorf("standard error %q, want %q", progress, want)
		}
	}
	if strings.Contains(progress, "3 succeeded") {
		t.Error("the progress claims what is not known")
	}

	want := "DEVICE  RESULT     REASON/ANSWER\n" +
		"c       \x1b[31mrefused\x1b[0m    500 jammed: the bolt\n                   did not arrive\n" +
		"a       \x1b[32msucceeded\x1b[0m  locked, confirmed\n"
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("standard output\n%s\nwant\n%s", out, want)
	}
	if !strings.HasSuffix(out.String(), "\n3 devices: 2 succeeded, 1 failed (1\n  refused)\n") ||
		!strings.HasSuffix(progress, "latchctl: refused, jammed (c): the bolt\n  did not reach its position: check\n  bolt, strike and frame, then try again\n"+
			"latchctl: to call the failed devices\n  again, run:\n  latchctl job retry "+slices.Collect(maps.Keys(hub.jobs))[0]+"\n") {
		t.Errorf("standard output\n%s\nstandard error\n%s\nwant the ends wrapped", out, progress)
	}
}

func TestNoColor(t *testing.T) {
	hub := startFakeHub(t, threeDoors)
	a, out, _ := terminalApp(t, hub, 80, strings.NewReader(""))
	getenv := a.getenv
	a.getenv = func(name string) string {
		if name == "NO_COLOR" {
			return "1"
		}
		return getenv(name)
	}
	run(t.Context(), a, []string{"lock", "--where", "*"})
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("colour in %q", out)
	}
}

// TestInterruptedWatch checks that latchctl, after Ctrl-C, names the command that
// watches the job again.
func TestInterruptedWatch(t *testing.T) {
	hub := startFakeHub(t, threeDoors)
	a, out, errOut := terminalApp(t, hub, 80, strings.NewReader(""))
	ctx, cancel := context.WithCancel(t.Context())
	a.sleep = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
	if got := run(ctx, a, []string{"lock", "--where", "*"}); got != exitFailed || out.Len() != 0 {
		t.Errorf("status %d, printed %q", got, out)
	}
	if !strings.Contains(errOut.String(), "the job continues; watch it again with:\n  latchctl job watch lock-") ||
		!strings.HasSuffix(errOut.String(), "latchctl: interrupted\n") {
		t.Errorf("said %q", errOut)
	}
}

// TestWatchThroughARestart checks that latchctl keeps watching a job while the hub
// restarts.
func TestWatchThroughARestart(t *testing.T) {
	hub := startFakeHub(t, `[{"id":"a","does":"ok"}]`)
	a, out, errOut := terminalApp(t, hub, 80, strings.NewReader(""))
	sleep, n := a.sleep, 0
	a.sleep = func(ctx context.Context, d time.Duration) error {
		switch n++; n {
		case 1:
			hub.server.Close()
		case 4:
			if err := hub.restart(); err != nil {
				return err
			}
		}
		return sleep(ctx, d)
	}
	if got := run(t.Context(), a, []string{"lock", "a"}); got != exitOK {
		t.Errorf("status %d", got)
	}
	if out.String() != "a locked, confirmed\n" ||
		strings.Count(strings.Join(strings.Fields(errOut.String()), " "), "retrying for 5 min") != 1 || strings.Count(errOut.String(), "the hub answers again") != 1 {
		t.Errorf("printed %q, said %q", out, errOut)
	}
}
