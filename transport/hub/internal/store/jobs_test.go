package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/iothub"
)

// largeJob returns a scheduled job with a payload of the given number of bytes.
func largeJob(id string, payload int) iothub.Job {
	job := jobAt(id, epoch)
	job.Status = iothub.JobScheduled
	job.CloudToDeviceMethod.Payload = json.RawMessage(`"` + strings.Repeat("x", payload-2) + `"`)
	return job
}

func TestUnfinishedJobsAreBounded(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		payload int // bytes in each job
		accept  int // number of jobs that the hub accepts
		text    string
	}{
		"many jobs":  {2, 1000, "the hub has 1000 unfinished jobs, and more are not allowed"},
		"large jobs": {128 << 10, 127, "the unfinished jobs of the hub would take"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			each(t, test.accept, func(i int) error {
				return s.CreateJob(t.Context(), largeJob(fmt.Sprintf("job-%d", i), test.payload), 0)
			})

			err := s.CreateJob(t.Context(), largeJob("more", test.payload), 0)
			wantCode(t, err, iothub.CodeJobQuotaExceeded)
			if err != nil && !strings.Contains(err.Error(), test.text) {
				t.Errorf("the error is %q", err)
			}
			_, err = s.Job(t.Context(), "more")
			wantCode(t, err, iothub.CodeJobNotFound)
			wantCode(t, s.CreateJob(t.Context(), largeJob("job-1", test.payload), 0), iothub.CodeJobAlreadyExists)

			if err := s.CancelJob(t.Context(), "job-0", epoch); err != nil {
				t.Fatal(err)
			}
			if err := s.CreateJob(t.Context(), largeJob("more", test.payload), 0); err != nil {
				t.Errorf("after a job was cancelled: %v", err)
			}
		})
	}
}

// A page of jobs is bounded in bytes, and the pages together contain every job once.
func TestPageOfJobsIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const n = 100
	each(t, n, func(i int) error { return s.CreateJob(t.Context(), largeJob(fmt.Sprintf("job-%d", i), 100<<10), 0) })

	seen := make(map[string]bool)
	pages := 0
	for next := ""; ; {
		page, n, err := s.Jobs(t.Context(), JobFilter{}, 1000, next)
		if err != nil {
			t.Fatal(err)
		}
		if text := jsonOf(t, page); len(text) > maxBytes+200<<10 {
			t.Errorf("a page has %d bytes", len(text))
		}
		for _, job := range page {
			seen[job.JobID] = true
		}
		pages++
		if next = n; next == "" {
			break
		}
	}
	if len(seen) != n || pages != 3 {
		t.Errorf("%d pages with %d different jobs, want 3 pages with %d", pages, len(seen), n)
	}
}

// The jobs of an earlier release count with their size.
func TestSizeOfJobsOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hub.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	each(t, 127, func(i int) error { return s.CreateJob(t.Context(), largeJob(fmt.Sprintf("job-%d", i), 128<<10), 0) })
	err = s.Update(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`DROP INDEX jobs_unfinished; ALTER TABLE jobs DROP COLUMN bytes; PRAGMA user_version = 4`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantCode(t, s.CreateJob(t.Context(), largeJob("more", 128<<10), 0), iothub.CodeJobQuotaExceeded)
}

// A file from an earlier release has no sizes of jobs. The hub computes the same sizes that
// it would have counted.
func TestSizesOfJobsOfAnEarlierRelease(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "hub.db")
	s := mustOpen(t, path)
	createDevices(t, s, "a", "b", "c")
	if err := s.CreateJob(t.Context(), largeJob("job", 5000), 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	s.StartJobAsync("job", func(iothub.Job) (*query.Condition, error) { return nil, nil }, epoch, time.Hour, func(_ []string, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	answer := &iothub.MethodResponse{Status: 200, Payload: json.RawMessage(`"` + strings.Repeat("y", 998) + `"`)}
	s.AdvanceJobAsync("job", JobRows{Results: []JobResult{{DeviceID: "a", Response: answer}, {DeviceID: "b", Response: answer}}}, epoch, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	size := func() (n int) {
		t.Helper()
		if err := s.DB().QueryRow("SELECT bytes FROM job_sizes WHERE job_id = 'job'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	counted := size()
	if counted < 5000+2*1000 || counted > 5000+2*1000+3*rowBytes+1000 {
		t.Errorf("the job takes %d bytes", counted)
	}

	drop := func(tx *sql.Tx) error { _, err := tx.Exec("DROP TABLE job_sizes"); return err }
	if err := errors.Join(s.Update(t.Context(), drop), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, path)
	defer s.Close()
	if computed := size(); computed != counted {
		t.Errorf("the computed size is %d, the counted size %d", computed, counted)
	}
}
