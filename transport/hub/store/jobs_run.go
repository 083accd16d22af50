package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/hub/query"
	"github.com/latchd/latchd/transport/iothub"
)

// ErrJobNotWaiting says that a job could not be started because it was
// cancelled in the meantime.
var ErrJobNotWaiting = errors.New("the job does not wait for its start any more")

// StartJobAsync fixes the job's devices: in one durable write it evaluates the
// condition, makes a pending row for each device that it selects, and sets the
// job to running. done gets the devices in the order of their ids. A job that
// was cancelled is left as it is (ErrJobNotWaiting).
func (s *Store) StartJobAsync(id string, condition *query.Condition, at time.Time, done func(devices []string, err error)) {
	var devices []string
	s.UpdateAsync(func(tx *sql.Tx) error {
		result, err := tx.Exec("UPDATE jobs SET status = ? WHERE id = ? AND status IN (?, ?)",
			string(iothub.JobRunning), id, string(iothub.JobScheduled), string(iothub.JobQueued))
		if err != nil {
			return fmt.Errorf("start job %s: %w", id, err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrJobNotWaiting, err)
		}
		if devices, err = SelectDeviceIDs(tx, condition); err != nil {
			return fmt.Errorf("start job %s: %w", id, err)
		}
		if len(devices) == 0 {
			return nil
		}
		list, err := json.Marshal(devices)
		if err != nil {
			return fmt.Errorf("start job %s: %w", id, err)
		}
		_, err = tx.Exec(`
			INSERT INTO device_jobs(job_id, device_id, status, created, updated)
			SELECT ?1, value, ?2, ?3, ?3 FROM json_each(?4)`,
			id, string(iothub.DevicePending), micros(at), string(list))
		if err != nil {
			return fmt.Errorf("start job %s: %w", id, err)
		}
		return nil
	}, func(err error) { done(devices, err) })
}

// JobResult is how one device's row of a job ends: with an error, with a
// device's answer, or with neither for a twin that was updated.
type JobResult struct {
	DeviceID string
	Response *iothub.MethodResponse
	Error    *iothub.DeviceJobError
}

// AdvanceJobAsync ends some rows of a job and sets others to running, in one
// durable write. Only rows that have not ended change. A row that failed because
// its device is not online fails with DeviceNotFound if there is no such device
// any more.
func (s *Store) AdvanceJobAsync(id string, ended []JobResult, running []string, at time.Time, done func(error)) {
	s.UpdateAsync(func(tx *sql.Tx) error {
		if err := s.endRows(id, ended, at); err != nil {
			return fmt.Errorf("store results of job %s: %w", id, err)
		}
		if len(running) == 0 {
			return nil
		}
		list, err := json.Marshal(running)
		if err != nil {
			return fmt.Errorf("set devices of job %s to running: %w", id, err)
		}
		_, err = tx.Exec(`
			UPDATE device_jobs SET status = ?1, started = ?2, updated = ?2
			WHERE job_id = ?3 AND status = ?4 AND device_id IN (SELECT value FROM json_each(?5))`,
			string(iothub.DeviceRunning), micros(at), id, string(iothub.DevicePending), string(list))
		if err != nil {
			return fmt.Errorf("set devices of job %s to running: %w", id, err)
		}
		return nil
	}, done)
}

func (s *Store) endRows(id string, ended []JobResult, at time.Time) error {
	update, err := s.writer.stmt(`
		UPDATE device_jobs SET status = ?, ended = ?, updated = ?, response_status = ?, response_payload = ?,
			error_code = ?, error_description = ?
		WHERE job_id = ? AND device_id = ? AND ended IS NULL`)
	if err != nil {
		return err
	}
	for _, r := range ended {
		status := iothub.DeviceCompleted
		var responseStatus, payload, code, description any
		if r.Response != nil {
			responseStatus, payload = r.Response.Status, nullText(r.Response.Payload)
		}
		if r.Error != nil {
			status = iothub.DeviceFailed
			code, description = r.Error.Code, r.Error.Description
			if r.Error.Code == string(iothub.CodeDeviceNotOnline) {
				var there bool
				if err := s.queryRow("SELECT EXISTS (SELECT 1 FROM devices WHERE id = ?)", r.DeviceID).Scan(&there); err != nil {
					return err
				}
				if !there {
					code, description = string(iothub.CodeDeviceNotFound), "the device was deleted after the job had started"
				}
			}
		}
		if _, err := update.Exec(string(status), micros(at), micros(at), responseStatus, payload, code, description, id, r.DeviceID); err != nil {
			return err
		}
	}
	return nil
}

// EndJobAsync sets a job to its last status. Rows that have not ended fail:
// those that were running with called, the pending ones with waiting. With no
// such rows left both may be empty.
func (s *Store) EndJobAsync(id string, end JobEnd, at time.Time, done func(error)) {
	s.UpdateAsync(func(tx *sql.Tx) error {
		if err := failRows(tx, id, iothub.DeviceRunning, end.Called, at); err != nil {
			return err
		}
		if err := failRows(tx, id, iothub.DevicePending, end.Waiting, at); err != nil {
			return err
		}
		return endJob(tx, id, end.Status, end.Reason, end.Message, at)
	}, done)
}

// JobEnd says how a job ends.
type JobEnd struct {
	Status          iothub.JobStatus
	Reason, Message string                // failureReason and statusMessage
	Called, Waiting iothub.DeviceJobError // for rows that are still running, or pending
}

// RecoverJob readies a running job after a restart. A method's rows that were
// running end as failed with lost: their devices may have been called. A twin's
// go back to pending. It returns the pending devices in the order of their ids.
func (s *Store) RecoverJob(ctx context.Context, job iothub.Job, lost iothub.DeviceJobError, at time.Time) (pending []string, err error) {
	err = s.Update(ctx, func(tx *sql.Tx) error {
		if job.Type == iothub.ScheduleDeviceMethod {
			err = failRows(tx, job.JobID, iothub.DeviceRunning, lost, at)
		} else {
			_, err = tx.Exec("UPDATE device_jobs SET status = ?, updated = ? WHERE job_id = ? AND status = ?",
				string(iothub.DevicePending), micros(at), job.JobID, string(iothub.DeviceRunning))
		}
		if err != nil {
			return fmt.Errorf("take up job %s: %w", job.JobID, err)
		}
		pending, err = textColumn(tx, "SELECT device_id FROM device_jobs WHERE job_id = ? AND status = ? ORDER BY device_id",
			job.JobID, string(iothub.DevicePending))
		if err != nil {
			return fmt.Errorf("take up job %s: %w", job.JobID, err)
		}
		return nil
	})
	return pending, err
}

// PurgeJobAsync removes one job that ended before the given time, with its
// rows; done gets its id, or "" when there is none.
func (s *Store) PurgeJobAsync(before time.Time, done func(id string, err error)) {
	var id string
	s.UpdateAsync(func(tx *sql.Tx) error {
		err := tx.QueryRow("SELECT id FROM jobs WHERE ended < ? ORDER BY seq LIMIT 1", micros(before)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			_, err = tx.Exec("DELETE FROM jobs WHERE id = ?", id)
		}
		if err != nil {
			return fmt.Errorf("remove an old job: %w", err)
		}
		return nil
	}, func(err error) { done(id, err) })
}

func failRows(tx *sql.Tx, id string, status iothub.DeviceJobStatus, with iothub.DeviceJobError, at time.Time) error {
	_, err := tx.Exec(`
		UPDATE device_jobs SET status = ?1, ended = ?2, updated = ?2, error_code = ?3, error_description = ?4
		WHERE job_id = ?5 AND status = ?6`,
		string(iothub.DeviceFailed), micros(at), with.Code, with.Description, id, string(status))
	return err
}

func endJob(tx *sql.Tx, id string, status iothub.JobStatus, reason, message string, at time.Time) error {
	_, err := tx.Exec("UPDATE jobs SET status = ?, failure_reason = ?, status_message = ?, ended = ? WHERE id = ? AND ended IS NULL",
		string(status), reason, message, micros(at), id)
	if err != nil {
		return fmt.Errorf("end job %s: %w", id, err)
	}
	return nil
}

func textColumn(tx *sql.Tx, statement string, args ...any) ([]string, error) {
	rows, err := tx.Query(statement, args...)
	if err != nil {
		return nil, err
	}
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
