package query_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
)

// jobRows opens a store with one row of a job for each combination of the columns that
// decide which objects the row's document has. It returns the documents, too.
func jobRows(t *testing.T) (*store.Store, []map[string]any) {
	t.Helper()
	s, _ := twins(t, 0)
	err := s.Update(t.Context(), func(tx *sql.Tx) error {
		for i, jobType := range []string{"scheduleDeviceMethod", "scheduleUpdateTwin"} {
			if _, err := tx.Exec(`INSERT INTO jobs (id, seq, type, condition, created, start, max_execution, status)
				VALUES (?, ?, ?, '*', 0, 0, 60, 'running')`, jobType, i, jobType); err != nil {
				return err
			}
			device := 0
			times := [][2]any{{nil, nil}, {1_795_473_480_123_456, nil}, {1_795_473_480_000_000, 1_795_473_481_500_000}}
			for _, status := range []string{"pending", "completed", "failed"} {
				for _, answer := range [][2]any{{nil, nil}, {200, nil}, {500, `{"error":{"code":"jammed"}}`}, {204, `null`}, {404, `[1]`}, {200, `3`}} {
					for _, failure := range [][2]any{{nil, nil}, {"DeviceNotOnline", "not there"}, {"GatewayTimeout", nil}} {
						device++
						at := times[device%len(times)]
						if _, err := tx.Exec(`INSERT INTO device_jobs VALUES (?, ?, ?, 1795473480000000, ?, ?, 1795473480000000, ?, ?, ?, ?)`,
							jobType, fmt.Sprintf("door-%03d", device), status, at[0], at[1], answer[0], answer[1], failure[0], failure[1]); err != nil {
							return err
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, deviceJobs(t, s, "SELECT * FROM devices.jobs")
}

// deviceJobs returns the documents of a query FROM devices.jobs.
func deviceJobs(t *testing.T, s *store.Store, text string) []map[string]any {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	rows, next, err := s.QueryDeviceJobs(t.Context(), q, 0, "")
	if err != nil || next != "" {
		t.Fatalf("%s: %v (next page: %q)", text, err, next)
	}

	var documents []map[string]any
	for _, row := range rows {
		var d map[string]any
		if err := json.Unmarshal(row, &d); err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d)
	}
	return documents
}

// TestJobConditionsAgreeWithTheSimpleEvaluator checks that a condition sees a row of a job
// as the client sees the row's document: every object, null and text of it.
func TestJobConditionsAgreeWithTheSimpleEvaluator(t *testing.T) {
	t.Parallel()
	s, documents := jobRows(t)
	properties := []string{"deviceId", "jobId", "jobType", "status", "startTimeUtc", "endTimeUtc", "createdDateTimeUtc", "lastUpdatedDateTimeUtc",
		"outcome", "outcome.deviceMethodResponse", "outcome.deviceMethodResponse.status", "outcome.deviceMethodResponse.payload",
		"outcome.deviceMethodResponse.payload.error", "outcome.deviceMethodResponse.payload.error.code", "outcome.nothing",
		"outcome.deviceMethodResponse.nothing", "error", "error.code", "error.description", "error.nothing", "nothing"}

	var conditions []string
	for _, p := range properties {
		for _, f := range []string{"IS_DEFINED", "IS_NULL", "IS_BOOL", "IS_NUMBER", "IS_STRING", "IS_ARRAY", "IS_OBJECT", "IS_PRIMITIVE"} {
			conditions = append(conditions, f+"(devices.jobs."+p+")", "NOT "+f+"("+p+")")
		}
	}
	conditions = append(conditions,
		"outcome.deviceMethodResponse = null", "outcome.deviceMethodResponse != null", "outcome = null", "error = null", "error.description = ''",
		"outcome.deviceMethodResponse.payload = null", "outcome.deviceMethodResponse.payload = 3", "outcome.deviceMethodResponse.payload.error.code = 'jammed'",
		"outcome.deviceMethodResponse.status / 100 >= 3", "outcome.deviceMethodResponse.status % 100 = 4", "-outcome.deviceMethodResponse.payload < 0",
		"startTimeUtc > '2026-11-23 22:38:00'", "startTimeUtc = '2026-11-23T22:38:00.123456Z'", "endTimeUtc > startTimeUtc", "endTimeUtc IN ['2026-11-23T23:38:01.5+01:00']",
		"startTimeUtc <= createdDateTimeUtc", "NOT endTimeUtc < '2026-11-24'", "lastUpdatedDateTimeUtc != '2026-11-23'",
		"ENDS_WITH(startTimeUtc, '00.123456Z')", "ENDS_WITH(startTimeUtc, ':00Z')", "ENDS_WITH(endTimeUtc, '1.5Z')")

	for _, condition := range conditions {
		got := deviceJobs(t, s, "SELECT * FROM devices.jobs WHERE "+condition)
		q, err := query.Parse("SELECT * FROM devices.jobs WHERE " + condition)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(slices.Clone(documents), func(d map[string]any) bool { return evaluate(q.Where.Root, d) != true })

		if got, want := rowNames(got), rowNames(want); !slices.Equal(got, want) {
			t.Errorf("%s\nselects %v\nwant    %v", condition, got, want)
		}
	}
}

// rowNames returns the job and the device of each row.
func rowNames(rows []map[string]any) []string {
	var names []string
	for _, row := range rows {
		names = append(names, fmt.Sprint(row["jobId"], "/", row["deviceId"]))
	}
	return names
}
