package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// defaultMaxExecution is the default maximum execution time of a job, in seconds. The
// official SDKs use the same default.
const defaultMaxExecution = 3600

// Create stores a new job and starts it at its start time. It returns the stored job. The
// job's status is scheduled if the start time is in the future, and queued otherwise.
// Create fails with:
//
//   - ArgumentInvalid if the job is invalid,
//   - JobAlreadyExists if the id is in use,
//   - TooManyJobs if the job should start now but the hub has reached its limit on
//     active jobs.
func (e *Engine) Create(ctx context.Context, job iothub.Job) (iothub.Job, error) {
	if err := iothub.CheckJobID(job.JobID); err != nil {
		return iothub.Job{}, invalid("%v", err)
	}

	now := e.now().UTC().Truncate(time.Microsecond)
	job, err := prepare(job, now)
	if err != nil {
		return iothub.Job{}, err
	}
	_, err = parseWork(job, query.ParseCondition)
	if refusal, ok := errors.AsType[*iothub.Error](err); ok {
		return iothub.Job{}, refusal
	}
	if err != nil {
		return iothub.Job{}, invalid("%v", err)
	}

	// Do not use the client's context for the write. Otherwise a job that is stored just
	// before the client disconnects might never start.
	if err := e.store.CreateJob(context.WithoutCancel(ctx), job, e.throttle.ActiveJobs()); err != nil {
		return iothub.Job{}, err
	}
	e.statistics.set(job.JobID, iothub.JobStatistics{})
	job = withStatistics(job, iothub.JobStatistics{})
	e.watch(job)
	e.mail.post(func() {
		e.active[job.JobID] = newActiveJob(iothub.Job{
			JobID: job.JobID, Type: job.Type, Status: job.Status, CreatedTime: job.CreatedTime,
			StartTime: job.StartTime, MaxExecutionTimeInSeconds: job.MaxExecutionTimeInSeconds,
		})
	})
	return job, nil
}

// prepare makes a new job from a client's request. It copies the fields that clients may
// set, and sets the defaults and the initial status.
func prepare(request iothub.Job, now time.Time) (iothub.Job, error) {
	job := iothub.Job{
		JobID: request.JobID, Type: request.Type, QueryCondition: request.QueryCondition,
		CreatedTime: &now, StartTime: request.StartTime,
		MaxExecutionTimeInSeconds: request.MaxExecutionTimeInSeconds, Status: iothub.JobQueued,
	}
	if job.Type == iothub.ScheduleDeviceMethod {
		job.CloudToDeviceMethod = request.CloudToDeviceMethod
	} else {
		job.UpdateTwin = request.UpdateTwin
	}

	switch {
	case job.MaxExecutionTimeInSeconds == 0:
		job.MaxExecutionTimeInSeconds = defaultMaxExecution
	case job.MaxExecutionTimeInSeconds < 0, job.MaxExecutionTimeInSeconds > math.MaxInt32:
		return iothub.Job{}, invalid("maxExecutionTimeInSeconds is %d, want 1 to %d", job.MaxExecutionTimeInSeconds, math.MaxInt32)
	}

	if job.StartTime == nil {
		job.StartTime = &now
	}
	if job.StartTime.After(now) {
		job.Status = iothub.JobScheduled
	}
	return job, nil
}

// Job returns a job with its statistics. It fails with JobNotFound if the job does not
// exist.
func (e *Engine) Job(ctx context.Context, id string) (iothub.Job, error) {
	job, err := e.store.Job(ctx, id)
	if err != nil {
		return iothub.Job{}, err
	}
	return e.addStatistics(ctx, job)
}

// Jobs returns a page of at most limit jobs, newest first. It also returns the token that
// requests the next page.
func (e *Engine) Jobs(ctx context.Context, filter store.JobFilter, limit int, continuation string) ([]iothub.Job, string, error) {
	jobs, next, err := e.store.Jobs(ctx, filter, limit, continuation)
	if err != nil {
		return nil, "", err
	}
	for i := range jobs {
		if jobs[i], err = e.addStatistics(ctx, jobs[i]); err != nil {
			return nil, "", err
		}
	}
	return jobs, next, nil
}

// Cancel cancels a job that has not started, and returns it. Like IoT Hub, it cannot
// cancel a running or ended job: it then fails with InvalidOperation and IoT Hub's error
// text (issue 464 of Azure/azure-iot-sdk-node).
func (e *Engine) Cancel(ctx context.Context, id string) (iothub.Job, error) {
	if err := e.store.CancelJob(context.WithoutCancel(ctx), id, e.now()); err != nil {
		return iothub.Job{}, err
	}
	e.mail.post(func() {
		if j := e.active[id]; j != nil && j.phase == waiting {
			delete(e.active, id)
		}
		e.purgeSoon()
	})

	job, err := e.Job(ctx, id)
	if err == nil {
		e.watch(job)
	}
	return job, err
}

// addStatistics returns the job with its statistics. They are cached, except for jobs
// that ended before the hub started. For these jobs it reads them from the store.
func (e *Engine) addStatistics(ctx context.Context, job iothub.Job) (iothub.Job, error) {
	count, ok := e.statistics.get(job.JobID)
	if ok && job.Status.Ended() && count.RunningCount+count.PendingCount > 0 {
		// The job has just ended, and the cached statistics are older.
		ok = false
	}

	if !ok {
		var err error
		if count, err = e.store.JobStatistics(ctx, job.JobID); err != nil {
			return iothub.Job{}, err
		}
		if job.Status.Ended() {
			e.statistics.set(job.JobID, count)
		}
	}
	return withStatistics(job, count), nil
}

func withStatistics(job iothub.Job, count iothub.JobStatistics) iothub.Job {
	job.DeviceJobStatistics = &count
	return job
}

// conditionParser parses the condition of a job. It is query.ParseCondition or, for a
// stored job, query.ParseStoredCondition.
type conditionParser func(text string) (*query.Condition, error)

func parseCondition(text string, parse conditionParser) (*query.Condition, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("queryCondition is empty: use '*' to select every device")
	}
	condition, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("queryCondition, %w", err)
	}
	return condition, nil
}

func parsePatch(text json.RawMessage) (iothub.TwinPatch, error) {
	var patch iothub.TwinPatch
	if len(text) == 0 || string(text) == "null" {
		return patch, errors.New("the patch is missing")
	}
	if err := json.Unmarshal(text, &patch); err != nil {
		return patch, err
	}
	if patch.Tags == nil && (patch.Properties == nil || patch.Properties.Desired == nil) {
		return patch, errors.New("the patch has neither tags nor desired properties")
	}
	return patch, store.CheckTwinPatch(patch)
}

func invalid(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeArgumentInvalid, format, args...)
}
