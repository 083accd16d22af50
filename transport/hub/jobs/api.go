package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/hub/query"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

const defaultMaxExecution = 3600 // seconds, what the official SDKs send

// Create checks a job, stores it and lets it start at its time. It returns the
// job as it stands on disk: scheduled if its start lies in the future, queued
// otherwise. A job that cannot be understood is refused with ArgumentInvalid, an
// id that is in use with JobAlreadyExists, and one that is to start at once while
// as many are active as may be with TooManyJobs.
func (e *Engine) Create(ctx context.Context, job iothub.Job) (iothub.Job, error) {
	if err := iothub.CheckJobID(job.JobID); err != nil {
		return iothub.Job{}, invalid("%v", err)
	}
	now := e.now().UTC().Truncate(time.Microsecond)
	// Only what a client may ask for is taken over.
	job = iothub.Job{
		JobID: job.JobID, Type: job.Type, QueryCondition: job.QueryCondition,
		CloudToDeviceMethod: job.CloudToDeviceMethod, UpdateTwin: job.UpdateTwin,
		CreatedTime: &now, StartTime: job.StartTime,
		MaxExecutionTimeInSeconds: job.MaxExecutionTimeInSeconds, Status: iothub.JobQueued,
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
	if job.Type == iothub.ScheduleDeviceMethod {
		job.UpdateTwin = nil
	} else {
		job.CloudToDeviceMethod = nil
	}
	j, err := read(job)
	if err != nil {
		return iothub.Job{}, invalid("%v", err)
	}
	// A client that goes away must not leave a job on disk that nobody starts.
	if err := e.store.CreateJob(context.WithoutCancel(ctx), job, e.throttle.ActiveJobs()); err != nil {
		return iothub.Job{}, err
	}
	e.board.set(job.JobID, iothub.JobStatistics{})
	job = withStatistics(job, iothub.JobStatistics{})
	e.watch(job)
	e.mail.post(func() { e.active[job.JobID] = j }) // from here on j is the engine's
	return job, nil
}

// Job returns a job with its statistics, or JobNotFound.
func (e *Engine) Job(ctx context.Context, id string) (iothub.Job, error) {
	job, err := e.store.Job(ctx, id)
	if err != nil {
		return iothub.Job{}, err
	}
	return e.count(ctx, job)
}

// Jobs returns at most limit jobs, the newest first, and the continuation for
// those that follow.
func (e *Engine) Jobs(ctx context.Context, filter store.JobFilter, limit int, continuation string) ([]iothub.Job, string, error) {
	jobs, next, err := e.store.Jobs(ctx, filter, limit, continuation)
	if err != nil {
		return nil, "", err
	}
	for i := range jobs {
		if jobs[i], err = e.count(ctx, jobs[i]); err != nil {
			return nil, "", err
		}
	}
	return jobs, next, nil
}

// Cancel ends a job that has not started, and returns it. A job that runs or has
// ended is refused with InvalidOperation: IoT Hub cannot cancel it either, and says
// so in these words (issue 464 of Azure/azure-iot-sdk-node).
func (e *Engine) Cancel(ctx context.Context, id string) (iothub.Job, error) {
	if err := e.store.CancelJob(context.WithoutCancel(ctx), id, e.now()); err != nil {
		return iothub.Job{}, err
	}
	e.mail.post(func() {
		if j := e.active[id]; j != nil && j.phase == waiting {
			delete(e.active, id)
		}
	})
	job, err := e.Job(ctx, id)
	if err == nil {
		e.watch(job)
	}
	return job, err
}

// count adds the statistics. Those of a job that ended before this start of the
// hub are counted once.
func (e *Engine) count(ctx context.Context, job iothub.Job) (iothub.Job, error) {
	count, ok := e.board.get(job.JobID)
	if ok && job.Status.Ended() && count.RunningCount+count.PendingCount > 0 {
		// It has ended this moment, and the board does not show it yet.
		ok = false
	}
	if !ok {
		var err error
		if count, err = e.store.JobStatistics(ctx, job.JobID); err != nil {
			return iothub.Job{}, err
		}
		if job.Status.Ended() {
			e.board.set(job.JobID, count)
		}
	}
	return withStatistics(job, count), nil
}

func withStatistics(job iothub.Job, count iothub.JobStatistics) iothub.Job {
	job.DeviceJobStatistics = &count
	return job
}

func parseCondition(text string) (*query.Condition, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("queryCondition is empty, '*' selects every device")
	}
	condition, err := query.ParseCondition(text)
	if err != nil {
		return nil, fmt.Errorf("queryCondition, %w", err)
	}
	return condition, nil
}

func parsePatch(text json.RawMessage) (iothub.TwinPatch, error) {
	var patch iothub.TwinPatch
	if len(text) == 0 || string(text) == "null" {
		return patch, errors.New("it is missing")
	}
	if err := json.Unmarshal(text, &patch); err != nil {
		return patch, err
	}
	if patch.Tags == nil && (patch.Properties == nil || patch.Properties.Desired == nil) {
		return patch, errors.New("it has neither tags nor desired properties")
	}
	return patch, nil
}

func invalid(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeArgumentInvalid, format, args...)
}
