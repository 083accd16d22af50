package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// CreateJob stores a new job in the status that it carries. Its CreatedTime and
// StartTime must be set. An id that is in use is refused with JobAlreadyExists, and
// a queued job with TooManyJobs if so many are active already (0: any number).
func (s *Store) CreateJob(ctx context.Context, job iothub.Job, mostActive int) error {
	var method any
	if job.CloudToDeviceMethod != nil {
		text, err := json.Marshal(job.CloudToDeviceMethod)
		if err != nil {
			return fmt.Errorf("store job %s: %w", job.JobID, err)
		}
		method = string(text)
	}
	return s.Update(ctx, func(tx *sql.Tx) error {
		result, err := tx.Exec(`
			INSERT INTO jobs(id, seq, type, condition, created, start, max_execution, method, update_twin, status, failure_reason, status_message)
			SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '', '' FROM jobs
			WHERE true ON CONFLICT(id) DO NOTHING`,
			job.JobID, string(job.Type), job.QueryCondition, micros(*job.CreatedTime), micros(*job.StartTime),
			job.MaxExecutionTimeInSeconds, method, nullText(job.UpdateTwin), string(job.Status))
		if err != nil {
			return fmt.Errorf("store job %s: %w", job.JobID, err)
		}
		switch n, err := result.RowsAffected(); {
		case err != nil:
			return err
		case n == 0: // first, so that who asks again for an active job is told so
			return iothub.Errorf(iothub.CodeJobAlreadyExists, "job %s exists already, take another id", job.JobID)
		}
		if mostActive > 0 && job.Status == iothub.JobQueued {
			var active int
			err := tx.QueryRow(`SELECT count(*) FROM jobs WHERE ended IS NULL AND (status <> ? OR start <= ?)`,
				string(iothub.JobScheduled), micros(*job.CreatedTime)).Scan(&active)
			if err != nil {
				return fmt.Errorf("store job %s: %w", job.JobID, err)
			}
			if active > mostActive { // with this one
				return iothub.Errorf(iothub.CodeTooManyJobs, "as many jobs are active as this hub's tier allows (%d), wait until one has ended", mostActive)
			}
		}
		return nil
	})
}

// Job returns a job without its statistics, or JobNotFound.
func (s *Store) Job(ctx context.Context, id string) (iothub.Job, error) {
	job, _, err := scanJob(s.DB().QueryRowContext(ctx, selectJobs+" WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return iothub.Job{}, iothub.Errorf(iothub.CodeJobNotFound, "job %s does not exist", id)
	}
	return job, err
}

// JobFilter selects jobs; empty fields select all.
type JobFilter struct {
	Type   iothub.JobType
	Status iothub.JobStatus
}

// Jobs returns at most limit jobs, the newest first, without their statistics.
// next is the continuation for those that follow; it is empty at the end.
func (s *Store) Jobs(ctx context.Context, filter JobFilter, limit int, continuation string) (jobs []iothub.Job, next string, err error) {
	before, err := decodeJobsContinuation(continuation)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.DB().QueryContext(ctx, selectJobs+`
		WHERE seq < ?1 AND (?2 = '' OR type = ?2) AND (?3 = '' OR status = ?3) ORDER BY seq DESC LIMIT ?4`,
		before, string(filter.Type), string(filter.Status), limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	defer rows.Close()
	var last int64
	for rows.Next() {
		job, seq, err := scanJob(rows)
		if err != nil {
			return nil, "", err
		}
		if len(jobs) == limit {
			return jobs, encodeJobsContinuation(last), nil
		}
		jobs, last = append(jobs, job), seq
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	return jobs, "", nil
}

// UnendedJobs returns the jobs that are scheduled, queued or running, in the
// order in which they were made.
func (s *Store) UnendedJobs(ctx context.Context) ([]iothub.Job, error) {
	rows, err := s.DB().QueryContext(ctx, selectJobs+" WHERE ended IS NULL ORDER BY seq")
	if err != nil {
		return nil, fmt.Errorf("list unended jobs: %w", err)
	}
	defer rows.Close()
	var jobs []iothub.Job
	for rows.Next() {
		job, _, err := scanJob(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, rows.Err()
}

// JobStatistics counts a job's rows on disk.
func (s *Store) JobStatistics(ctx context.Context, id string) (iothub.JobStatistics, error) {
	var n iothub.JobStatistics
	rows, err := s.DB().QueryContext(ctx, "SELECT status, count(*) FROM device_jobs WHERE job_id = ? GROUP BY status", id)
	if err != nil {
		return n, fmt.Errorf("count devices of job %s: %w", id, err)
	}
	defer rows.Close()
	for rows.Next() {
		var status iothub.DeviceJobStatus
		var count int
		if err := rows.Scan(&status, &count); err != nil {
			return n, fmt.Errorf("count devices of job %s: %w", id, err)
		}
		n.DeviceCount += count
		switch status {
		case iothub.DeviceCompleted:
			n.SucceededCount += count
		case iothub.DeviceFailed:
			n.FailedCount += count
		case iothub.DeviceRunning:
			n.RunningCount += count
		case iothub.DevicePending:
			n.PendingCount += count
		}
	}
	return n, rows.Err()
}

// CancelJob ends a job that has not started. A job that runs or has ended is
// refused with InvalidOperation, an unknown one with JobNotFound.
func (s *Store) CancelJob(ctx context.Context, id string, at time.Time) error {
	return s.Update(ctx, func(tx *sql.Tx) error {
		var status iothub.JobStatus
		err := tx.QueryRow("SELECT status FROM jobs WHERE id = ?", id).Scan(&status)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return iothub.Errorf(iothub.CodeJobNotFound, "job %s does not exist", id)
		case err != nil:
			return fmt.Errorf("cancel job %s: %w", id, err)
		case status.Ended():
			return iothub.Errorf(iothub.CodeInvalidOperation, "Job %s has ended already (%s) and cannot be cancelled", id, status)
		case status == iothub.JobRunning:
			return iothub.Errorf(iothub.CodeInvalidOperation,
				"Job cannot be cancelled in 'Running' status, its devices are being called (job %s)", id)
		}
		return endJob(tx, id, iothub.JobCancelled, "", "", at)
	})
}

const selectJobs = `SELECT id, seq, type, condition, created, start, ended, max_execution, method, update_twin, status, failure_reason, status_message FROM jobs`

func scanJob(row interface{ Scan(...any) error }) (job iothub.Job, seq int64, err error) {
	var created, start int64
	var ended sql.NullInt64
	var method, twin, reason, message sql.NullString
	err = row.Scan(&job.JobID, &seq, &job.Type, &job.QueryCondition, &created, &start, &ended,
		&job.MaxExecutionTimeInSeconds, &method, &twin, &job.Status, &reason, &message)
	if err != nil {
		return iothub.Job{}, 0, fmt.Errorf("read a job: %w", err)
	}
	job.CreatedTime, job.StartTime = timeOf(created), timeOf(start)
	if ended.Valid {
		job.EndTime = timeOf(ended.Int64)
	}
	if method.Valid {
		job.CloudToDeviceMethod = new(iothub.MethodRequest)
		if err := json.Unmarshal([]byte(method.String), job.CloudToDeviceMethod); err != nil {
			return iothub.Job{}, 0, fmt.Errorf("read the method of job %s: %w", job.JobID, err)
		}
	}
	if twin.Valid {
		job.UpdateTwin = json.RawMessage(twin.String)
	}
	job.FailureReason, job.StatusMessage = reason.String, message.String
	return job, seq, nil
}

const jobsContinuation = "jobs:"

func encodeJobsContinuation(seq int64) string {
	return base64.URLEncoding.EncodeToString([]byte(jobsContinuation + strconv.FormatInt(seq, 10)))
}

func decodeJobsContinuation(text string) (before int64, err error) {
	if text == "" {
		return 1<<63 - 1, nil
	}
	raw, err := base64.URLEncoding.DecodeString(text)
	if number, ok := strings.CutPrefix(string(raw), jobsContinuation); err == nil && ok {
		if before, err = strconv.ParseInt(number, 10, 64); err == nil {
			return before, nil
		}
	}
	return 0, iothub.Errorf(iothub.CodeArgumentInvalid, "x-ms-continuation is not one that this hub gave for a list of jobs")
}

func timeOf(micros int64) *time.Time {
	t := moment(micros)
	return &t
}

func nullText(text []byte) any {
	if len(text) == 0 {
		return nil
	}
	return string(text)
}
