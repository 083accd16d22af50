package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// quiet returns a logger that discards all messages.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// TestWire compares each request of the client with the request that the official Node
// SDK for services sends.
func TestWire(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 11, 23, 11, 36, 56, 126e6, time.UTC)
	tests := []struct {
		name   string
		call   func(context.Context, *Client) error
		answer string
		method string
		uri    string // expected URI without the api-version
		body   string
		header map[string]string
	}{
		{
			name: "create device",
			call: func(ctx context.Context, c *Client) error {
				_, err := c.CreateDevice(ctx, iothub.DeviceIdentity{DeviceID: "dev'1;(x)*"})
				return err
			},
			method: "PUT", uri: "/devices/dev'1%3B(x)*",
			body: `{"deviceId":"dev'1;(x)*","authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":""}}}`,
		},
		{
			name:   "get device",
			call:   func(ctx context.Context, c *Client) error { _, err := c.Device(ctx, "d#1+"); return err },
			method: "GET", uri: "/devices/d%231%2B",
		},
		{
			name: "list devices", answer: `[{"deviceId":"a"}]`,
			call: func(ctx context.Context, c *Client) error {
				d, err := c.Devices(ctx, 0)
				if len(d) != 1 || d[0].DeviceID != "a" {
					t.Errorf("devices: %v", d)
				}
				return err
			},
			method: "GET", uri: "/devices/",
		},
		{
			name: "update device",
			call: func(ctx context.Context, c *Client) error {
				_, err := c.UpdateDevice(ctx, iothub.DeviceIdentity{DeviceID: "d1", Status: "disabled"}, "")
				return err
			},
			method: "PUT", uri: "/devices/d1", header: map[string]string{"If-Match": `"*"`}, body: "any",
		},
		{
			name:   "delete device",
			call:   func(ctx context.Context, c *Client) error { return c.DeleteDevice(ctx, "d1", "") },
			method: "DELETE", uri: "/devices/d1", header: map[string]string{"If-Match": `"*"`},
		},
		{
			name: "bulk create", answer: `{"isSuccessful":true,"errors":[],"warnings":[]}`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.CreateDevices(ctx, []iothub.DeviceIdentity{{DeviceID: "b1", Authentication: &iothub.Authentication{
					Type: "sas", SymmetricKey: iothub.SymmetricKey{PrimaryKey: "cA==", SecondaryKey: "cw=="}}}})
				return err
			},
			method: "POST", uri: "/devices",
			body: `[{"id":"b1","importMode":"create","authentication":{"type":"sas","symmetricKey":{"primaryKey":"cA==","secondaryKey":"cw=="}}}]`,
		},
		{
			name:   "get twin",
			call:   func(ctx context.Context, c *Client) error { _, err := c.Twin(ctx, "d1"); return err },
			method: "GET", uri: "/twins/d1",
		},
		{
			name: "patch twin",
			call: func(ctx context.Context, c *Client) error {
				patch := iothub.TwinPatch{Tags: iothub.Object{"a": json.Number("1")}, Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"floor": nil}}}
				_, err := c.UpdateTwin(ctx, "d1", patch, "MC40NDQ3MjMz")
				return err
			},
			method: "PATCH", uri: "/twins/d1", header: map[string]string{"If-Match": `"MC40NDQ3MjMz"`},
			body: `{"tags":{"a":1},"properties":{"desired":{"floor":null}}}`,
		},
		{
			name: "invoke method", answer: `{"status":200,"payload":{"ok":1}}`,
			call: func(ctx context.Context, c *Client) error {
				a, err := c.InvokeMethod(ctx, "d1", iothub.MethodRequest{MethodName: "m", Payload: json.RawMessage(`{"z":1}`), ConnectTimeoutInSeconds: 3})
				if a.Status != 200 || string(a.Payload) != `{"ok":1}` {
					t.Errorf("answer: %+v", a)
				}
				return err
			},
			method: "POST", uri: "/twins/d1/methods",
			body: `{"methodName":"m","payload":{"z":1},"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":3}`,
		},
		{
			name: "method job",
			call: func(ctx context.Context, c *Client) error {
				_, err := c.CreateJob(ctx, iothub.Job{JobID: "job1", Type: iothub.ScheduleDeviceMethod, QueryCondition: "tags.floor > 3 AND a < 'b&c'", StartTime: &start,
					CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "m", ResponseTimeoutInSeconds: 15}})
				return err
			},
			method: "PUT", uri: "/jobs/v2/job1",
			body: `{"jobId":"job1","type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"m","payload":null,"responseTimeoutInSeconds":15},` +
				`"startTime":"2026-11-23T11:36:56.126Z","maxExecutionTimeInSeconds":3600,"queryCondition":"tags.floor > 3 AND a < 'b&c'"}`,
		},
		{
			name: "twin job",
			call: func(ctx context.Context, c *Client) error {
				_, err := c.CreateJob(ctx, iothub.Job{JobID: "job2", Type: iothub.ScheduleUpdateTwin, QueryCondition: "*", MaxExecutionTimeInSeconds: 60,
					UpdateTwin: json.RawMessage(`{"etag":"*","properties":{"desired":{"floor":3}}}`)})
				return err
			},
			method: "PUT", uri: "/jobs/v2/job2",
			body: `{"jobId":"job2","type":"scheduleUpdateTwin","updateTwin":{"etag":"*","properties":{"desired":{"floor":3}}},` +
				`"startTime":null,"maxExecutionTimeInSeconds":60,"queryCondition":"*"}`,
		},
		{
			name:   "get job",
			call:   func(ctx context.Context, c *Client) error { _, err := c.Job(ctx, "job1"); return err },
			method: "GET", uri: "/jobs/v2/job1",
		},
		{
			name:   "cancel job",
			call:   func(ctx context.Context, c *Client) error { _, err := c.CancelJob(ctx, "job1"); return err },
			method: "POST", uri: "/jobs/v2/job1/cancel", header: map[string]string{"Content-Length": "0"},
		},
		{
			name: "list jobs", answer: `[]`,
			call: func(ctx context.Context, c *Client) error {
				for _, err := range c.Jobs(ctx, JobFilter{iothub.ScheduleUpdateTwin, iothub.JobScheduled}) {
					return err
				}
				return nil
			},
			method: "GET", uri: "/jobs/v2/query?jobStatus=scheduled&jobType=scheduleUpdateTwin", header: map[string]string{"X-Ms-Max-Item-Count": "1000"},
		},
		{
			name: "rows of a job", answer: `[]`,
			call: func(ctx context.Context, c *Client) error {
				for _, err := range c.DeviceJobs(ctx, `it's\`) {
					return err
				}
				return nil
			},
			method: "POST", uri: "/devices/query", header: map[string]string{"X-Ms-Max-Item-Count": "1000"},
			body: `{"query":"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'it\\'s\\\\'"}`,
		},
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "DELETE" {
					w.WriteHeader(http.StatusNoContent)
				} else if tt.answer != "" {
					respond(w, 200, tt.answer)
				} else {
					respond(w, 200, "{}")
				}
			})
			c, _ := hub.client(t)
			if err := tt.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			calls := hub.recorded()
			if len(calls) != 1 {
				t.Fatalf("%d requests, want 1", len(calls))
			}
			got := calls[0]
			uri := strings.NewReplacer("?api-version=2021-04-12&", "?", "?api-version=2021-04-12", "").Replace(got.URI)
			if got.Method != tt.method || uri != tt.uri || uri == got.URI {
				t.Errorf("%s %s, want %s %s with the api-version", got.Method, got.URI, tt.method, tt.uri)
			}
			if tt.body != "any" && got.Body != tt.body {
				t.Errorf("body\n%s, want\n%s", got.Body, tt.body)
			}
			checkCommonHeaders(t, got)
			for _, name := range []string{"If-Match", "X-Ms-Max-Item-Count"} {
				if got.Header.Get(name) != tt.header[name] {
					t.Errorf("%s: %q, want %q", name, got.Header.Get(name), tt.header[name])
				}
			}
		})
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// checkCommonHeaders checks the headers that every request has.
func checkCommonHeaders(t *testing.T, got call) {
	t.Helper()

	token := got.Header.Get("Authorization")
	if !strings.HasPrefix(token, "SharedAccessSignature sr=Hub.example:8443&sig=") || !strings.HasSuffix(token, "&skn=iothubowner&se=1795438801") {
		t.Errorf("token %q: want the host name, the policy and an expiry one hour after the next full second", token)
	}
	if s, err := iothub.ParseSignature(token); err != nil || !s.SignedBy(testKey) {
		t.Errorf("token %q is not signed with the key (%v)", token, err)
	}

	if id := got.Header.Get("Request-Id"); !uuidForm.MatchString(id) {
		t.Errorf("Request-Id %q", id)
	}
	if agent := got.Header.Get("User-Agent"); agent != "test/1" {
		t.Errorf("User-Agent %q", agent)
	}
	want := ""
	if got.Body != "" {
		want = "application/json; charset=utf-8"
	}

	if ct := got.Header.Get("Content-Type"); ct != want {
		t.Errorf("Content-Type %q, want %q", ct, want)
	}
}

func TestTwin(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		respond(w, 200, `{"deviceId":"d1","etag":"AAAA","tags":{"big":12345678901234567890},"properties":{"desired":{"floor":3,"$version":4},"reported":{"$version":1}}}`)
	})
	c, _ := hub.client(t)
	twin, err := c.Twin(t.Context(), "d1")
	if err != nil {
		t.Fatal(err)
	}

	if twin.Properties.Desired.Version() != 4 || twin.Tags["big"] != json.Number("12345678901234567890") {
		t.Errorf("twin: %+v", twin)
	}
}

func TestQueryPages(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Ms-Continuation") {
		case "":
			w.Header().Set("x-ms-continuation", "two")
			respond(w, 200, `[{"n":1},{"n":2}]`)
		case "two":
			w.Header().Set("x-ms-continuation", "three")
			respond(w, 200, `[]`)
		case "three":
			respond(w, 200, `[{"n":3}]`)
		}
	})

	c, _ := hub.client(t)
	var rows []string

	for row, err := range c.Query(t.Context(), "SELECT * FROM devices") {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, string(row))
	}

	if got := strings.Join(rows, " "); got != `{"n":1} {"n":2} {"n":3}` {
		t.Errorf("rows %s", got)
	}
	for range c.Query(t.Context(), "SELECT * FROM devices") {
		break
	}
	if n := len(hub.recorded()); n != 4 {
		t.Errorf("%d requests, want 3 for the whole query and 1 for its first page", n)
	}
}

func TestQueryThatNeverEnds(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-continuation", "again")
		respond(w, 200, `[]`)
	})

	c, _ := hub.client(t)
	for _, err := range c.Query(t.Context(), "SELECT * FROM devices") {
		if err == nil || !strings.Contains(err.Error(), "same page") {
			t.Errorf("error %v", err)
		}
		return
	}

	t.Error("the sequence ended without an error")
}

// A client with Options.Token must not use the key in its connection string. If Token
// fails, the client must send nothing.
func TestBearer(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, "{}") })
	token, tokenErr := "one", error(nil)
	c, slept := hub.client(t, func(o *Options) {
		o.Token = func(context.Context) (string, error) { return token, tokenErr }
	})

	for _, token = range []string{"one", "two"} {
		if _, err := c.Device(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
	}

	tokenErr = errors.New("not logged in")
	if _, err := c.CreateJob(t.Context(), iothub.Job{JobID: "j"}); !errors.Is(err, tokenErr) || len(*slept) > 0 {
		t.Errorf("error %v after waits %v", err, *slept)
	}
	var got []string
	for _, call := range hub.recorded() {
		got = append(got, call.Header.Get("Authorization"))
	}
	if want := []string{"Bearer one", "Bearer two"}; !slices.Equal(got, want) {
		t.Errorf("tokens %q, want %q", got, want)
	}
}

func TestDevicesIn(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		ids  []string
		want string
	}{
		{nil, "deviceId IN []"}, {[]string{"a"}, "deviceId IN ['a']"}, {[]string{"a", "it's"}, `deviceId IN ['a','it\'s']`},
	} {
		if got := DevicesIn(tt.ids); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.ids, got, tt.want)
		}
	}
}
