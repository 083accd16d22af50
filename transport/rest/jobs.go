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

// CreateJob creates a job under the id that it carries. The id makes repeating
// safe: after a lost answer the request is sent again, and if the id is then in
// use the job of that id is compared with the one asked for. An id that is in
// use otherwise is a refusal with status 409. That too many jobs are active is
// returned at once: it can last as long as a job does. After an error in which
// there is a [NetworkError] that was sent, the hub may have taken the job.
func (c *Client) CreateJob(ctx context.Context, job iothub.Job) (iothub.Job, error) {
	var created iothub.Job
	if err := iothub.CheckJobID(job.JobID); err != nil {
		return created, err
	}
	r := request{method: http.MethodPut, path: jobPath(job.JobID), body: newJob(job), out: &created}
	waits, mayExist := c.waits(), false
	var lost error // the answer that was lost
	give := func(err error) (iothub.Job, error) {
		if lost != nil && err != lost {
			err = fmt.Errorf("%w; then: %w", lost, err)
		}
		return iothub.Job{}, err
	}
	for {
		_, err := c.once(ctx, r)
		if err == nil {
			return created, nil
		}
		asked := time.Duration(0)
		var network *NetworkError
		e, isRefusal := refused(err)
		switch {
		case isRefusal && e.Status == http.StatusConflict && mayExist:
			existing, getErr := c.Job(ctx, job.JobID)
			if getErr != nil {
				return give(getErr)
			}
			if sameJob(existing, job) {
				return existing, nil
			}
			return created, err
		case isRefusal && e.Code == iothub.CodeTooManyJobs && !mayExist:
			return created, err
		case isRefusal && busy(e.Status):
			asked = e.RetryAfter
			mayExist = mayExist || e.Status == http.StatusServiceUnavailable
		case errors.As(err, &network) && network.Sent():
			mayExist, lost = true, err
		case errors.As(err, &network) && network.Kind == Unreachable && mayExist:
			// The hub went away after it may have taken the job: worth asking again.
		default:
			return give(err)
		}
		wait, more := waits.next(asked)
		if !more {
			return give(err)
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

// CancelJob cancels a job that has not begun. IoT Hub refuses to cancel one that
// runs.
func (c *Client) CancelJob(ctx context.Context, id string) (iothub.Job, error) {
	var job iothub.Job
	_, err := c.once(ctx, request{method: http.MethodPost, path: jobPath(id) + "/cancel", out: &job})
	return job, err
}

// JobFilter chooses jobs. Empty fields choose all.
type JobFilter struct {
	Type   iothub.JobType
	Status iothub.JobStatus
}

// Jobs pages through the hub's jobs, in its order. The sequence ends after the
// first error.
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

// jobBody is a new job as the official SDK sends it.
type jobBody struct {
	JobID                     string                `json:"jobId"`
	Type                      iothub.JobType        `json:"type"`
	CloudToDeviceMethod       *iothub.MethodRequest `json:"cloudToDeviceMethod,omitempty"`
	UpdateTwin                json.RawMessage       `json:"updateTwin,omitempty"`
	StartTime                 *string               `json:"startTime"` // null: at once
	MaxExecutionTimeInSeconds int64                 `json:"maxExecutionTimeInSeconds"`
	QueryCondition            string                `json:"queryCondition"`
}

// defaultMaxExecution is the official SDK's, in seconds.
const defaultMaxExecution = 3600

func newJob(job iothub.Job) jobBody {
	b := jobBody{
		JobID: job.JobID, Type: job.Type, QueryCondition: job.QueryCondition,
		CloudToDeviceMethod: job.CloudToDeviceMethod, UpdateTwin: job.UpdateTwin,
		MaxExecutionTimeInSeconds: job.MaxExecutionTimeInSeconds,
	}
	if b.MaxExecutionTimeInSeconds == 0 {
		b.MaxExecutionTimeInSeconds = defaultMaxExecution
	}
	if job.StartTime != nil {
		// Milliseconds, as JavaScript's toISOString has them.
		text := job.StartTime.UTC().Format("2006-01-02T15:04:05.000Z")
		b.StartTime = &text
	}
	return b
}

// sameJob reports whether the hub's job is the one that was asked for. What the
// hub may fill in or write otherwise is left out.
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

func sameJSON(a, b json.RawMessage) bool {
	var va, vb any
	if len(a) > 0 && json.Unmarshal(a, &va) != nil || len(b) > 0 && json.Unmarshal(b, &vb) != nil {
		return false
	}
	return reflect.DeepEqual(va, vb)
}

func jobPath(id string) string { return "/jobs/v2/" + component(id) }
