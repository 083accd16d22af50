package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/iothub"
)

// ErrJobNotWaiting means that a job cannot start, because it was cancelled first.
var ErrJobNotWaiting = errors.New("the job is no longer waiting for its start")

// StartJobAsync starts a job and fixes its list of devices. It returns at once:
//
//  1. It passes the stored job to parse, which returns the job's condition.
//  2. It evaluates the condition, outside the write. See [longReaders] for the limits.
//  3. In one durable write, it adds a pending row for each selected device and sets the
//     job to running.
//
// Then it passes the sorted device ids to done. If the job was cancelled in the meantime,
// done receives ErrJobNotWaiting. An error of parse, and a refused condition, reach done
// unchanged.
//
// StartJobAsync may call parse twice, and calls parse and done on other goroutines. The
// limit is the longest time until the condition is evaluated, including the wait for the
// conditions of other jobs.
func (s *Store) StartJobAsync(id string, parse func(iothub.Job) (*query.Condition, error), at time.Time, limit time.Duration,
	done func(devices []string, err error)) {
	s.starts.Go(func() {
		devices, err := s.selectJobDevices(id, parse, limit)
		if err != nil {
			done(nil, wrapError("start job "+id, err))
			return
		}

		s.UpdateAsync(func(tx *sql.Tx) error {
			return wrapError("start job "+id, s.startJob(tx, id, devices, at))
		}, func(err error) { done(devices, err) })
	})
}

// selectJobDevices returns the devices that a job's condition selects now.
func (s *Store) selectJobDevices(id string, parse func(iothub.Job) (*query.Condition, error), limit time.Duration) (devices []string, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()

	err = s.conditions.run(ctx, func(ctx context.Context, conn *sql.Conn) error {
		// Read and parse the job only now, so that jobs that wait for a connection take
		// no memory.
		job, err := s.Job(ctx, id)
		if err != nil {
			return err
		}
		condition, err := parse(job)
		if err != nil {
			return err
		}
		devices, err = selectDevices(ctx, conn, condition)
		return err
	})
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = iothub.Errorf(iothub.CodeServiceUnavailable, "the hub was busy with the conditions of other jobs for %v: create the job again", limit)
	}
	return devices, err
}

// startJob stores the start of a job for the given devices.
func (s *Store) startJob(tx *sql.Tx, id string, devices []string, at time.Time) error {
	result, err := tx.Exec("UPDATE jobs SET status = ? WHERE id = ? AND status IN (?, ?)",
		string(iothub.JobRunning), id, string(iothub.JobScheduled), string(iothub.JobQueued))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrJobNotWaiting, err)
	}

	list, err := json.Marshal(devices)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`
		INSERT INTO device_jobs(job_id, device_id, status, created, updated)
		SELECT ?1, value, ?2, ?3, ?3 FROM json_each(?4)`,
		id, string(iothub.DevicePending), toMicros(at), string(list))
	if err != nil {
		return err
	}
	return s.growJob(id, len(devices)*rowBytes)
}

// JobResult is the result of a job for one device. A method call sets either Response or
// Error. A successful twin update sets neither.
type JobResult struct {
	DeviceID    string
	Response    *iothub.MethodResponse
	Error       *iothub.DeviceJobError
	FromPending bool // the device's row was pending, because the device was not called
}

// JobRows are changes of a job's rows. The rows of Running become running, and those of
// Pending become pending again.
type JobRows struct {
	Results          []JobResult
	Running, Pending []string // device ids
}

// AdvanceJobAsync records the progress of a running job in one durable write. Devices
// that already have a result are not changed. If a device was deleted, its error
// DeviceNotOnline is stored as DeviceNotFound.
func (s *Store) AdvanceJobAsync(id string, rows JobRows, at time.Time, done func(error)) {
	s.UpdateAsync(func(tx *sql.Tx) error {
		if err := s.storeResults(id, rows.Results, at); err != nil {
			return fmt.Errorf("store results of job %s: %w", id, err)
		}

		err := setRows(tx, id, rows.Pending, iothub.DeviceRunning, iothub.DevicePending, nil, at)
		if err == nil {
			err = setRows(tx, id, rows.Running, iothub.DevicePending, iothub.DeviceRunning, toMicros(at), at)
		}
		if err != nil {
			return fmt.Errorf("change rows of job %s: %w", id, err)
		}
		return nil
	}, done)
}

// setRows changes the status of devices in a job. started is the new start time, or nil.
func setRows(tx *sql.Tx, id string, devices []string, from, to iothub.DeviceJobStatus, started any, at time.Time) error {
	if len(devices) == 0 {
		return nil
	}
	list, err := json.Marshal(devices)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`
		UPDATE device_jobs SET status = ?1, started = ?2, updated = ?3
		WHERE job_id = ?4 AND status = ?5 AND device_id IN (SELECT value FROM json_each(?6))`,
		string(to), started, toMicros(at), id, string(from), string(list))
	return err
}

// storeResults stores the final results of devices in a job.
func (s *Store) storeResults(id string, results []JobResult, at time.Time) error {
	update, err := s.writer.stmt(`
		UPDATE device_jobs SET status = ?, ended = ?, updated = ?, response_status = ?, response_payload = ?,
			error_code = ?, error_description = ?
		WHERE job_id = ? AND device_id = ? AND ended IS NULL`)
	if err != nil {
		return err
	}

	size := 0
	for _, r := range results {
		status := iothub.DeviceCompleted
		var responseStatus, payload, code, description any
		if r.Response != nil {
			responseStatus, payload = r.Response.Status, nullText(r.Response.Payload)
			size += len(r.Response.Payload)
		}

		if r.Error != nil {
			status = iothub.DeviceFailed
			code, description = r.Error.Code, r.Error.Description
			if r.Error.Code == string(iothub.CodeDeviceNotOnline) {
				var exists bool
				if err := s.queryRow("SELECT EXISTS (SELECT 1 FROM devices WHERE id = ?)", r.DeviceID).Scan(&exists); err != nil {
					return err
				}
				if !exists {
					code, description = string(iothub.CodeDeviceNotFound), "the device was deleted after the job had started"
				}
			}
		}

		if _, err := update.Exec(string(status), toMicros(at), toMicros(at), responseStatus, payload, code, description, id, r.DeviceID); err != nil {
			return err
		}
	}
	return s.growJob(id, size)
}

// JobEnd describes how a job ended.
type JobEnd struct {
	Status          iothub.JobStatus
	Reason, Message string                // stored as failureReason and statusMessage
	RunningError    iothub.DeviceJobError // error for devices that are still running
	PendingError    iothub.DeviceJobError // error for devices that are still pending
}

// EndJobAsync stores the final status of a job. Devices that are still running or pending
// fail with the errors in end. These errors may be empty if every device has a result.
func (s *Store) EndJobAsync(id string, end JobEnd, at time.Time, done func(error)) {
	s.UpdateAsync(func(tx *sql.Tx) error {
		if err := failRows(tx, id, iothub.DeviceRunning, end.RunningError, at); err != nil {
			return err
		}
		if err := failRows(tx, id, iothub.DevicePending, end.PendingError, at); err != nil {
			return err
		}
		return endJob(tx, id, end.Status, end.Reason, end.Message, at)
	}, done)
}

// RecoverJobAsync prepares a running job to continue after a restart of the hub, in one
// durable write. done receives the sorted ids of the devices that the job must still call.
// Devices that were running at the restart are treated according to the type of the job:
//
//   - In a method job they fail with the error interrupted, because they may already
//     have received the method.
//   - In a twin job they become pending again.
func (s *Store) RecoverJobAsync(job iothub.Job, interrupted iothub.DeviceJobError, at time.Time, done func(pending []string, err error)) {
	var pending []string
	s.UpdateAsync(func(tx *sql.Tx) error {
		var err error
		if job.Type == iothub.ScheduleDeviceMethod {
			err = failRows(tx, job.JobID, iothub.DeviceRunning, interrupted, at)
		} else {
			_, err = tx.Exec("UPDATE device_jobs SET status = ?, updated = ? WHERE job_id = ? AND status = ?",
				string(iothub.DevicePending), toMicros(at), job.JobID, string(iothub.DeviceRunning))
		}
		if err != nil {
			return fmt.Errorf("resume job %s: %w", job.JobID, err)
		}

		rows, err := tx.Query("SELECT device_id FROM device_jobs WHERE job_id = ? AND status = ? ORDER BY device_id",
			job.JobID, string(iothub.DevicePending))
		if err == nil {
			pending, err = readTexts(rows)
		}
		if err != nil {
			return fmt.Errorf("resume job %s: %w", job.JobID, err)
		}
		return nil
	}, func(err error) { done(pending, err) })
}

// failRows sets those devices of a job that have the given status to failed.
func failRows(tx *sql.Tx, id string, status iothub.DeviceJobStatus, failure iothub.DeviceJobError, at time.Time) error {
	_, err := tx.Exec(`
		UPDATE device_jobs SET status = ?1, ended = ?2, updated = ?2, error_code = ?3, error_description = ?4
		WHERE job_id = ?5 AND status = ?6`,
		string(iothub.DeviceFailed), toMicros(at), failure.Code, failure.Description, id, string(status))
	return err
}

// endJob sets the final status of a job that has not ended yet.
func endJob(tx *sql.Tx, id string, status iothub.JobStatus, reason, message string, at time.Time) error {
	_, err := tx.Exec("UPDATE jobs SET status = ?, failure_reason = ?, status_message = ?, ended = ? WHERE id = ? AND ended IS NULL",
		string(status), reason, message, toMicros(at), id)
	if err != nil {
		return fmt.Errorf("end job %s: %w", id, err)
	}
	return nil
}

// readTexts reads a query result that has one text column, and closes it.
func readTexts(rows *sql.Rows) ([]string, error) {
	defer rows.Close()
	var values []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}
