package hub_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/credentials"
	"github.com/latchd/latchd/transport/iothub"
)

// eventReader reads the hub's stream of events.
type eventReader struct {
	t     *testing.T
	lines *bufio.Reader
}

// listen opens the stream of events with a token of the given policy.
func (r *running) listen(query, policy string, key iothub.Key) *http.Response {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet,
		"https://"+r.at.HTTPS.String()+"/events?api-version="+iothub.APIVersion+query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", iothub.Sign("hub.test", key, policy, time.Now().Add(time.Hour)))
	answer, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// next waits for the next event and returns it.
func (l *eventReader) next() (kind string, data map[string]any) {
	l.t.Helper()
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			l.t.Fatalf("the stream of events ended: %v", err)
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "event":
			kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				l.t.Fatalf("data %s: %v", value, err)
			}
		case "":
			if kind != "" {
				return kind, data
			}
		}
	}
}

// TestDeviceLifeInEvents checks which events the hub sends from a device's creation to
// its deletion.
func TestDeviceLifeInEvents(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	answer := r.listen("", "iothubowner", r.owner.Key)
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("the answer is %d, %s", answer.StatusCode, kind)
	}
	events := &eventReader{t, bufio.NewReader(answer.Body)}
	want := func(kind, operation string) map[string]any {
		t.Helper()
		got, data := events.next()
		if got != kind || operation != "" && data["operation"] != operation {
			t.Fatalf("the next event is %s %v, want %s %s", got, data, kind, operation)
		}
		return data
	}
	want("ready", "")
	key := r.createDevice("door1")
	want("lifecycle", "createDeviceIdentity")
	d, err := r.connect("door1", key, true)
	if err != nil {
		t.Fatal(err)
	}
	want("lifecycle", "deviceConnected")
	d.Publish("devices/door1/messages/events/event=locked", 1, false, `{"n":1}`).Wait()
	if e := want("telemetry", ""); e["deviceId"] != "door1" || e["properties"].(map[string]any)["event"] != "locked" || e["body"].(map[string]any)["n"] != 1.0 {
		t.Errorf("the telemetry event is %v", e)
	}
	r.do(http.MethodPatch, "/twins/door1", map[string]any{"tags": map[string]any{"site": "a"}}, nil)
	want("twin", "updateTwin")
	d.Publish("$iothub/twin/PATCH/properties/reported/?$rid=1", 0, false, `{"lock":"locked"}`).Wait()
	e := want("twin", "updateTwin")
	reported := e["twin"].(map[string]any)["properties"].(map[string]any)["reported"].(map[string]any)
	if reported["lock"] != "locked" || reported["$version"] != 2.0 {
		t.Errorf("the event of the reported property is %v", e)
	}
	r.do(http.MethodPut, "/jobs/v2/j1", iothub.Job{JobID: "j1", Type: iothub.ScheduleUpdateTwin, QueryCondition: "*",
		UpdateTwin: json.RawMessage(`{"properties":{"desired":{"floor":3}}}`)}, nil)
	var statuses []string
	twins := 0
	for !slices.Contains(statuses, "completed") {
		switch kind, data := events.next(); kind {
		case "job":
			status := data["job"].(map[string]any)["status"].(string)
			if !slices.Contains(statuses, status) {
				statuses = append(statuses, status)
			}
		case "twin":
			twins++
		default:
			t.Fatalf("unexpected event during the job: %s %v", kind, data)
		}
	}
	if statuses[len(statuses)-1] != "completed" || twins != 1 {
		t.Errorf("the job's statuses were %q, and %d twins changed", statuses, twins)
	}
	d.Disconnect(100)
	want("lifecycle", "deviceDisconnected")
	r.do(http.MethodDelete, "/devices/door1", nil, nil)
	want("lifecycle", "deleteDeviceIdentity")
	go r.end()
	if e := want("end", ""); e["reason"] != "the hub is stopping" {
		t.Errorf("the last event is %v", e)
	}
}

func TestWhoMayListen(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	for policy, want := range map[string]int{"service": 200, "device": 401, "registryRead": 401, "registryReadWrite": 401} {
		text, err := credentials.PolicyConnectionString(r.dir, policy, false)
		if err != nil {
			t.Fatal(err)
		}
		service, err := iothub.ParseService(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.listen("", policy, service.Key).StatusCode; got != want {
			t.Errorf("policy %s: %d, want %d", policy, got, want)
		}
	}
	if got := r.listen("&kind=all", "iothubowner", r.owner.Key).StatusCode; got != 400 {
		t.Errorf("with an unknown kind: %d", got)
	}
}
