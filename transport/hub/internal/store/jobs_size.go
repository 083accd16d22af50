package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// rowBytes is the approximate size of a device's row in a job, with its indexes and without
// the payload of its answer.
const rowBytes = 300

// jobSizes adds the approximate size of each job with its rows, and an index of ended jobs.
// It is no part of a version, so that earlier releases can read the file.
const jobSizes = `
CREATE TABLE IF NOT EXISTS job_sizes (
	job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
	bytes  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_ended ON jobs (seq, id, ended) WHERE ended IS NOT NULL;
`

// createJobSizes adds the sizes of the jobs to a file that has none, or that an earlier
// release has used in the meantime.
func createJobSizes(tx *sql.Tx) error {
	if _, err := tx.Exec(jobSizes); err != nil {
		return err
	}
	_, err := tx.Exec(`
		INSERT INTO job_sizes (job_id, bytes)
		SELECT id, bytes + (SELECT count(*) * ? + coalesce(sum(length(response_payload)), 0) FROM device_jobs WHERE job_id = jobs.id)
		FROM jobs WHERE id NOT IN (SELECT job_id FROM job_sizes)`, rowBytes)
	return err
}

// growJob adds to the size of a job.
func (s *Store) growJob(id string, bytes int) error {
	if bytes == 0 {
		return nil
	}
	_, err := s.exec(`UPDATE job_sizes SET bytes = bytes + ? WHERE job_id = ?`, bytes, id)
	return err
}

// JobLimits say which ended jobs the store keeps.
type JobLimits struct {
	Ended time.Time // jobs that ended earlier are removed
	Jobs  int       // number of ended jobs
	Bytes int64     // bytes of ended jobs with their results, approximately
}

// PurgeJobAsync removes one ended job, including its results, if it is too old or if the
// ended jobs exceed their limits. It removes the oldest job. done receives the id of the
// removed job, or an empty id if no job had to be removed. The last ended job stays, however
// large it is.
func (s *Store) PurgeJobAsync(limits JobLimits, done func(id string, err error)) {
	var id string
	s.UpdateAsync(func(tx *sql.Tx) error {
		var ended, size int64
		var oldest sql.NullInt64
		err := tx.QueryRow(`
			SELECT count(*), coalesce(sum(s.bytes), 0), min(j.ended) FROM jobs j INDEXED BY jobs_ended JOIN job_sizes s ON s.job_id = j.id
			WHERE j.ended IS NOT NULL`).Scan(&ended, &size, &oldest)
		if err != nil {
			return fmt.Errorf("remove an old job: %w", err)
		}

		id = ""
		query, arg := `SELECT id FROM jobs INDEXED BY jobs_ended WHERE ended < ? ORDER BY seq LIMIT 1`, toMicros(limits.Ended)
		if ended > int64(limits.Jobs) || size > limits.Bytes && ended > 1 {
			query, arg = `SELECT id FROM jobs INDEXED BY jobs_ended WHERE ended <= ? ORDER BY ended, seq LIMIT 1`, oldest.Int64
		}
		err = tx.QueryRow(query, arg).Scan(&id)
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
