package interop

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// operation makes one request to the hub's service API through a call of
// transport/rest. A query with two pages makes two requests. If a latchctl command
// sends the same requests, the operation names this command, too.
type operation struct {
	name    string // name of the operation in wire.js
	call    func(context.Context, *rest.Client) error
	command []string
	pages   int  // number of the query's pages; 0 means 1
	entra   bool // whether the request has a token from Entra ID
}

const oddID = "dev'1;(x)*%!$"

// identity is a device's registry entry as a hub returns it. An update changes the
// entry and sends it back.
const identity = `{"deviceId":"d1","generationId":"638","etag":"NDA0","connectionState":"Disconnected","status":"disabled","statusReason":"stolen",
	"connectionStateUpdatedTime":"0001-01-01T00:00:00Z","statusUpdatedTime":"0001-01-01T00:00:00Z",
	"lastActivityTime":"2026-11-23T11:36:56.1263214Z","cloudToDeviceMessageCount":0,"authentication":{"type":"sas",
	"symmetricKey":{"primaryKey":"cA==","secondaryKey":"cw=="},"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}},
	"capabilities":{"iotEdge":false}}`

var (
	keys      = iothub.SymmetricKey{PrimaryKey: "cA==", SecondaryKey: "cw=="}
	condition = "tags.floor > 3 AND tags.a < 'b&c'"
	jobStart  = time.Date(2099, 11, 23, 11, 36, 56, 126e6, time.UTC)
)

// operations returns the operations of wire.js in the same order.
func operations() []operation {
	withKeys := &iothub.Authentication{Type: "sas", SymmetricKey: keys}
	first, second := strings.Repeat("A", 40), strings.Repeat("B", 40)
	patch := iothub.TwinPatch{Tags: iothub.Object{"a": 1}, Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"floor": nil}}}
	job := iothub.Job{JobID: "job-1", Type: iothub.ScheduleDeviceMethod, QueryCondition: condition, StartTime: &jobStart, MaxExecutionTimeInSeconds: 60,
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", Payload: []byte(`{"reason":"night"}`), ResponseTimeoutInSeconds: 15}}
	ping := iothub.Job{JobID: "job-1", Type: iothub.ScheduleDeviceMethod, QueryCondition: "*",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "ping", ResponseTimeoutInSeconds: 15}}
	twinJob := iothub.Job{JobID: "job-2", Type: iothub.ScheduleUpdateTwin, QueryCondition: condition, StartTime: &jobStart,
		UpdateTwin: []byte(`{"etag":"*","tags":{"a":1},"properties":{"desired":{"floor":null}}}`)}
	start := jobStart.Format(time.RFC3339Nano)

	create := func(d iothub.DeviceIdentity) func(context.Context, *rest.Client) error {
		return func(ctx context.Context, c *rest.Client) error { _, err := c.CreateDevice(ctx, d); return err }
	}
	schedule := func(job iothub.Job) func(context.Context, *rest.Client) error {
		return func(ctx context.Context, c *rest.Client) error { _, err := c.CreateJob(ctx, job); return err }
	}
	update := func(d iothub.DeviceIdentity) func(context.Context, *rest.Client) error {
		return func(ctx context.Context, c *rest.Client) error {
			_, err := c.UpdateDevices(ctx, []iothub.DeviceIdentity{d})
			return err
		}
	}
	query := func(ctx context.Context, c *rest.Client) error {
		return drain(c.Query(ctx, "SELECT * FROM devices WHERE tags.a < 'b&c'"))
	}
	list := func(ctx context.Context, c *rest.Client) error {
		return drain(c.Jobs(ctx, rest.JobFilter{Type: iothub.ScheduleUpdateTwin, Status: iothub.JobScheduled}))
	}

	return []operation{
		{name: "create device", call: create(iothub.DeviceIdentity{DeviceID: oddID}), command: []string{"device", "create", oddID}},
		{name: "create device, disabled", call: create(iothub.DeviceIdentity{DeviceID: "d1", Status: iothub.Disabled}),
			command: []string{"device", "create", "d1", "--disabled"}},
		{name: "create device, with keys", call: create(iothub.DeviceIdentity{DeviceID: "d1", Authentication: withKeys})},
		{name: "create device, with thumbprints", call: create(iothub.DeviceIdentity{DeviceID: "d1", Authentication: &iothub.Authentication{
			Type: "selfSigned", X509Thumbprint: iothub.X509Thumbprint{PrimaryThumbprint: &first, SecondaryThumbprint: &second}}})},
		{name: "get device", command: []string{"device", "show", oddID},
			call: func(ctx context.Context, c *rest.Client) error { _, err := c.Device(ctx, oddID); return err }},
		{name: "list devices", call: func(ctx context.Context, c *rest.Client) error { _, err := c.Devices(ctx, 0); return err }},
		{name: "update device", call: func(ctx context.Context, c *rest.Client) error {
			var d iothub.DeviceIdentity
			if err := json.Unmarshal([]byte(identity), &d); err != nil {
				return err
			}
			_, err := c.UpdateDevice(ctx, d, "")
			return err
		}},
		{name: "delete device", command: []string{"device", "delete", "--yes", oddID},
			call: func(ctx context.Context, c *rest.Client) error { return c.DeleteDevice(ctx, oddID, "") }},
		{name: "add devices", call: func(ctx context.Context, c *rest.Client) error {
			_, err := c.CreateDevices(ctx, []iothub.DeviceIdentity{{DeviceID: "b1", Authentication: withKeys}, {DeviceID: "b2", Status: iothub.Disabled}})
			return err
		}},
		{name: "update devices", call: update(iothub.DeviceIdentity{DeviceID: "b1", Status: iothub.Enabled})},
		{name: "update devices, by etag", call: update(iothub.DeviceIdentity{DeviceID: "b1", ETag: "e1", Status: iothub.Enabled})},
		{name: "statistics", call: func(ctx context.Context, c *rest.Client) error { _, err := c.Statistics(ctx); return err }},

		{name: "get twin", command: []string{"twin", "show", oddID},
			call: func(ctx context.Context, c *rest.Client) error { _, err := c.Twin(ctx, oddID); return err }},
		{name: "update twin", command: []string{"twin", "update", oddID, "--tags", `{"a":1}`, "--desired", `{"floor":null}`},
			call: func(ctx context.Context, c *rest.Client) error {
				_, err := c.UpdateTwin(ctx, oddID, patch, "")
				return err
			}},
		{name: "update twin, by etag", command: []string{"twin", "update", "d1", "--tags", `{"a":1}`, "--desired", `{"floor":null}`, "--etag", "MC40NDQ3MjMz"},
			call: func(ctx context.Context, c *rest.Client) error {
				_, err := c.UpdateTwin(ctx, "d1", patch, "MC40NDQ3MjMz")
				return err
			}},
		{name: "query", pages: 2, call: query, command: []string{"query", "SELECT * FROM devices WHERE tags.a < 'b&c'"}},

		{name: "invoke method", command: []string{"method", "invoke", oddID, "lockDoor", "--payload", `{"reason":"<&>"}`, "--connect-timeout", "3"},
			call: func(ctx context.Context, c *rest.Client) error {
				_, err := c.InvokeMethod(ctx, oddID, iothub.MethodRequest{MethodName: "lockDoor", Payload: []byte(`{"reason":"<&>"}`),
					ResponseTimeoutInSeconds: 15, ConnectTimeoutInSeconds: 3})
				return err
			}},
		{name: "invoke method, with defaults", command: []string{"method", "invoke", "d1", "ping", "--timeout", "30"},
			call: func(ctx context.Context, c *rest.Client) error {
				_, err := c.InvokeMethod(ctx, "d1", iothub.MethodRequest{MethodName: "ping"})
				return err
			}},

		{name: "schedule method", call: schedule(job), command: []string{"job", "schedule", "method", "lockDoor", "--where", condition, "--yes",
			"--payload", `{"reason":"night"}`, "--id", "job-1", "--start", start, "--max-execution", "60"}},
		{name: "schedule method, at once", call: schedule(ping), command: []string{"job", "schedule", "method", "ping", "--where", "*", "--yes", "--id", "job-1"}},
		{name: "schedule twin update", call: schedule(twinJob), command: []string{"job", "schedule", "twin", "--where", condition, "--yes",
			"--tags", `{"a":1}`, "--desired", `{"floor":null}`, "--id", "job-2", "--start", start}},
		{name: "get job", command: []string{"job", "show", "job-1"},
			call: func(ctx context.Context, c *rest.Client) error { _, err := c.Job(ctx, "job-1"); return err }},
		{name: "cancel job", command: []string{"job", "cancel", "job-1"},
			call: func(ctx context.Context, c *rest.Client) error { _, err := c.CancelJob(ctx, "job-1"); return err }},
		{name: "list jobs", pages: 2, call: list, command: []string{"job", "list", "--type", "twin", "--status", "scheduled"}},
		{name: "rows of a job", call: func(ctx context.Context, c *rest.Client) error { return drain(c.DeviceJobs(ctx, "job-1")) },
			command: []string{"query", "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'job-1'"}},
		{name: "get device, by Entra ID", entra: true,
			call: func(ctx context.Context, c *rest.Client) error { _, err := c.Device(ctx, "d1"); return err }},
	}
}

// drain reads a sequence to its end and returns the first error in it.
func drain[T any](rows iter.Seq2[T, error]) error {
	for _, err := range rows {
		if err != nil {
			return err
		}
	}
	return nil
}
