package watch

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// clock is a simulated clock. A sleep advances its time and returns at once.
type clock struct {
	now    time.Time
	sleeps []time.Duration
}

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		panic("the duration of a sleep is not positive")
	}
	c.now = c.now.Add(d)
	c.sleeps = append(c.sleeps, d)
	return ctx.Err()
}

// lostError is a temporary error of the connection to the hub.
type lostError struct{}

func (lostError) Error() string   { return "hub at h:443: not reachable" }
func (lostError) Temporary() bool { return true }

// fakeHub answers each request with the next entry of a list. It repeats the last entry.
type fakeHub struct {
	jobs []any // iothub.JobStatus, iothub.Job or error
	rows []any // []iothub.DeviceJob or error

	jobReads, rowReads int
}

func (h *fakeHub) Job(context.Context, string) (iothub.Job, error) {
	v := h.jobs[min(h.jobReads, len(h.jobs)-1)]
	h.jobReads++
	switch v := v.(type) {
	case error:
		return iothub.Job{}, v
	case iothub.Job:
		v.JobID = "j"
		return v, nil
	case iothub.JobStatus:
		return iothub.Job{JobID: "j", Status: v}, nil
	}
	panic("the list holds a value of another type")
}

func (h *fakeHub) DeviceJobs(context.Context, string) iter.Seq2[iothub.DeviceJob, error] {
	v := h.rows[min(h.rowReads, len(h.rows)-1)]
	h.rowReads++
	return func(yield func(iothub.DeviceJob, error) bool) {
		if err, ok := v.(error); ok {
			yield(iothub.DeviceJob{}, err)
			return
		}
		for _, row := range v.([]iothub.DeviceJob) {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// row returns the row of a twin update with the given status.
func row(id string, status iothub.DeviceJobStatus) iothub.DeviceJob {
	return iothub.DeviceJob{DeviceID: id, JobType: iothub.ScheduleUpdateTwin, Status: status}
}

// run follows the job "j" on hub with a simulated clock. It returns the report, the
// clock and the notes that were printed.
func run(t *testing.T, hub *fakeHub, change func(*Options)) (Report, *clock, []string, error) {
	t.Helper()
	c := &clock{now: start}
	var notes []string
	opts := Options{Now: c.Now, Sleep: c.Sleep, Progress: func(iothub.Job) {}, Note: func(n string) { notes = append(notes, n) }}
	if change != nil {
		change(&opts)
	}
	if hub.rows == nil {
		hub.rows = []any{[]iothub.DeviceJob{}}
	}
	r, err := Job(t.Context(), hub, "j", opts)
	return r, c, notes, err
}

func TestPausesGrow(t *testing.T) {
	t.Parallel()
	hub := &fakeHub{jobs: make([]any, 40)}
	for i := range hub.jobs {
		hub.jobs[i] = iothub.JobRunning
	}
	hub.jobs[20] = iothub.JobCancelled

	_, c, _, err := run(t, hub, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.sleeps[0] != 200*time.Millisecond || c.sleeps[1] != 250*time.Millisecond || c.sleeps[19] != 2*time.Second {
		t.Errorf("pauses %v", c.sleeps)
	}
	if hub.rowReads != 1 {
		t.Errorf("the rows were read %d times, want once at the end", hub.rowReads)
	}
}

func TestPausesBeforeStart(t *testing.T) {
	t.Parallel()
	startTime := start.Add(40 * time.Second)
	scheduled := iothub.Job{Status: iothub.JobScheduled, StartTime: &startTime}
	hub := &fakeHub{jobs: []any{scheduled, scheduled, scheduled, iothub.JobRunning, iothub.JobCancelled}}

	_, c, _, err := run(t, hub, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{15 * time.Second, 250 * time.Millisecond, 312500 * time.Microsecond, 200 * time.Millisecond}
	if !reflect.DeepEqual(c.sleeps, want) {
		t.Errorf("pauses %v, want %v", c.sleeps, want)
	}
}

func TestShortOutage(t *testing.T) {
	t.Parallel()
	hub := &fakeHub{
		jobs: []any{iothub.JobRunning, lostError{}, lostError{}, &iothub.Error{Status: 503}, iothub.JobRunning, &iothub.Error{Status: 429}, iothub.JobCompleted},
		rows: []any{lostError{}, []iothub.DeviceJob{row("a", iothub.DeviceCompleted)}},
	}

	r, _, notes, err := run(t, hub, nil)
	if err != nil || r.Succeeded() != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	want := []string{
		"note: hub at h:443: not reachable; the job continues on the hub; retrying for 5 min",
		"note: the hub answers again, after 7 s",
		"note: HTTP status 429",
		"note: hub at h:443: not reachable; the job continues on the hub; retrying for 5 min",
		"note: the hub answers again, after 1 s",
	}
	if !reflect.DeepEqual(notes, want) {
		t.Errorf("notes\n%s", strings.Join(notes, "\n"))
	}
}

func TestLongOutage(t *testing.T) {
	t.Parallel()
	hub := &fakeHub{jobs: []any{iothub.JobRunning, lostError{}}}
	_, c, notes, err := run(t, hub, nil)
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, lostError{}) {
		t.Errorf("error %v", err)
	}
	if d := c.now.Sub(start); d < 5*time.Minute || d > 6*time.Minute || len(notes) != 1 {
		t.Errorf("gave up after %v with the notes %q", d, notes)
	}
}

func TestPermanentErrors(t *testing.T) {
	t.Parallel()
	refusal := &iothub.Error{Status: 401, Code: iothub.CodeUnauthorized}
	for name, tt := range map[string]struct {
		jobs  []any
		known bool
		want  error
	}{
		"refused":                    {jobs: []any{iothub.JobRunning, refusal}, want: refusal},
		"unreachable at first":       {jobs: []any{lostError{}}, want: lostError{}},
		"unreachable after creation": {jobs: []any{lostError{}, iothub.JobCancelled}, known: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := run(t, &fakeHub{jobs: tt.jobs}, func(o *Options) { o.Known = tt.known })
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	_, c, _, err := run(t, &fakeHub{jobs: []any{iothub.JobRunning}}, func(o *Options) { o.Limit = 3 * time.Second })
	if !errors.Is(err, ErrTimeout) || c.now.Sub(start) != 3*time.Second {
		t.Errorf("error %v after %v", err, c.now.Sub(start))
	}
}

func TestCancelledByUser(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := &clock{now: start}
	_, err := Job(ctx, &fakeHub{jobs: []any{iothub.JobRunning}}, "j", Options{Now: c.Now, Note: func(string) {},
		Progress: func(iothub.Job) { cancel() }, Sleep: c.Sleep})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A hub may report a job as completed before it has written every row. A device whose
// row never appears does not count as succeeded.
func TestLateRows(t *testing.T) {
	t.Parallel()
	done := iothub.Job{Status: iothub.JobCompleted, DeviceJobStatistics: &iothub.JobStatistics{DeviceCount: 2, SucceededCount: 2}}
	a, b := row("a", iothub.DeviceCompleted), row("b", iothub.DeviceCompleted)
	late := &fakeHub{jobs: []any{done}, rows: []any{[]iothub.DeviceJob{a}, []iothub.DeviceJob{row("b", iothub.DeviceRunning), a}, []iothub.DeviceJob{b, a}}}
	r, c, _, err := run(t, late, nil)
	if err != nil || r.Succeeded() != 2 || r.Missing != 0 || len(c.sleeps) != 2 {
		t.Errorf("%+v after %v, %v", r, c.sleeps, err)
	}

	never := &fakeHub{jobs: []any{done}, rows: []any{[]iothub.DeviceJob{a}}}
	r, _, _, err = run(t, never, nil)
	if err != nil || r.Succeeded() != 1 || r.Missing != 1 || r.Total() != 2 || r.Counts()[iothub.Unfinished] != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if never.rowReads != rowAttempts {
		t.Errorf("the rows were read %d times", never.rowReads)
	}
}

func TestReportListsFailuresFirst(t *testing.T) {
	t.Parallel()
	hub := &fakeHub{rows: []any{[]iothub.DeviceJob{row("d", iothub.DeviceCompleted), row("c", iothub.DeviceFailed), row("b", iothub.DeviceCompleted), row("a", iothub.DeviceCanceled)}}}
	r, err := Rows(t.Context(), hub, iothub.Job{JobID: "j"})
	if err != nil {
		t.Fatal(err)
	}

	var ids []string
	for _, d := range r.Devices {
		ids = append(ids, d.DeviceID)
	}
	if got := strings.Join(ids, " "); got != "a c b d" || len(r.Failed()) != 2 {
		t.Errorf("order %s, %d failed", got, len(r.Failed()))
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	part := func(job string, missing int, rows ...iothub.DeviceJob) Report {
		r := Report{Job: iothub.Job{JobID: job}, Missing: missing}
		for _, row := range rows {
			r.Devices = append(r.Devices, Device{row, row.Judge()})
		}
		return r
	}

	all := part("1", 1, row("b", iothub.DeviceFailed), row("a", iothub.DeviceCompleted)).
		Join(part("2", 2, row("d", iothub.DeviceFailed), row("c", iothub.DeviceCompleted)))

	var ids []string
	for _, d := range all.Devices {
		ids = append(ids, d.DeviceID)
	}
	if got := strings.Join(ids, " "); got != "b d a c" || all.Missing != 3 || all.Total() != 7 || all.Job.JobID != "2" || len(all.Failed()) != 2 {
		t.Errorf("devices %s of %+v", got, all)
	}
}
