package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// browser returns the path of the browser, Chromium or Chrome.
func browser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("chromium is not installed")
}

// needBrowser returns the path of the browser. If the browser, Node or playwright-core
// is missing, it skips the test. In CI it fails the test instead.
func needBrowser(t *testing.T) string {
	t.Helper()
	path, err := browser()
	_, missing := os.Stat("node_modules/playwright-core")
	_, nodeErr := exec.LookPath("node")
	err = errors.Join(err, missing, nodeErr)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("cannot run the browser, and CI must not skip this test: %v", err)
	default:
		t.Skipf("SKIPPED: install chromium and Node, and run 'npm ci' in packaging/test/console: %v", err)
	}
	return path
}

// user creates a folder with latchctl's configuration. The configuration requires users
// to type a confirmation before they unlock more than two doors.
func user(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "latchctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "latchctl", "config.toml"), []byte("confirm_above = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// ctl returns a latchctl command that uses the hub and the user's configuration folder.
func ctl(h *harness.Hub, user string, args ...string) *exec.Cmd {
	cmd := h.Command(args...)
	cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+user, "XDG_STATE_HOME="+user)
	return cmd
}

// startConsole starts "latchctl console" and returns the address of the console's page.
func startConsole(t *testing.T, h *harness.Hub, user string) (*harness.Process, string) {
	t.Helper()
	p := harness.Start(t, "console", ctl(h, user, "console", "--listen", "127.0.0.1:0", "--refresh", "1s"))
	return p, "http" + p.Expect(t, "http")
}

// runCases runs a file of test cases in the browser. Each case becomes a subtest. The
// file must contain exactly the wanted cases, in this order.
func runCases(t *testing.T, file string, env []string, want ...string) {
	t.Helper()
	cmd := exec.Command("node", "run.js", file)
	cmd.Env = append(append(os.Environ(), "BROWSER="+needBrowser(t)), env...)
	p := harness.Start(t, "browser", cmd)
	for _, name := range want {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			var result struct{ Case, Error, Note string }
			line := p.Expect(t, "case ")
			if err := json.Unmarshal([]byte(line), &result); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if result.Note != "" {
				t.Log(result.Note)
			}
			if result.Case != name || result.Error != "" {
				t.Fatalf("case %q: %s", result.Case, result.Error)
			}
		})
		if t.Failed() {
			return
		}
	}
	if code := p.Wait(t); code != 0 {
		t.Errorf("run.js exited with status %d", code)
	}
}

// The page shows four real agents. The bolt of one of them jams. Another one was locked,
// and is offline.
func TestPage(t *testing.T) {
	needBrowser(t)
	t.Parallel()
	h := harness.StartHub(t, bin)
	for id, fault := range map[string]string{"front": "", "side": "", "cellar": "jam"} {
		door := harness.NewDoor(t, h, h.CreateDevice(t, id), fault)
		h.UpdateDesired(t, id, `{"building":"43","floor":3}`)
		door.Start(t)
		h.Invoke(t, id, "ping", nil)
	}

	attic := harness.StartDoor(t, h, "attic", "")
	h.UpdateDesired(t, "attic", `{"building":"43","floor":3}`)
	h.Invoke(t, "attic", "lockDoor", nil)
	harness.Await(t, "the report that attic is locked", func() error {
		r := h.Twin(t, "attic").Properties.Reported
		if lock, _ := r["lock"].(map[string]any); lock["position"] != "locked" || r["floor"] == nil {
			return fmt.Errorf("attic has reported %v", r)
		}
		return nil
	})
	attic.Stop(t)

	// A device can report text that is made to attack the page.
	h.UpdateDesired(t, "side", `{"room":"<img src=x onerror=alert(1)>"}`)
	harness.Await(t, "the acknowledgement of building, floor and room", func() error {
		for _, id := range []string{"front", "side", "cellar"} {
			r := h.Twin(t, id).Properties.Reported
			if r["floor"] == nil || id == "side" && r["room"] == nil {
				return fmt.Errorf("%s has reported %v", id, r)
			}
		}
		return nil
	})

	// A rollout is aborted during its first wave (group of doors), before it has moved
	// a bolt.
	me := user(t)
	harness.Run(t, ctl(h, me, "rollout", "method", "nothing", "--where", "deviceId != 'attic'", "--waves", "1,100%", "--abort-above", "0%", "--id", "r1", "--yes")).Want(t, 4)

	console, url := startConsole(t, h, me)
	runCases(t, "./doors", []string{"CONSOLE=" + url},
		"refused without a session", "log in with the token", "token used twice", "cross-site requests", "four doors", "an offline door is not green", "search by words", "words and conditions",
		"states in words",
		"a filter arms no action", "hostile text stays text",
		"hidden page stops the stream",
		"refused condition", "lock by condition", "reason of a failed device", "retry the failed door", "the list is live", "unlock asks for confirmation",
		"unlocking many doors asks for their number", "change a twin", "schedule and cancel a job",
		"a new view begins at its heading", "keyboard only", "rollout", "resume a rollout", "no serious finding by axe", "phone", "nothing from other addresses")

	if code := console.Stop(t); code != 0 {
		t.Errorf("the console exited with status %d, want 0 after a requested stop", code)
	}

	// The hub must have the jobs that the page should create, and no others.
	created := map[string]int{}
	for job, err := range h.Client(t).Jobs(t.Context(), rest.JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(job.JobID, "-")
		created[name]++
	}
	if created["lock"] != 3 || created["unlock"] != 3 || created["twin"] != 1 || created["r1"] != 3 || len(created) != 4 {
		t.Errorf("jobs by kind: %v, want 3 lock, 3 unlock, 1 twin, and three of the rollout", created)
	}

	last := h.Twin(t, "front").Properties.Reported["lock"].(map[string]any)["lastCommand"]
	if command, _ := last.(map[string]any); command["reason"] != "by keyboard" {
		t.Errorf("the door's last command is %v, want the reason that was typed", last)
	}
}

// The page shows 10,000 doors in four buildings of five floors. The doors are
// registered but not connected.
func TestManyDoors(t *testing.T) {
	needBrowser(t)
	t.Parallel()
	h := harness.StartHub(t, bin)
	client := h.Client(t)
	const many, floors = 10000, 20

	devices := make([]iothub.DeviceIdentity, many)
	for i := range devices {
		devices[i].DeviceID = fmt.Sprintf("door-%02d-%03d", i%floors, i/floors)
	}
	if refused, err := client.CreateDevices(t.Context(), devices); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	for i := range floors {
		h.Ctl(t, "job", "schedule", "twin", "--yes", "--watch", "--where", fmt.Sprintf("STARTSWITH(deviceId, 'door-%02d-')", i),
			"--tags", fmt.Sprintf(`{"building":"%d","floor":%d}`, 40+i/5, i%5)).Want(t, 0)
	}

	_, url := startConsole(t, h, user(t))
	runCases(t, "./many", []string{"CONSOLE=" + url}, "listed and filtered within 200 ms of script time", "End key shows the last door")
}
