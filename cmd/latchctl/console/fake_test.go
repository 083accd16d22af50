package console

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// onHub is the fake hub, as rollouts name it.
var onHub = rollout.Hub{HostName: "localhost", ID: "5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11", Name: "north"}

// fakeHub is a hub that keeps its devices and jobs in memory.
type fakeHub struct {
	mu         sync.Mutex
	rows       []string // rows that answer each query, one row for each device
	err        error    // error that answers each query; nil for success
	jobs       map[string]iothub.Job
	deviceJobs map[string][]iothub.DeviceJob // rows of each job
	maxJobs    int                           // number of jobs that the hub accepts
	refusal    error                         // error that answers each new job; nil for success
	answers    map[string]int                // status with which each device answers; if set, jobs end at once

	queries chan string     // receives the text of each query
	events  chan rest.Event // events to send; nil for a hub without events
}

func (h *fakeHub) HostName() string { return onHub.HostName }

func (h *fakeHub) HubID(context.Context) (iothub.HubID, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return "", h.err
	}
	return onHub.ID, nil
}

func (h *fakeHub) Query(_ context.Context, text string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		h.mu.Lock()
		rows, err := h.rows, h.err
		h.mu.Unlock()
		if where, selects := strings.CutPrefix(text, "SELECT deviceId, connectionState FROM devices"); selects {
			rows, err = h.selected(strings.TrimPrefix(where, " WHERE\n"))
		} else {
			h.queries <- text
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for _, row := range rows {
			if !yield(json.RawMessage(row), nil) {
				return
			}
		}
	}
}

// selected returns the devices that meet a condition: the named devices, the devices a, b
// and c without a condition, no device for none = 1, and an error otherwise.
func (h *fakeHub) selected(where string) (rows []string, err error) {
	ids := []string{"a", "b", "c"}
	switch {
	case strings.HasPrefix(where, "deviceId IN "):
		ids = h.existing(where)
	case where == "none = 1":
		ids = nil
	case where != "":
		return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "line 2:1: what is this")
	}

	for _, id := range ids {
		rows = append(rows, `{"deviceId":"`+id+`"}`)
	}
	return rows, nil
}

// Events sends the events of h.events. If h.events is nil, the request fails, as on
// Azure IoT Hub.
func (h *fakeHub) Events(ctx context.Context, _ ...string) iter.Seq2[rest.Event, error] {
	return func(yield func(rest.Event, error) bool) {
		if h.events == nil {
			yield(rest.Event{}, &iothub.Error{Status: 404})
			return
		}
		for {
			select {
			case e := <-h.events:
				if !yield(e, nil) {
					return
				}
			case <-ctx.Done():
				yield(rest.Event{}, ctx.Err())
				return
			}
		}
	}
}

func (h *fakeHub) Twin(_ context.Context, id string) (iothub.Twin, error) {
	return iothub.Twin{}, iothub.Errorf(iothub.CodeDeviceNotFound, "no %s", id)
}

func (h *fakeHub) Job(_ context.Context, id string) (iothub.Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j, ok := h.jobs[id]
	if !ok {
		return j, iothub.Errorf(iothub.CodeJobNotFound, "no %s", id)
	}
	return j, nil
}

func (h *fakeHub) Jobs(context.Context, rest.JobFilter) iter.Seq2[iothub.Job, error] {
	return func(yield func(iothub.Job, error) bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, j := range h.jobs {
			if !yield(j, nil) {
				return
			}
		}
	}
}

// CancelJob cancels a scheduled job and refuses to cancel any other, like IoT Hub.
func (h *fakeHub) CancelJob(_ context.Context, id string) (iothub.Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j, ok := h.jobs[id]
	switch {
	case !ok:
		return j, iothub.Errorf(iothub.CodeJobNotFound, "no %s", id)
	case j.Status != iothub.JobScheduled:
		return j, iothub.Errorf(iothub.CodeArgumentInvalid, "the job is %s", j.Status)
	}
	j.Status = iothub.JobCancelled
	h.jobs[id] = j
	return j, nil
}

func (h *fakeHub) DeviceJobs(_ context.Context, id string) iter.Seq2[iothub.DeviceJob, error] {
	return func(yield func(iothub.DeviceJob, error) bool) {
		for _, row := range h.deviceJobs[id] {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// CreateJob adds a job to the fake hub.
func (h *fakeHub) CreateJob(_ context.Context, j iothub.Job) (iothub.Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refusal != nil {
		return j, h.refusal
	}
	if len(h.jobs) == h.maxJobs {
		return j, iothub.Errorf(iothub.CodeTooManyJobs, "too many active jobs")
	}
	j.Status = iothub.JobQueued
	if j.StartTime != nil {
		j.Status = iothub.JobScheduled
	}
	if h.answers != nil {
		j.Status = iothub.JobCompleted
		for _, id := range h.existing(j.QueryCondition) {
			h.deviceJobs[j.JobID] = append(h.deviceJobs[j.JobID], iothub.DeviceJob{
				DeviceID: id, JobType: j.Type, Status: iothub.DeviceCompleted,
				Outcome: &iothub.DeviceJobOutcome{DeviceMethodResponse: &iothub.MethodResponse{Status: h.answers[id]}},
			})
		}
	}
	h.jobs[j.JobID] = j
	return j, nil
}

// existing returns the ids in a condition, except the id "deleted".
func (h *fakeHub) existing(where string) []string {
	ids := strings.Split(strings.Trim(strings.TrimPrefix(where, "deviceId IN "), "[]"), ",")
	for i, id := range ids {
		ids[i] = strings.Trim(id, "'")
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "deleted" })
}

// count returns the number of jobs.
func (h *fakeHub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.jobs)
}

// set calls f, which may change the fields of the fake hub.
func (h *fakeHub) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// harness is a console in front of a fake hub.
type harness struct {
	*Server
	hub  *fakeHub
	tick chan struct{} // each value ends one pause of followToEnd or followEvents
	base string        // address of the console, without a path
}

// start starts a console with a fake hub. The functions in change adapt the hub and the
// console's options first.
func start(t *testing.T, change ...func(*fakeHub, *Options)) *harness {
	t.Helper()
	hub := &fakeHub{jobs: map[string]iothub.Job{}, deviceJobs: map[string][]iothub.DeviceJob{}, queries: make(chan string, 100), maxJobs: 100}
	h := &harness{hub: hub, tick: make(chan struct{})}
	opts := Options{
		Hub: hub, Refresh: time.Hour,
		Fleet: &fleet.Fleet{
			Hub: hub, HubName: onHub.Name, ConfirmAbove: 10, Now: time.Now,
			NewID: func() string { return fmt.Sprint(hub.count() + 1) },
			By:    func(context.Context) string { return "ada@bench" },
			Sleep: func(ctx context.Context, _ time.Duration) error {
				select {
				case <-h.tick:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			},
		},
	}
	for _, c := range change {
		c(hub, &opts)
	}

	server, err := Listen("127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	h.Server, h.base = server, "http://"+server.guard.hosts[0]

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- server.Serve(ctx) }()

	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

// request sends a request to the console. The functions in change adapt the request
// first.
func (h *harness) request(t *testing.T, method, path, body string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(r)
	}
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// header returns a function that sets a header of a request.
func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// cookie adds the session cookie to a request.
func (h *harness) cookie(r *http.Request) {
	r.AddCookie(&http.Cookie{Name: h.guard.cookieName, Value: h.guard.cookie})
}

// own adds the headers that the console's page sends with a change.
func (h *harness) own(r *http.Request) {
	h.cookie(r)
	r.Header.Set(changeHeader, h.guard.change)
	r.Header.Set("Origin", h.base)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
}
