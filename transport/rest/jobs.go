package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// CreateJob creates a job with the id job.JobID. If that id is in use, the error has
// the status 409.
//
// If the answer to a request is lost, CreateJob sends the request again. If the hub
// then reports that the id is in use, CreateJob reads the job with that id. It succeeds
// if that job is the requested one.
//
// CreateJob does not wait if the hub has too many active jobs, because such a wait
// could last as long as a job. If the error contains a [NetworkError] whose Sent method
// returns true, the hub may have created the job.
func (c *Client) CreateJob(ctx context.Context, job iothub.Job) (iothub.Job, error) {
	var created iothub.Job
	if err := iothub.CheckJobID(job.JobID); err != nil {
		return created, err
	}

	r := request{method: http.MethodPut, path: jobPath(job.JobID), body: newJob(job), out: &created}
	retries := c.newRetries()
	mayExist := false // whether an earlier attempt may have created the job
	var lost error    // error of the attempt whose answer was lost
	fail := func(err error) (iothub.Job, error) {
		if lost != nil && err != lost {
			err = fmt.Errorf("%w; the next attempt failed: %w", lost, err)
		}
		return iothub.Job{}, err
	}

	for {
		_, err := c.once(ctx, r)
		if err == nil {
			return created, nil
		}

		var retryAfter time.Duration
		refusal, isRefusal := refused(err)
		network, isNetwork := errors.AsType[*NetworkError](err)
		switch {
		case isRefusal && refusal.Status == http.StatusConflict && mayExist:
			existing, getErr := c.Job(ctx, job.JobID)
			if getErr != nil {
				return fail(getErr)
			}
			if sameJob(existing, job) {
				return existing, nil
			}
			return created, err
		case isRefusal && refusal.Code == iothub.CodeTooManyJobs && !mayExist:
			return created, err
		case isRefusal && busy(refusal.Status):
			retryAfter = refusal.RetryAfter
			mayExist = mayExist || refusal.Status == http.StatusServiceUnavailable
		case isNetwork && network.Sent():
			mayExist, lost = true, err
		case isNetwork && network.Kind == Unreachable && mayExist:
			// The hub may have created the job before it became unreachable. Another
			// attempt shows whether it did.
		default:
			return fail(err)
		}

		wait, ok := retries.next(retryAfter)
		if !ok {
			return fail(err)
		}
		c.onRetry(err, wait)
		if err := c.sleep(ctx, wait); err != nil {
			return created, err
		}
	}
}

// Job returns a job with its statistics.
func (c *Client) Job(ctx context.Context, id string) (iothub.Job, error) {
	var job iothub.Job
	_, err := c.repeat(ctx, request{method: http.MethodGet, path: jobPath(id), out: &job})
	return job, err
}

// CancelJob cancels a job that has not started. IoT Hub refuses to cancel a running job.
func (c *Client) CancelJob(ctx context.Context, id string) (iothub.Job, error) {
	var job iothub.Job
	_, err := c.once(ctx, request{method: http.MethodPost, path: jobPath(id) + "/cancel", out: &job})
	return job, err
}

// JobFilter selects jobs by type and status. An empty field matches all jobs.
type JobFilter struct {
	Type   iothub.JobType
	Status iothub.JobStatus
}

// Jobs returns the jobs that match the filter, in the hub's order. It reads the jobs
// page by page. The sequence ends after the first error.
func (c *Client) Jobs(ctx context.Context, filter JobFilter) iter.Seq2[iothub.Job, error] {
	query := url.Values{}
	if filter.Status != "" {
		query.Set("jobStatus", string(filter.Status))
	}
	if filter.Type != "" {
		query.Set("jobType", string(filter.Type))
	}

	return pages[iothub.Job](ctx, c, request{method: http.MethodGet, path: "/jobs/v2/query", query: query})
}

// jobBody is a new job in the form that the official SDK sends.
type jobBody struct {
	JobID                     string                `json:"jobId"`
	Type                      iothub.JobType        `json:"type"`
	CloudToDeviceMethod       *iothub.MethodRequest `json:"cloudToDeviceMethod,omitempty"`
	UpdateTwin                json.RawMessage       `json:"updateTwin,omitempty"`
	StartTime                 *string               `json:"startTime"` // null starts the job at once
	MaxExecutionTimeInSeconds int64                 `json:"maxExecutionTimeInSeconds"`
	QueryCondition            string                `json:"queryCondition"`
}

// defaultMaxExecution is a job's longest execution, in seconds, if the caller sets
// none. The official SDK uses the same default.
const defaultMaxExecution = 3600

// newJob returns the body of the request that creates a job.
func newJob(job iothub.Job) jobBody {
	b := jobBody{
		JobID:                     job.JobID,
		Type:                      job.Type,
		UpdateTwin:                job.UpdateTwin,
		MaxExecutionTimeInSeconds: job.MaxExecutionTimeInSeconds,
		QueryCondition:            job.QueryCondition,
	}
	if b.MaxExecutionTimeInSeconds == 0 {
		b.MaxExecutionTimeInSeconds = defaultMaxExecution
	}
	if job.CloudToDeviceMethod != nil {
		method := withPayload(*job.CloudToDeviceMethod)
		b.CloudToDeviceMethod = &method
	}

	if job.StartTime != nil {
		// The official SDK formats times with JavaScript's toISOString, which writes
		// milliseconds.
		text := job.StartTime.UTC().Format("2006-01-02T15:04:05.000Z")
		b.StartTime = &text
	}
	return b
}

// sameJob reports whether the hub's job have is the requested job want. It ignores
// fields that the hub fills in or writes in another form.
func sameJob(have, want iothub.Job) bool {
	if have.Type != want.Type || have.QueryCondition != want.QueryCondition {
		return false
	}
	if want.StartTime != nil && have.StartTime != nil && have.StartTime.Sub(*want.StartTime).Abs() > time.Second {
		return false
	}
	if m, w := have.CloudToDeviceMethod, want.CloudToDeviceMethod; (m == nil) != (w == nil) ||
		m != nil && (m.MethodName != w.MethodName || !sameJSON(m.Payload, w.Payload)) {
		return false
	}

	return sameJSON(have.UpdateTwin, want.UpdateTwin)
}

// sameJSON reports whether two JSON texts have the same value. An empty text equals null.
func sameJSON(a, b json.RawMessage) bool {
	var va, vb any
	if len(a) > 0 && json.Unmarshal(a, &va) != nil || len(b) > 0 && json.Unmarshal(b, &vb) != nil {
		return false
	}

	return reflect.DeepEqual(va, vb)
}

func jobPath(id string) string { return "/jobs/v2/" + component(id) }
