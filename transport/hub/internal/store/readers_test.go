package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/iothub"
)

// costly is a condition that makes SQLite compare 650 values of every twin.
var costly = strings.Repeat("tags.a=1 OR ", 649) + "tags.a=1"

// A query that takes too long is refused, even if it finds its first row at once.
func TestLongQueriesAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var ids []string
	for i := range 400 {
		ids = append(ids, fmt.Sprintf("door-%03d", i))
	}
	createDevices(t, s, ids...)
	s.queries.quickTime, s.queries.slowTime = time.Millisecond, 5*time.Millisecond

	for _, text := range []string{
		"SELECT * FROM devices WHERE " + costly,
		"SELECT * FROM devices WHERE deviceId = 'door-000' OR deviceId = 'door-001' OR " + costly,
		"SELECT deviceId FROM devices WHERE " + costly,
		"SELECT COUNT() AS n FROM devices WHERE " + costly,
		"SELECT COUNT() AS n, deviceId FROM devices WHERE deviceId >= 'd' OR " + costly + " GROUP BY deviceId",
	} {
		_, _, err := s.QueryTwins(t.Context(), parse(t, text), 0, "")
		wantCode(t, err, iothub.CodeArgumentInvalid)
		if err != nil && !strings.Contains(err.Error(), "takes longer than 5ms on this hub") {
			t.Errorf("%.60s: the error is %q", text, err)
		}
	}

	// The connections still work.
	s.queries.quickTime, s.queries.slowTime = time.Minute, time.Minute
	rows, _, err := s.QueryTwins(t.Context(), parse(t, "SELECT * FROM devices WHERE deviceId = 'door-007'"), 0, "")
	if err != nil || len(rows) != 1 {
		t.Errorf("a short query returns %d rows, %v", len(rows), err)
	}
}

func TestLongConditionFailsItsJob(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1", "door-2")
	s.conditions.quickTime, s.conditions.slowTime = time.Nanosecond, time.Nanosecond
	if err := s.CreateJob(t.Context(), jobAt("job1", epoch), 0); err != nil {
		t.Fatal(err)
	}

	done := make(chan error, 1)
	s.StartJobAsync("job1", func(job iothub.Job) (*query.Condition, error) { return query.ParseCondition(costly) },
		epoch, time.Hour, func(_ []string, err error) { done <- err })
	wantCode(t, <-done, iothub.CodeArgumentInvalid)
	if job, err := s.Job(t.Context(), "job1"); err != nil || job.Status != iothub.JobQueued {
		t.Errorf("the job is %s, %v", job.Status, err)
	}
}

// Logins, reports, twin reads and the start of jobs do not wait for queries, and short
// queries do not wait for long ones.
func TestReadsDoNotWaitForQueries(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	s.queries.wait = time.Millisecond
	all := parse(t, "SELECT * FROM devices")

	slow, err := s.queries.slow.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, _, err := s.QueryTwins(t.Context(), all, 0, ""); err != nil {
		t.Errorf("a short query while a long one runs: %v", err)
	}

	for range quickReaders {
		conn, err := s.queries.quick.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	_, _, err = s.QueryTwins(t.Context(), all, 0, "")
	wantCode(t, err, iothub.CodeThrottling)

	if err := s.CreateJob(t.Context(), jobAt("job1", epoch), 0); err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	everyDevice := func(iothub.Job) (*query.Condition, error) { return nil, nil }
	s.StartJobAsync("job1", everyDevice, epoch, time.Hour, func(_ []string, err error) { started <- err })
	for name, read := range map[string]func(context.Context) error{
		"login":       func(ctx context.Context) error { _, err := s.Device(ctx, "door-1"); return err },
		"authorities": func(ctx context.Context) error { _, err := s.Authorities(ctx); return err },
		"twin":        func(ctx context.Context) error { _, err := s.DeviceTwin(ctx, "door-1"); return err },
		"report": func(ctx context.Context) error {
			_, err := s.Report(ctx, "door-1", iothub.Object{"a": true}, 0)
			return err
		},
		"job": func(context.Context) error { return <-started },
	} {
		if err := read(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// jobAt returns a method job for every device.
func jobAt(id string, start time.Time) iothub.Job {
	return iothub.Job{
		JobID: id, Type: iothub.ScheduleDeviceMethod, QueryCondition: "*", CreatedTime: &start, StartTime: &start,
		MaxExecutionTimeInSeconds: 60, Status: iothub.JobQueued, CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor"},
	}
}
