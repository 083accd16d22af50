package agent

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/transport/iothub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMethods(t *testing.T) {
	type call struct {
		method, payload string
		status          int
		answer          string // part of the answer
	}

	const bad = `{"error":{"code":"bad-payload","message":"`
	for name, tc := range map[string]struct {
		fault  mock.Fault
		level  actuator.Position
		calls  []call
		drives int
	}{
		"lockDoor locks": {mock.None, actuator.Unlocked, []call{
			{"lockDoor", `null`, 200, `{"position":"locked","confirmed":true,"changed":true,"tookMs":`},
			{"lockDoor", `{"reason":"night"}`, 200, `{"position":"locked","confirmed":true,"changed":false,"tookMs":0}`},
			{"unlockDoor", ``, 200, `{"position":"unlocked","confirmed":true,"changed":true,`},
		}, 2},
		"a bad payload moves nothing": {mock.None, actuator.Unlocked, []call{
			{"unlockDoor", `[]`, 400, bad + `the payload is neither null nor an object"}}`},
			{"unlockDoor", `"now"`, 400, bad},
			{"unlockDoor", `{"reason":7}`, 400, bad + `reason: want a string, not a number`},
			{"unlockDoor", `{"force":true}`, 400, bad + `unknown member \"force\" in the payload; this method takes reason`},
			{"unlockDoor", `{"reason":"x"`, 400, bad + `cannot read the payload as JSON`},
			{"unlockDoor", `{} {}`, 400, bad + `the payload has text after the object`},
			{"unlockDoor", `{"forSeconds":0}`, 400, bad + `forSeconds is 0; want 1 to 86400`},
			{"unlockDoor", `{"forSeconds":86401}`, 400, bad + `forSeconds is 86401`},
			{"unlockDoor", `{"forSeconds":1.5}`, 400, bad},
			{"getStatus", `{"x":1}`, 400, bad + `unknown member \"x\" in the payload; this method takes none`},
			{"ping", `{`, 400, bad + `the payload is not JSON`},
		}, 0},
		"lockDoor locks in spite of its payload": {mock.None, actuator.Unlocked, []call{
			{"lockDoor", `{"force":true,"reason":7}`, 200, `"ignored":["force","reason"]}`},
			{"lockDoor", `[]`, 200, `{"position":"locked","confirmed":true,"changed":false,"tookMs":0,"ignored":["payload"]}`},
		}, 1},
		"method names match in any case": {mock.None, actuator.Unlocked, []call{
			{"LockDoor", `null`, 200, `"changed":true`},
			{"UNLOCKDOOR", `{"forSeconds":0}`, 400, bad + `forSeconds is 0`},
			{"getstatus", `""`, 200, `"position":"locked"`},
			{"getstatus", `""`, 200, `"retainedIgnored":3`},
			{"Ping", `1`, 200, `1`},
		}, 1},
		"the editions of the jobs tutorial": {mock.None, actuator.Unlocked, []call{
			{"lockDoor", `null`, 200, `{"position":"locked"`},                                            // Node
			{"lockDoor", `"{\"lockTime\":\"10m\"}"`, 200, `{"position":"locked","confirmed":true`},       // Python
			{"LockDoor", ``, 200, `{"position":"locked","confirmed":true,"changed":false`},               // C#
			{"lockDoor", `""`, 200, `{"position":"locked","confirmed":true,"changed":false,"tookMs":0}`}, // Java, Python without a payload
		}, 1},
		"a release during a hold": {mock.None, actuator.Locked, []call{
			{"unlockDoor", `{"hold":true}`, 200, `"changed":true`},
			{"unlockDoor", `{"forSeconds":2}`, 200, `"changed":false,"tookMs":0,"held":true}`},
		}, 1},
		"an unknown method": {mock.None, actuator.Unlocked, []call{
			{"openSesame", `null`, 404, `{"error":{"code":"unknown-method","message":"unknown method \"openSesame\"; the methods are lockDoor`},
		}, 0},
		"ping echoes": {mock.None, actuator.Unlocked, []call{
			{"ping", `{"a":[1,2.50]}`, 200, `{"a":[1,2.50]}`},
			{"ping", ``, 200, `null`},
		}, 0},
		"a jam": {mock.Jam, actuator.Unlocked, []call{
			{"lockDoor", `null`, 500, `{"error":{"code":"jammed","message":"the bolt sensor did not say locked within 100ms"}}`},
			{"getStatus", `null`, 200, `"fault":"the bolt sensor did not say locked within 100ms"`},
		}, 1},
		"a line that another process holds": {mock.Busy, actuator.Unlocked, []call{
			{"lockDoor", `null`, 503, `{"error":{"code":"actuator-unavailable","message":"the lock cannot be driven: mock line: in use by another process`},
		}, 0}, // the line cannot even be requested
	} {
		t.Run(name, func(t *testing.T) {
			d, h := newDoor(t, "", tc.fault, tc.level), newHub(newTwin)
			h.replayed = 3
			d.serve(t, h)
			for _, c := range tc.calls {
				status, answer := h.call(t, c.method, c.payload)
				if status != c.status || !strings.Contains(answer, c.answer) {
					t.Errorf("%s %s\ngot  %d %s\nwant %d %s", c.method, c.payload, status, answer, c.status, c.answer)
				}
			}
			if n := d.driver.Drives(); n != tc.drives {
				t.Errorf("the line was driven %d times, want %d", n, tc.drives)
			}
		})
	}
}

func TestReportsSensorReadings(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Unlocked), newHub(newTwin)
	h.lastError = "connection reset"
	d.serve(t, h)
	position := func(want string) func(iothub.Object) bool {
		return func(r iothub.Object) bool {
			lock, _ := r["lock"].(map[string]any)
			return lock["position"] == want
		}
	}

	h.until(t, "unlocked", position("unlocked"))
	h.call(t, "lockDoor", `{"reason":"night"}`)
	h.until(t, "locked", position("locked"))
	d.driver.Force(actuator.Unlocked)
	h.until(t, "a forced bolt", func(r iothub.Object) bool {
		lock, _ := r["lock"].(map[string]any)
		return lock["position"] == "unlocked" && lock["fault"] == "the bolt went to unlocked without a command"
	})

	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.twin.Reported
	lock := r["lock"].(map[string]any)
	if lock["driver"] != "mock" || lock["mode"] != "hold" || lock["source"] != "sensor" || lock["confirmed"] != false {
		t.Errorf("lock = %v", lock)
	}

	last := lock["lastCommand"].(map[string]any)
	if last["name"] != "lockDoor" || last["reason"] != "night" || last["status"] != json.Number("200") {
		t.Errorf("lastCommand = %v", last)
	}
	if r["agent"].(map[string]any)["version"] != "1.2.3" || r["system"].(map[string]any)["arch"] != "arm64" {
		t.Errorf("reported = %v", r)
	}
	if link := r["link"].(map[string]any); link["reconnects"] != json.Number("0") || link["lastError"] != "connection reset" {
		t.Errorf("link = %v", link)
	}
}

func TestDesiredPropertiesOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	first, h := newDoor(t, dir, mock.None, actuator.Locked), newHub(`{"desired":{"building":"42","unknown":1,"$version":3},"reported":{"$version":1}}`)
	first.serve(t, h)
	ack := func(name string, value any, ac, av string) func(iothub.Object) bool {
		return func(r iothub.Object) bool {
			a, _ := r[name].(map[string]any)
			return a["value"] == value && a["ac"] == json.Number(ac) && a["av"] == json.Number(av)
		}
	}

	h.until(t, "building 42", ack("building", "42", "200", "3"))
	h.desired <- object(t, `{"building":"43","floor":3,"autoRelockSeconds":60,"$version":4}`)
	h.until(t, "building 43", ack("building", "43", "200", "4"))
	h.until(t, "floor 3", ack("floor", json.Number("3"), "200", "4"))
	h.desired <- object(t, `{"floor":"third","$version":5}`)
	h.until(t, "the refused floor", ack("floor", json.Number("3"), "400", "5"))
	if s := first.settings(); *s.Building != "43" || *s.Floor != 3 || s.AutoRelockSeconds != 60 {
		t.Errorf("settings in force: %+v", s)
	}
	if n := first.driver.Drives(); n != 0 {
		t.Errorf("desired properties drove the line %d times", n)
	}

	first.store.Close() // the process ends; the next process has no network
	second := newDoor(t, dir, mock.None, actuator.Locked)
	if s := second.settings(); s.Building == nil || *s.Building != "43" || s.Floor == nil || *s.Floor != 3 || s.AutoRelockSeconds != 60 {
		t.Errorf("settings in force after a restart: %+v", s)
	}

	h2 := newHub(`{"desired":{"floor":3,"$version":6},"reported":` + text(t, h.twin.Reported) + `}`)
	second.serve(t, h2)
	h2.until(t, "no building", func(r iothub.Object) bool { _, there := r["building"]; return !there })
	if s := second.settings(); s.Building != nil {
		t.Errorf("the deleted property building is still in force: %v", *s.Building)
	}
}

// If a version of the desired properties is missing, the agent reads the whole twin.
func TestVersionGapReadsTwin(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Locked), newHub(newTwin)
	d.serve(t, h)
	<-h.fetched
	h.mu.Lock()
	h.twin.Desired = object(t, `{"building":"A","room":"1","$version":4}`)
	h.mu.Unlock()
	h.desired <- object(t, `{"room":"1","$version":4}`)
	<-h.fetched
	h.until(t, "building and room", func(r iothub.Object) bool { return r["building"] != nil && r["room"] != nil })
}

func TestOldVersionIsIgnored(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Locked), newHub(`{"desired":{"building":"B","$version":7},"reported":{}}`)
	d.serve(t, h)
	h.desired <- object(t, `{"building":"A","$version":6}`)
	h.desired <- object(t, `{"room":"9","$version":8}`)
	h.until(t, "the newer version", func(r iothub.Object) bool { return r["room"] != nil })
	if got := *d.settings().Building; got != "B" {
		t.Errorf("building = %q", got)
	}
}

func TestSecondReportIsMinimal(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Unlocked), newHub(newTwin)
	d.serve(t, h)
	<-h.reports // the first report has all properties
	h.call(t, "lockDoor", "null")
	for {
		patch := <-h.reports
		if patch["agent"] != nil || patch["system"] != nil || patch["link"] != nil {
			t.Fatalf("the patch has unchanged properties: %v", patch)
		}
		lock := patch["lock"].(map[string]any)
		if lock["driver"] != nil {
			t.Fatalf("the patch has unchanged properties: %v", patch)
		}
		if lock["position"] == "locked" {
			return
		}
	}
}

func TestForeignReportedPropertiesAreLeftAlone(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Locked), newHub(`{"desired":{"$version":1},"reported":{"theirs":{"a":1},"room":{"value":"x"},"$version":9}}`)
	d.serve(t, h)
	h.until(t, "no stale acknowledgement", func(r iothub.Object) bool { return r["room"] == nil && r["lock"] != nil })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.twin.Reported["theirs"] == nil {
		t.Error("another program's property was deleted")
	}
}

func TestRefusedReportDoesNotEndTheLink(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Unlocked), newHub(newTwin)
	h.refuse = iothub.Errorf(iothub.CodeArgumentInvalid, "too large")
	d.serve(t, h)
	<-h.fetched
	if status, _ := h.call(t, "lockDoor", "null"); status != 200 {
		t.Errorf("status %d", status)
	}
	h.until(t, "all properties", func(r iothub.Object) bool { return r["agent"] != nil })
}

// A request without an answer does not end the link, which the door's methods need.
func TestFailedReportDoesNotEndTheLink(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Unlocked), newHub(newTwin)
	h.refuse = errors.New("the hub did not answer within 30 s")
	d.serve(t, h)
	<-h.fetched
	if status, _ := h.call(t, "lockDoor", "null"); status != 200 {
		t.Errorf("status %d", status)
	}
}

func TestServeEndsAfterTheLastMethod(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Unlocked), newHub(newTwin)
	h.methods <- iothub.Method{RequestID: "1", Name: "lockDoor"}
	close(h.methods)
	d.Serve(t.Context(), h)
	if r := <-h.answers; r.Status != 200 {
		t.Errorf("the queued method was answered with %d, want 200", r.Status)
	}
}

func TestUnusableStateIsSetAside(t *testing.T) {
	for name, text := range map[string]string{
		"corrupt":            `{"version":1,`,
		"of a later version": `{"version":99}`,
		"empty":              ``,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "state.json")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			d := newDoor(t, dir, mock.None, actuator.Locked)
			if d.driver.Drives() != 0 {
				t.Error("the lock was driven")
			}
			if kept, err := os.ReadFile(file + ".bad"); err != nil || string(kept) != text {
				t.Errorf("set aside: %q, %v", kept, err)
			}
		})
	}
}

func object(t *testing.T, s string) iothub.Object {
	t.Helper()
	o, err := iothub.ParseObject([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
