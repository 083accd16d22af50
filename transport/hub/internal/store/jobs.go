package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Limits on the jobs that have not ended, which the hub loads at its start.
const (
	maxUnfinishedJobs  = 1000
	maxUnfinishedBytes = 16 << 20 // conditions, methods and twin patches of all unfinished jobs
)

// CreateJob stores a new job. CreatedTime and StartTime must be set. It fails with:
//
//   - JobAlreadyExists if the id is in use,
//   - JobQuotaExceeded if the hub would have more than maxUnfinishedJobs unfinished jobs,
//     or more than maxUnfinishedBytes of them,
//   - TooManyJobs if the job is queued and maxActive jobs are already active. A
//     maxActive of 0 disables this limit.
func (s *Store) CreateJob(ctx context.Context, job iothub.Job, maxActive int) error {
	var method []byte
	if job.CloudToDeviceMethod != nil {
		var err error
		if method, err = json.Marshal(job.CloudToDeviceMethod); err != nil {
			return fmt.Errorf("store job %s: %w", job.JobID, err)
		}
	}

	return s.Update(ctx, func(tx *sql.Tx) error {
		result, err := tx.Exec(`
			INSERT INTO jobs(id, seq, type, condition, created, start, max_execution, method, update_twin, status, failure_reason, status_message, bytes)
			SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '', '', ?10 FROM jobs
			WHERE true ON CONFLICT(id) DO NOTHING`,
			job.JobID, string(job.Type), job.QueryCondition, toMicros(*job.CreatedTime), toMicros(*job.StartTime),
			job.MaxExecutionTimeInSeconds, nullText(method), nullText(job.UpdateTwin), string(job.Status),
			len(job.QueryCondition)+len(method)+len(job.UpdateTwin))
		if err != nil {
			return fmt.Errorf("store job %s: %w", job.JobID, err)
		}

		// Check the id before the limit, so that a client that repeats a successful
		// request learns that its job exists.
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return iothub.Errorf(iothub.CodeJobAlreadyExists, "job %s already exists: use another id", job.JobID)
		}

		size := len(job.QueryCondition) + len(method) + len(job.UpdateTwin)
		if _, err := tx.Exec("INSERT INTO job_sizes (job_id, bytes) VALUES (?, ?)", job.JobID, size); err != nil {
			return fmt.Errorf("store job %s: %w", job.JobID, err)
		}
		if err := checkUnfinishedJobs(tx, job); err != nil {
			return err
		}
		if maxActive == 0 || job.Status != iothub.JobQueued {
			return nil
		}
		return checkActiveJobs(tx, job, maxActive)
	})
}

// checkUnfinishedJobs returns an error if the unfinished jobs exceed their limits. Store a
// new job before the call, so that it is counted, too.
func checkUnfinishedJobs(tx *sql.Tx, job iothub.Job) error {
	var n, bytes int
	err := tx.QueryRow(`SELECT count(*), coalesce(sum(bytes), 0) FROM jobs WHERE ended IS NULL`).Scan(&n, &bytes)
	if err != nil {
		return fmt.Errorf("store job %s: %w", job.JobID, err)
	}

	if n > maxUnfinishedJobs {
		return iothub.Errorf(iothub.CodeJobQuotaExceeded,
			"the hub has %d unfinished jobs, and more are not allowed: cancel scheduled jobs or wait until a job ends", maxUnfinishedJobs)
	}
	if bytes > maxUnfinishedBytes {
		return iothub.Errorf(iothub.CodeJobQuotaExceeded,
			"the unfinished jobs of the hub would take %d bytes, at most %d are allowed: cancel scheduled jobs or shorten their payloads",
			bytes, maxUnfinishedBytes)
	}
	return nil
}

// checkActiveJobs returns an error if more than maxActive jobs are active. Store a new
// job before the call, so that it is counted, too.
func checkActiveJobs(tx *sql.Tx, job iothub.Job, maxActive int) error {
	var active int
	err := tx.QueryRow(`SELECT count(*) FROM jobs WHERE ended IS NULL AND (status <> ? OR start <= ?)`,
		string(iothub.JobScheduled), toMicros(*job.CreatedTime)).Scan(&active)
	if err != nil {
		return fmt.Errorf("store job %s: %w", job.JobID, err)
	}

	if active > maxActive {
		return iothub.Errorf(iothub.CodeTooManyJobs, "the hub has reached its tier's limit on active jobs (%d): wait until one ends", maxActive)
	}
	return nil
}

// Job returns a job without its statistics. It fails with JobNotFound if the job does not
// exist.
func (s *Store) Job(ctx context.Context, id string) (iothub.Job, error) {
	job, _, err := scanJob(s.DB().QueryRowContext(ctx, selectJobs+" WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return iothub.Job{}, jobNotFound(id)
	}
	return job, err
}

func jobNotFound(id string) *iothub.Error {
	return iothub.Errorf(iothub.CodeJobNotFound, "job %s does not exist", id)
}

// JobFilter selects jobs by type and status. An empty field matches every value.
type JobFilter struct {
	Type   iothub.JobType
	Status iothub.JobStatus
}

// list returns the text for which a continuation token of the filter's list is valid.
func (f JobFilter) list() string { return "jobs " + string(f.Type) + " " + string(f.Status) }

// Jobs returns a page of at most limit jobs, newest first and without their statistics.
// next is the token that requests the next page, or empty on the last page.
func (s *Store) Jobs(ctx context.Context, filter JobFilter, limit int, continuation string) (jobs []iothub.Job, next string, err error) {
	before := int64(math.MaxInt64)
	list := filter.list()
	key, err := s.parseContinuation(list, continuation, 1)
	if err != nil {
		return nil, "", err
	}
	if key != nil {
		if before, err = strconv.ParseInt(key[0], 10, 64); err != nil {
			return nil, "", fmt.Errorf("list jobs: %w", err)
		}
	}

	err = s.queries.run(ctx, func(ctx context.Context, conn *sql.Conn) error {
		// Request one more job than the page can hold. If it exists, another page follows.
		rows, err := conn.QueryContext(ctx, selectJobs+`
			WHERE seq < ?1 AND (?2 = '' OR type = ?2) AND (?3 = '' OR status = ?3) ORDER BY seq DESC LIMIT ?4`,
			before, string(filter.Type), string(filter.Status), limit+1)
		if err != nil {
			return err
		}
		defer rows.Close()

		jobs, next = nil, ""
		var last int64
		size := 0
		for rows.Next() {
			job, seq, err := scanJob(rows)
			if err != nil {
				return err
			}
			if len(jobs) == limit || size >= maxBytes {
				next = s.newContinuation(list, strconv.FormatInt(last, 10))
				return nil
			}
			jobs, last = append(jobs, job), seq
			size += sizeOf(job)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, "", wrapError("list jobs", err)
	}
	return jobs, next, nil
}

// sizeOf returns the approximate size of a job as JSON, in bytes.
func sizeOf(job iothub.Job) int {
	n := 1000 + len(job.QueryCondition) + len(job.UpdateTwin) + len(job.FailureReason)
	if job.CloudToDeviceMethod != nil {
		n += len(job.CloudToDeviceMethod.Payload)
	}
	return n
}

// UnfinishedJobs returns the scheduled, queued and running jobs, oldest first. It reads
// only their ids, types, statuses, times and maximum execution times.
func (s *Store) UnfinishedJobs(ctx context.Context) ([]iothub.Job, error) {
	rows, err := s.readDB.QueryContext(ctx, "SELECT id, type, status, created, start, max_execution FROM jobs WHERE ended IS NULL ORDER BY seq")
	if err != nil {
		return nil, fmt.Errorf("list unfinished jobs: %w", err)
	}
	defer rows.Close()

	var jobs []iothub.Job
	for rows.Next() {
		var job iothub.Job
		var created, start int64
		if err := rows.Scan(&job.JobID, &job.Type, &job.Status, &created, &start, &job.MaxExecutionTimeInSeconds); err != nil {
			return nil, fmt.Errorf("list unfinished jobs: %w", err)
		}
		createdAt := fromMicros(created)
		startAt := fromMicros(start)
		job.CreatedTime, job.StartTime = &createdAt, &startAt
		jobs = append(jobs, job)
	}
	return jobs, rows.Err()
}

// JobStatistics counts the devices of a job by their status in the job.
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

// CancelJob cancels a job that has not started. It fails with InvalidOperation if the job
// is running or has ended, and with JobNotFound if the job does not exist.
func (s *Store) CancelJob(ctx context.Context, id string, at time.Time) error {
	return s.Update(ctx, func(tx *sql.Tx) error {
		var status iothub.JobStatus
		err := tx.QueryRow("SELECT status FROM jobs WHERE id = ?", id).Scan(&status)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return jobNotFound(id)
		case err != nil:
			return fmt.Errorf("cancel job %s: %w", id, err)
		case status.Ended():
			return iothub.Errorf(iothub.CodeInvalidOperation, "job %s has already ended (%s) and cannot be cancelled", id, status)
		case status == iothub.JobRunning:
			return iothub.Errorf(iothub.CodeInvalidOperation,
				"Job cannot be cancelled in 'Running' status: job %s already calls its devices", id)
		}
		return endJob(tx, id, iothub.JobCancelled, "", "", at)
	})
}

const selectJobs = `SELECT id, seq, type, condition, created, start, ended, max_execution, method, update_twin, status, failure_reason, status_message FROM jobs`

// scanJob reads a job from a row of the query selectJobs. It also returns seq, the job's
// number in the order of creation.
func scanJob(row scanner) (job iothub.Job, seq int64, err error) {
	var created, start int64
	var ended sql.NullInt64
	var method, twin, reason, message sql.NullString
	err = row.Scan(&job.JobID, &seq, &job.Type, &job.QueryCondition, &created, &start, &ended,
		&job.MaxExecutionTimeInSeconds, &method, &twin, &job.Status, &reason, &message)
	if err != nil {
		return iothub.Job{}, 0, fmt.Errorf("read a job: %w", err)
	}

	createdAt := fromMicros(created)
	startAt := fromMicros(start)
	job.CreatedTime, job.StartTime = &createdAt, &startAt
	job.EndTime = fromOptionalMicros(ended)
	job.FailureReason, job.StatusMessage = reason.String, message.String

	if method.Valid {
		job.CloudToDeviceMethod = new(iothub.MethodRequest)
		if err := json.Unmarshal([]byte(method.String), job.CloudToDeviceMethod); err != nil {
			return iothub.Job{}, 0, fmt.Errorf("read the method of job %s: %w", job.JobID, err)
		}
	}
	if twin.Valid {
		job.UpdateTwin = json.RawMessage(twin.String)
	}
	return job, seq, nil
}

// nullText returns text as a database value, or NULL if text is empty.
func nullText(text []byte) any {
	if len(text) == 0 {
		return nil
	}
	return string(text)
}
