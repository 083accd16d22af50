package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/api"
	"github.com/latchd/latchd/transport/hub/internal/audit"
	"github.com/latchd/latchd/transport/hub/internal/feed"
	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/people"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var ownerKey = iothub.Key("the owner's key")

// testAPI is the API with a real store, a real jobs engine and a fake broker.
type testAPI struct {
	t      *testing.T
	server *httptest.Server
	store  *store.Store
	broker *fakeBroker
	feed   *feed.Feed
	log    *observer.ObservedLogs // log of changes
}

// fakeBroker answers methods from a table and records all calls. A device that is
// missing in the table is not connected.
type fakeBroker struct {
	mu      sync.Mutex
	answers map[string]func(iothub.MethodRequest) (iothub.MethodResponse, error)
	calls   []string
}

func (b *fakeBroker) record(call string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
}

func (b *fakeBroker) Invoke(id string, m iothub.MethodRequest, done func(iothub.MethodResponse, error)) {
	b.record("invoke " + id + " " + m.MethodName + " " + string(m.Payload))
	answer, ok := b.answers[id]
	if !ok {
		answer = func(iothub.MethodRequest) (iothub.MethodResponse, error) {
			return iothub.MethodResponse{}, iothub.Errorf(iothub.CodeDeviceNotOnline, "the device %s is not connected", id)
		}
	}
	go done(answer(m))
}

func (b *fakeBroker) Wait(ctx context.Context, id string) error {
	b.record("wait " + id)
	if b.answers[id] != nil {
		return nil
	}
	<-ctx.Done()
	return iothub.Errorf(iothub.CodeDeviceNotOnline, "the device %s is not connected", id)
}

func (b *fakeBroker) Online(id string) bool { return b.answers[id] != nil }

// OnReady never calls ready, because the table of answers does not change.
func (b *fakeBroker) OnReady(string, func()) (cancel func()) { return func() {} }

func (b *fakeBroker) SendDesired(id string, desired iothub.Object) {
	text, _ := json.Marshal(desired)
	b.record("desired " + id + " " + string(text))
}

func (b *fakeBroker) Disconnect(id string) { b.record("disconnect " + id) }

func (b *fakeBroker) Forget(_ context.Context, id string) error {
	b.record("forget " + id)
	return nil
}

// takeCalls returns the calls since the previous takeCalls, one per line.
func (b *fakeBroker) takeCalls() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := strings.Join(b.calls, "\n")
	b.calls = nil
	return calls
}

// testHubID is the id of the hub in these tests.
const testHubID = "5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11"

func start(t *testing.T, devices ...string) *testAPI {
	t.Helper()
	return startThrottled(t, nil, devices...)
}

func startThrottled(t *testing.T, limits *throttle.Throttle, devices ...string) *testAPI {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := &testAPI{t: t, store: s, feed: feed.New(time.Now), broker: &fakeBroker{answers: map[string]func(iothub.MethodRequest) (iothub.MethodResponse, error){}}}
	engine, err := jobs.Start(t.Context(), jobs.Options{Store: s, Devices: f.broker, Throttle: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close(context.Background()) })
	core, log := observer.New(zapcore.InfoLevel)
	f.log = log
	changes := audit.New(zap.New(core))
	t.Cleanup(changes.Close)
	persons, err := people.Open(t.Context(), people.Options{Store: s, Now: time.Now, Hub: func() string { return "hub.test" }})
	if err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewServer(api.New(api.Options{
		Access: access.Checker{HostName: "hub.test", Policies: []access.Policy{
			{Name: access.OwnerPolicy, Keys: []iothub.Key{ownerKey}, Rights: access.EveryRight}, {Name: "registryRead", Keys: []iothub.Key{ownerKey}, Rights: access.RegistryRead},
		}},
		HubID: testHubID, Store: s, People: persons, Broker: f.broker, Jobs: engine, Feed: f.feed, Throttle: limits, Audit: changes,
		Provisioning: provisioning.New(provisioning.Options{
			Store: s, Now: time.Now, Hub: func(bool) string { return "hub.test" }, Disconnect: f.broker.Disconnect,
		}),
	}))
	t.Cleanup(f.server.Close)
	for _, id := range devices {
		if _, err := s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: id}); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

type answer struct {
	status int
	header http.Header
	body   string
	closes bool // the hub closes the connection
}

// ask sends a request and returns the answer. The request has the form "METHOD /path",
// and each header the form "Name: value". ask adds the owner's token, and an api-version
// if the path has no query.
func (f *testAPI) ask(request, body string, headers ...string) answer {
	f.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	if !strings.Contains(path, "?") {
		path += "?api-version=2021-04-12"
	}
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Authorization", iothub.Sign("hub.test", ownerKey, "iothubowner", time.Now().Add(time.Hour)))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(text) > 0 && response.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		f.t.Errorf("%s has Content-Type %q", request, response.Header.Get("Content-Type"))
	}
	if response.Header.Get("x-ms-request-id") == "" {
		f.t.Errorf("%s has no x-ms-request-id", request)
	}
	if id := response.Header.Get(iothub.HubIDHeader); id != testHubID {
		f.t.Errorf("%s has the hub id %q, want %s", request, id, testHubID)
	}
	return answer{response.StatusCode, response.Header, string(text), response.Close}
}

// must sends a request like ask, and fails the test if the answer has another status. If
// out is not nil, must parses the answer into out.
func (f *testAPI) must(status int, request, body string, out any, headers ...string) answer {
	f.t.Helper()
	a := f.ask(request, body, headers...)
	if a.status != status {
		f.t.Fatalf("%s: %d %s, want %d", request, a.status, a.body, status)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(a.body), out); err != nil {
			f.t.Fatalf("%s: %v in %s", request, err, a.body)
		}
	}
	return a
}

var (
	aTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z|\d\d/\d\d/\d{4} \d\d:\d\d:\d\d`)
	anETag = regexp.MustCompile(`its etag is [^ ,]+`)
	aUUID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// TestRefusals compares the exact form of each refusal with testdata/refusals.txt.
func TestRefusals(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	f.broker.answers["slow"] = func(iothub.MethodRequest) (iothub.MethodResponse, error) {
		return iothub.MethodResponse{}, iothub.Errorf(iothub.CodeGatewayTimeout, "the device slow did not answer within 30s")
	}
	f.broker.answers["bad"] = func(iothub.MethodRequest) (iothub.MethodResponse, error) {
		return iothub.MethodResponse{}, iothub.Errorf(iothub.CodeInvalidResponse, "the answer of the device bad is not JSON")
	}
	for _, id := range []string{"slow", "bad"} {
		f.must(200, "PUT /devices/"+id, `{}`, nil)
	}
	f.must(200, "PUT /jobs/v2/taken", `{"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":{"methodName":"m"}}`, nil)
	expired := "Authorization: " + iothub.Sign("hub.test", ownerKey, "iothubowner", time.Unix(1700000000, 0))
	reader := "Authorization: " + iothub.Sign("hub.test", ownerKey, "registryRead", time.Now().Add(time.Hour))

	var got bytes.Buffer
	for _, test := range []struct {
		request, body string
		headers       []string
	}{
		{"GET /devices/d1", "", []string{"Authorization: "}},
		{"GET /devices/d1", "", []string{expired}},
		{"PUT /devices/d9", "{}", []string{reader}},
		{"GET /devices/d1?x=y", "", nil},
		{"GET /devices/d1?api-version=latest", "", nil},
		{"GET /nowhere", "", nil},
		{"GET /devices/d1/nowhere", "", nil},
		{"POST /twins/d1", "", nil},
		{"POST /devices/d1/messages/deviceBound", "hello", nil},
		{"POST /messages/devicebound", "hello", nil},
		{"GET /messages/serviceBound/feedback", "", nil},
		{"POST /devices/d1/messages/events", "hello", nil},
		{"GET /devices/d1/modules", "", nil},
		{"GET /twins/d1/modules/m", "", nil},
		{"PUT /configurations/c", "{}", nil},
		{"POST /jobs/create", "{}", nil},
		{"POST /devices/query", `{"query":"SELECT * FROM devices.modules"}`, nil},
		{"POST /devices/query", `{"query":"SELECT * FROM enrollments"}`, nil},
		{"DELETE /devices/none/commands", "", nil},
		{"GET /events?api-version=2021-04-12&kind=all", "", nil},
		{"GET /devices/none", "", nil},
		{"PUT /devices/d1", `{"deviceId":"d1"}`, nil},
		{"PUT /devices/d1", `{"deviceId":"d2"}`, nil},
		{"PUT /devices/none", `{"deviceId":"none"}`, []string{`If-Match: "*"`}},
		{"PUT /devices/d1", `{"deviceId":"d1"}`, []string{`If-Match: "bm8="`}},
		{"PUT /devices/a%20b", `{"deviceId":"a b"}`, nil},
		{"PUT /devices/a%23b", `{"deviceId":"a#b"}`, nil},
		{"PUT /devices/d9", `{"status":"asleep"}`, nil},
		{"PUT /devices/d9", `{"authentication":{"symmetricKey":{"primaryKey":"!","secondaryKey":"!"}}}`, nil},
		{"PUT /devices/d9", ``, nil},
		{"PUT /devices/d9", `{"deviceId":`, nil},
		{"PUT /devices/d9", `{"deviceId":7}`, nil},
		{"PUT /devices/d9", `{} {}`, nil},
		{"PUT /devices/d9", `{"deviceId":"` + strings.Repeat("x", 1<<20) + `"}`, nil},
		{"DELETE /devices/none", "", nil},
		{"GET /devices/?api-version=2021-04-12&top=0", "", nil},
		{"POST /devices", "[]", nil},
		{"GET /twins/none", "", nil},
		{"PATCH /twins/none", `{"tags":{"a":1}}`, nil},
		{"PATCH /twins/d1", `{"tags":{"a":1}}`, []string{`If-Match: "old"`}},
		{"PATCH /twins/d1", `{"tags":[]}`, nil},
		{"PATCH /twins/d1", `{"tags":{"a.b":1}}`, nil},
		{"POST /twins/none/methods", `{"methodName":"m"}`, nil},
		{"POST /twins/d1/methods", `{"methodName":"m"}`, nil},
		{"POST /twins/d1/methods", `{"methodName":"m","responseTimeoutInSeconds":1}`, nil},
		{"POST /twins/d1/methods", `{"methodName":"a/b"}`, nil},
		{"POST /twins/d1/methods", `{"methodName":"m","connectTimeoutInSeconds":1}`, nil},
		{"POST /twins/slow/methods", `{"methodName":"m"}`, nil},
		{"POST /twins/bad/methods", `{"methodName":"m"}`, nil},
		{"POST /devices/query", `{}`, nil},
		{"POST /devices/query", `{"query":"SELECT * FROM"}`, nil},
		{"POST /devices/query", `{"query":"SELECT * FROM devices;"}`, nil},
		{"POST /devices/query", `{"query":"SELECT * FROM devices WHERE tags.group = 'US'"}`, nil},
		{"POST /devices/query", `{"query":"SELECT * FROM devices WHERE lastActivityTime > 'yesterday'"}`, nil},
		{"POST /devices/query", `{"query":"SELECT * FROM devices WHERE deviceId = '` + strings.Repeat("x", 8192) + `'"}`, nil},
		{"POST /devices/query", `{"query":"SELECT * FROM devices"}`, []string{"x-ms-max-item-count: none"}},
		{"POST /devices/query", `{"query":"SELECT * FROM devices"}`, []string{"x-ms-continuation: forged"}},
		{"GET /jobs/v2/none", "", nil},
		{"POST /jobs/v2/none/cancel", "", nil},
		{"PUT /jobs/v2/taken", `{"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":{"methodName":"m"}}`, nil},
		{"PUT /jobs/v2/j1", `{"jobId":"j2","type":"scheduleDeviceMethod"}`, nil},
		{"PUT /jobs/v2/a%20b", `{}`, nil},
		{"PUT /jobs/v2/query", `{"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":{"methodName":"m"}}`, nil},
		{"PUT /jobs/v2/j1", `{"type":"scheduleDeviceMethod","queryCondition":"deviceId ==","cloudToDeviceMethod":{"methodName":"m"}}`, nil},
		{"PUT /jobs/v2/j1", `{"type":"scheduleDeviceMethod","queryCondition":"*","startTime":"tomorrow"}`, nil},
		{"GET /jobs/v2/query", "", []string{"x-ms-continuation: forged"}},
		{"POST /enrollments/query", `{"query":"SELECT *"}`, []string{"x-ms-continuation: door1"}},
	} {
		a := f.ask(test.request, test.body, test.headers...)
		if len(test.body) > 100 {
			test.body = test.body[:20] + "..."
		}
		got.WriteString(strings.TrimSpace(test.request+" "+test.body) + "\n")
		for _, h := range test.headers {
			if !strings.HasPrefix(h, "Authorization") {
				got.WriteString("  " + h + "\n")
			}
		}
		body := aUUID.ReplaceAllString(aTime.ReplaceAllString(a.body, "TIME"), "ID")
		body = anETag.ReplaceAllString(body, "its etag is ETAG")
		got.WriteString("  -> " + http.StatusText(a.status) + ", iothub-errorcode: " + a.header.Get("iothub-errorcode") + "\n  " + body + "\n\n")
		if e := iothub.ParseError(a.status, []byte(a.body)); e.Code.Number()/1000 != a.status || string(e.Code) != a.header.Get("iothub-errorcode") || e.TrackingID != a.header.Get("x-ms-request-id") {
			t.Errorf("%s: status %d, header %q and body %s contradict each other", test.request, a.status, a.header.Get("iothub-errorcode"), a.body)
		}
	}
	golden(t, "refusals.txt", got.Bytes())
	if all, err := f.store.Devices(t.Context(), 10); err != nil || len(all) != 3 {
		t.Errorf("refused requests have changed the devices: %v, %v", all, err)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update rewrites it), got:\n%s", file, got)
	}
}
