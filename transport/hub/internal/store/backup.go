package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Copy writes a consistent copy of the database file from to the new file to. Another
// process may have the database open and may write to it meanwhile: the copy has the state
// at one moment.
func Copy(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil { // SQLite would create a missing file
		return fmt.Errorf("store: copy: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(from, "busy_timeout(10000)"))
	if err != nil {
		return fmt.Errorf("store: copy %s: %w", from, err)
	}
	defer db.Close()

	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return fmt.Errorf("store: copy %s: %w", from, err)
	}
	return nil
}

// EndUnfinishedJobs ends every job that has not ended, as failed with the given reason.
// Devices without a result fail with the error unknown. It returns the number of jobs.
func (s *Store) EndUnfinishedJobs(ctx context.Context, reason string, unknown iothub.DeviceJobError, at time.Time) (int, error) {
	jobs, err := s.UnfinishedJobs(ctx)
	if err != nil {
		return 0, err
	}

	end := JobEnd{Status: iothub.JobFailed, Reason: reason, RunningError: unknown, PendingError: unknown}
	results := make(chan error, len(jobs))
	for _, job := range jobs {
		s.EndJobAsync(job.JobID, end, at, func(err error) { results <- err })
	}
	for range jobs {
		err = errors.Join(err, <-results)
	}
	return len(jobs), err
}
