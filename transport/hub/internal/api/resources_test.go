package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/api"
	"github.com/latchd/latchd/transport/iothub"
)

func TestDevices(t *testing.T) {
	t.Parallel()

	f := start(t)
	var d iothub.DeviceIdentity
	// Like the official Node SDK, this request encodes the id and sends empty keys.
	a := f.must(200, "PUT /devices/dev%3D1%25",
		`{"deviceId":"dev=1%","authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":""}}}`, &d)
	if d.DeviceID != "dev=1%" || d.Status != iothub.Enabled || d.Authentication.SymmetricKey.PrimaryKey == "" {
		t.Errorf("created: %+v", d)
	}
	if a.header.Get("ETag") != `"`+d.ETag+`"` {
		t.Errorf("ETag is %q, the body says %q", a.header.Get("ETag"), d.ETag)
	}
	var again iothub.DeviceIdentity
	f.must(200, "GET /devices/dev%3D1%25", "", &again)
	if again.ETag != d.ETag || again.Authentication.SymmetricKey != d.Authentication.SymmetricKey {
		t.Errorf("got %+v, want what was created", again)
	}
	d.Status = iothub.Disabled
	text, _ := json.Marshal(d)
	f.must(200, "PUT /devices/dev%3D1%25", string(text), &again, `If-Match: "`+d.ETag+`"`)
	if again.Status != iothub.Disabled || again.ETag == d.ETag || again.Authentication.SymmetricKey != d.Authentication.SymmetricKey {
		t.Errorf("updated: %+v", again)
	}
	if log := f.broker.takeCalls(); log != "disconnect dev=1%" {
		t.Errorf("a device that is disabled: %q", log)
	}
	var list []iothub.DeviceIdentity
	for _, path := range []string{"/devices/", "/devices"} {
		f.must(200, "GET "+path, "", &list)
		if len(list) != 1 || list[0].DeviceID != "dev=1%" {
			t.Errorf("GET %s: %+v", path, list)
		}
	}
	var statistics map[string]int
	f.must(200, "GET /statistics/devices", "", &statistics)
	if statistics["totalDeviceCount"] != 1 || statistics["disabledDeviceCount"] != 1 || statistics["enabledDeviceCount"] != 0 {
		t.Errorf("statistics: %v", statistics)
	}
	f.must(200, "GET /statistics/service", "", &statistics)
	if n, ok := statistics["connectedDeviceCount"]; !ok || n != 0 {
		t.Errorf("statistics: %v", statistics)
	}
	if a := f.must(204, "DELETE /devices/dev%3D1%25", "", nil, `If-Match: "*"`); a.body != "" {
		t.Errorf("a 204 has the body %q", a.body)
	}
	if log := f.broker.takeCalls(); log != "forget dev=1%" {
		t.Errorf("a device that is deleted: %q", log)
	}
	if a := f.must(200, "GET /devices/", "", nil); strings.TrimSpace(a.body) != "[]" {
		t.Errorf("the empty list is %s", a.body)
	}
}

func TestUpdateThatChangesNoCredentialsKeepsTheLink(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	f.must(200, "PUT /devices/d1", `{"deviceId":"d1","statusReason":"new hinge"}`, nil, `If-Match: "*"`)
	if log := f.broker.takeCalls(); log != "" {
		t.Errorf("the broker was called: %q", log)
	}
	key := iothub.NewKey().Base64()
	f.must(200, "PUT /devices/d1", `{"deviceId":"d1","authentication":{"type":"sas","symmetricKey":{"primaryKey":"`+key+`"}}}`, nil, `If-Match: "*"`)
	if log := f.broker.takeCalls(); log != "disconnect d1" {
		t.Errorf("after a change of keys the broker was called: %q", log)
	}
}

func TestBulk(t *testing.T) {
	t.Parallel()

	f := start(t, "d1", "d2")
	type result struct {
		IsSuccessful bool
		Errors       []struct{ DeviceID, ErrorCode, ErrorStatus string }
		Warnings     []any
	}
	var r result
	f.must(200, "POST /devices", `[{"id":"d3","importMode":"create"},{"id":"d1","importMode":"Update","status":"disabled"},{"id":"d2","importMode":"Delete"}]`, &r)
	if !r.IsSuccessful || len(r.Errors) != 0 || r.Warnings == nil {
		t.Errorf("got %+v", r)
	}
	if log := f.broker.takeCalls(); log != "disconnect d1\nforget d2" {
		t.Errorf("the broker was called: %q", log)
	}
	f.must(400, "POST /devices", `[{"id":"d1","importMode":"create"},{"id":"d4","importMode":"create"},{"id":"d 5","importMode":"create"}]`, &r)
	if r.IsSuccessful || len(r.Errors) != 2 || r.Errors[0].DeviceID != "d1" || r.Errors[0].ErrorCode != "DeviceAlreadyExists" || r.Errors[1].ErrorCode != "ArgumentInvalid" {
		t.Errorf("got %+v", r)
	}
	f.must(200, "GET /devices/d4", "", nil) // the other changes were made
}

func TestBulkChangesTwins(t *testing.T) {
	t.Parallel()

	f := start(t)
	const refused = `[{"id":"d1","importMode":"create","tags":{"floor":3},"properties":{"desired":{"mode":"night"}}},
		{"id":"d2","importMode":"create","tags":{"a.b":1}}]`
	f.must(400, "POST /devices", refused, nil)
	f.must(404, "GET /devices/d2", "", nil) // if the twin is refused, no device is created
	var twin iothub.Twin
	f.must(200, "GET /twins/d1", "", &twin)
	if twin.Tags["floor"] != json.Number("3") || twin.Properties.Desired["mode"] != "night" {
		t.Errorf("created with tags %v, desired %v", twin.Tags, twin.Properties.Desired)
	}
	f.must(200, "POST /devices", `[{"id":"d1","importMode":"updateTwinIfMatchETag","twinETag":"`+twin.ETag+`","properties":{"desired":{"mode":null}}}]`, nil)
	if log := f.broker.takeCalls(); log != `desired d1 {"$version":3,"mode":null}` {
		t.Errorf("the broker was called: %q", log)
	}
	f.must(400, "POST /devices", `[{"id":"d1","importMode":"updateTwinIfMatchETag","twinETag":"`+twin.ETag+`","tags":{"floor":4}}]`, nil)
	f.must(200, "POST /devices", `[{"id":"d1","importMode":"updateTwin","tags":{"floor":5}}]`, nil)
	f.must(200, "GET /twins/d1", "", &twin)
	if twin.Tags["floor"] != json.Number("5") {
		t.Errorf("updated to tags %v", twin.Tags)
	}
}

func TestBulkRefusesDuplicates(t *testing.T) {
	t.Parallel()

	f := start(t)
	a := f.must(400, "POST /devices", `[{"id":"d1","importMode":"create"},{"id":"d2","importMode":"create"},{"id":"d1","importMode":"delete"}]`, nil)
	if !strings.Contains(a.body, "d1 occurs more than once") {
		t.Errorf("the answer is %s", a.body)
	}
	f.must(404, "GET /devices/d2", "", nil)
}

func TestBulkMatchesETags(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	var d iothub.DeviceIdentity
	f.must(200, "GET /devices/d1", "", &d)
	for _, mode := range []string{"createOrUpdateIfMatchETag", "updateIfMatchETag", "deleteIfMatchETag"} {
		a := f.must(400, "POST /devices", `[{"id":"d1","importMode":"`+mode+`","etag":"b2xk","status":"disabled"}]`, nil)
		if !strings.Contains(a.body, "PreconditionFailed") {
			t.Errorf("%s with an old etag: %s", mode, a.body)
		}
		f.must(200, "POST /devices", `[{"id":"d1","importMode":"`+mode+`","etag":"`+d.ETag+`","status":"disabled"}]`, nil)
		if mode != "deleteIfMatchETag" {
			f.must(200, "GET /devices/d1", "", &d)
		}
	}
	f.must(404, "GET /devices/d1", "", nil)
}

// If the import mode requires an etag, a missing etag does not match.
func TestBulkMissesETags(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	for _, mode := range []string{"createOrUpdateIfMatchETag", "updateIfMatchETag", "updateTwinIfMatchETag", "deleteIfMatchETag", "createIfMatchETag"} {
		a := f.must(400, "POST /devices", `[{"id":"d1","importMode":"`+mode+`","status":"disabled","tags":{"floor":1}}]`, nil)
		if !strings.Contains(a.body, "ArgumentInvalid") {
			t.Errorf("%s without an etag: %s", mode, a.body)
		}
	}
	if log := f.broker.takeCalls(); log != "" {
		t.Errorf("the broker was called: %q", log)
	}
	f.must(200, "POST /devices", `[{"id":"d2","importMode":"createOrUpdateIfMatchETag"}]`, nil)
}

// An empty etag in quotes matches nothing.
func TestEmptyETag(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	for request, body := range map[string]string{
		"PUT /devices/d1": `{"status":"disabled"}`, "PATCH /twins/d1": `{"tags":{"a":1}}`, "PUT /twins/d1": `{"tags":{}}`, "DELETE /devices/d1": "",
	} {
		f.must(412, request, body, nil, `If-Match: ""`)
	}
	f.must(204, "DELETE /devices/d1", "", nil, `If-Match: "*"`)
}

func TestTwins(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	var twin iothub.Twin
	f.must(200, "GET /twins/d1", "", &twin)
	// SDKs put the desired properties either at the top level or into properties.
	f.must(200, "PATCH /twins/d1", `{"tags":{"building":"43"},"properties":{"desired":{"floor":3}}}`, &twin, `If-Match: "`+twin.ETag+`"`)
	a := f.must(200, "PATCH /twins/d1", `{"desired":{"floor":null,"room":"1a"}}`, &twin)
	if a.header.Get("ETag") != `"`+twin.ETag+`"` {
		t.Errorf("ETag is %q, the body says %q", a.header.Get("ETag"), twin.ETag)
	}
	f.must(200, "PATCH /twins/d1", `{"tags":{"building":"44"}}`, &twin)
	if _, floor := twin.Properties.Desired["floor"]; floor || twin.Properties.Desired["room"] != "1a" || twin.Tags["building"] != "44" {
		t.Errorf("the twin: tags %v, desired %v", twin.Tags, twin.Properties.Desired)
	}
	want := "desired d1 {\"$version\":2,\"floor\":3}\ndesired d1 {\"$version\":3,\"floor\":null,\"room\":\"1a\"}"
	if log := f.broker.takeCalls(); log != want {
		t.Errorf("the device was sent %s, want %s", log, want)
	}
	twin = iothub.Twin{}
	f.must(200, "PUT /twins/d1", `{"tags":{},"properties":{"desired":{"floor":4}}}`, &twin)
	if _, room := twin.Properties.Desired["room"]; room || len(twin.Tags) != 0 {
		t.Errorf("the replaced twin: tags %v, desired %v", twin.Tags, twin.Properties.Desired)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	f.broker.answers["d1"] = func(m iothub.MethodRequest) (iothub.MethodResponse, error) {
		return iothub.MethodResponse{Status: 500, Payload: json.RawMessage(`{"error":{"code":"jammed"}}`)}, nil
	}
	// The API answers with status 200 for every status that the device has sent.
	a := f.must(200, "POST /twins/d1/methods", `{"methodName":"lockDoor","payload":{"z":1},"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":5}`, nil)
	if strings.TrimSpace(a.body) != `{"status":500,"payload":{"error":{"code":"jammed"}}}` {
		t.Errorf("the answer is %s", a.body)
	}
	if log := f.broker.takeCalls(); log != "wait d1\ninvoke d1 lockDoor {\"z\":1}" {
		t.Errorf("the broker was called: %q", log)
	}
}

func TestQueryPages(t *testing.T) {
	t.Parallel()

	f := start(t, "d1", "d2", "d3")
	const query = `{"query":"SELECT * FROM devices"}`
	var got []string
	next := ""
	for {
		var page []iothub.Twin
		a := f.must(200, "POST /devices/query", query, &page, "x-ms-max-item-count: 2", "x-ms-continuation: "+next)
		if a.header.Get("x-ms-item-type") != "Twin" {
			t.Errorf("x-ms-item-type is %q", a.header.Get("x-ms-item-type"))
		}
		for _, twin := range page {
			got = append(got, twin.DeviceID)
		}
		if next = a.header.Get("x-ms-continuation"); next == "" {
			break
		}
	}
	if strings.Join(got, " ") != "d1 d2 d3" {
		t.Errorf("the pages have %v", got)
	}
	for query, itemType := range map[string]string{
		"SELECT deviceId FROM devices":     "Raw",
		"SELECT COUNT() AS n FROM devices": "Raw",
		"SELECT * FROM devices.jobs":       "DeviceJob",
	} {
		a := f.must(200, "POST /devices/query", `{"query":"`+query+`"}`, nil)
		if a.header.Get("x-ms-item-type") != itemType || a.header.Get("x-ms-continuation") != "" {
			t.Errorf("%s: x-ms-item-type %q, x-ms-continuation %q", query, a.header.Get("x-ms-item-type"), a.header.Get("x-ms-continuation"))
		}
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	start := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	var job iothub.Job
	f.must(200, "PUT /jobs/v2/job-1", `{"jobId":"job-1","type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"m","payload":null,
		"responseTimeoutInSeconds":15},"startTime":"`+start.Format(time.RFC3339Nano)+`","maxExecutionTimeInSeconds":3600,"queryCondition":"deviceId = 'd1'"}`, &job)
	if job.Status != iothub.JobScheduled || !job.StartTime.Equal(start) || job.DeviceJobStatistics == nil {
		t.Errorf("created: %+v", job)
	}
	f.must(200, "GET /jobs/v2/job-1", "", &job)
	var list []iothub.Job
	for query, n := range map[string]int{
		"": 1, "&jobStatus=scheduled&jobType=scheduleDeviceMethod": 1, "&jobStatus=completed": 0, "&jobType=import": 0,
		"&jobStatus=Scheduled&JobType=ScheduleDeviceMethod": 1,
	} {
		f.must(200, "GET /jobs/v2/query?api-version=2021-04-12"+query, "", &list, "x-ms-max-item-count: 10")
		if len(list) != n {
			t.Errorf("query %q has %d jobs, want %d", query, len(list), n)
		}
	}
	f.must(400, "GET /jobs/v2/query?api-version=2021-04-12&jobStatus=finished", "", nil)
	f.must(200, "POST /jobs/v2/job-1/cancel", "", &job)
	if job.Status != iothub.JobCancelled || job.EndTime == nil {
		t.Errorf("cancelled: %+v", job)
	}
	f.must(400, "POST /jobs/v2/job-1/cancel", "", nil)
}

// The hub refuses a request that is for another hub, and carries out all others.
func TestRequestForAnotherHub(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	const request, body = "PUT /jobs/v2/job-1", `{"type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"unlockDoor"},"queryCondition":"*"}`
	for _, id := range []string{"77aa0c33-0d10-4e0f-9a45-3a1f8e2b9c20", testHubID + "+1a2b3c4d"} {
		if a := f.ask(request, body, iothub.HubIDHeader+": "+id); a.status != http.StatusPreconditionFailed || a.header.Get("iothub-errorcode") != "PreconditionFailed" {
			t.Errorf("a job for the hub %s: got %s", id, strconv.Itoa(a.status)+a.body)
		}
	}
	f.must(404, "GET /jobs/v2/job-1", "", nil)
	f.must(200, request, body, nil, iothub.HubIDHeader+": "+testHubID)
}

func TestPanicIsA500(t *testing.T) {
	t.Parallel()

	f := start(t)
	// Without a store, the API panics in every request that needs the store.
	broken := httptest.NewServer(api.New(api.Options{HubID: testHubID, Access: access.Checker{HostName: "hub.test", Policies: []access.Policy{{Name: access.OwnerPolicy, Keys: []iothub.Key{ownerKey}, Rights: access.EveryRight}}}}))
	defer broken.Close()
	f.server.Config.Handler = broken.Config.Handler
	for range 2 {
		if a := f.ask("GET /devices/d1", ""); a.status != http.StatusInternalServerError || a.header.Get("iothub-errorcode") != "ServerError" {
			t.Errorf("got %s", strconv.Itoa(a.status)+a.body)
		}
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	if a := f.must(200, "DELETE /devices/d1/commands", "", nil); a.body != `{"deviceId":"d1","moduleId":null,"totalMessagesPurged":0}`+"\n" {
		t.Errorf("answered with %s", a.body)
	}
}

func TestEveryPathNeedsAToken(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	for _, request := range []string{
		"PUT /devices/d1", "GET /devices/d1", "DELETE /devices/d1", "GET /devices", "GET /devices/", "POST /devices", "POST /devices/query",
		"GET /statistics/devices", "GET /statistics/service", "GET /twins/d1", "PATCH /twins/d1", "PUT /twins/d1", "POST /twins/d1/methods",
		"PUT /jobs/v2/j", "GET /jobs/v2/j", "POST /jobs/v2/j/cancel", "GET /jobs/v2/query",
		"GET /events", "GET /certificates", "PUT /certificates/c", "DELETE /certificates/c", "DELETE /devices/d1/commands",
	} {
		wrong := "Authorization: " + iothub.Sign("hub.test", iothub.Key("wrong"), "iothubowner", time.Now().Add(time.Hour))
		if a := f.ask(request, "{}", wrong); a.status != http.StatusUnauthorized {
			t.Errorf("%s with a wrong key: %d %s", request, a.status, a.body)
		}
	}
	f.must(200, "GET /devices/d1", "", nil)
}
