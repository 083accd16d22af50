package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/iothub"
)

// Limits on one page of query results.
const (
	maxRows  = 1000
	maxBytes = 4 << 20 // total size of the rows on a page; the last row may exceed it
)

// QueryTwins runs a query FROM devices and returns one page of results as JSON. A row is
// a twin, an object with the selected columns, or an aggregate. The page has at most
// limit rows; a limit of 0 means maxRows. Rows that each represent one device are sorted
// by device id.
//
// To get the next page, call QueryTwins with the same query and the token next. On the
// last page, next is empty. A token that the hub did not issue for this query fails with
// ArgumentInvalid.
func (s *Store) QueryTwins(ctx context.Context, q *query.Query, limit int, continuation string) (rows []json.RawMessage, next string, err error) {
	if q.Collection != query.Devices {
		return nil, "", iothub.Errorf(iothub.CodeArgumentInvalid, "expected a query FROM devices, found FROM %s", q.Collection)
	}
	start, err := s.parseTwinsContinuation(q, continuation)
	if err != nil {
		return nil, "", err
	}

	limit = pageSize(limit)
	statement, args, read := twinsStatement(q, start, limit)
	return s.page(ctx, q, statement, args, limit, func(n int, row scanner) (json.RawMessage, []string, error) {
		document, key, err := read(n, row)
		return document, append([]string{strconv.Itoa(start.rows + n + 1)}, key...), err
	})
}

// pageStart says where a page begins in the results of a query.
type pageStart struct {
	rows     int    // number of rows on the previous pages
	deviceID string // id of the last device on the previous page; empty for the first page
}

// parseTwinsContinuation decodes the continuation token of a query FROM devices.
func (s *Store) parseTwinsContinuation(q *query.Query, token string) (pageStart, error) {
	key, err := s.parseContinuation(q.Text, token, 2)
	if err != nil || key == nil {
		return pageStart{}, err
	}
	rows, err := strconv.Atoi(key[0])
	return pageStart{rows, key[1]}, wrapError("query", err)
}

// twinsStatement returns the SQL statement for one page of a query FROM devices, and the
// function that reads each row of the result.
func twinsStatement(q *query.Query, start pageStart, limit int) (statement string, args []any, read readRow) {
	rowLimit := limit + 1 // an extra row shows that another page follows
	if q.Top > 0 {
		rowLimit = min(rowLimit, q.Top-start.rows)
	}

	where, args := q.Where.SQL(query.Devices)
	statement, read = selectTwin, readTwin
	var columnArgs []any
	if !q.Star() {
		outputs := q.Outputs()
		statement, columnArgs = selectOutputs(outputs)
		read = readOutputs(outputs)
	}

	if q.Aggregates() {
		args = append(columnArgs, args...)
		statement += ` FROM devices AS d WHERE ` + where
		// Groups have no key at which the next page could begin. Pages of groups
		// therefore begin at a row number.
		if groups, groupArgs := q.Groups(); groups != "" {
			statement += ` GROUP BY ` + groups + ` ORDER BY ` + groups
			args = slices.Concat(args, groupArgs, groupArgs)
		}
		statement = `WITH page AS MATERIALIZED (` + statement + ` LIMIT ? OFFSET ?) SELECT * FROM page`
		return statement, append(args, rowLimit, start.rows), read
	}

	if start.deviceID != "" {
		where = `(` + where + `) AND d.id > ?`
		args = append(args, start.deviceID)
	}
	statement = `WITH page AS MATERIALIZED (SELECT d.id FROM devices AS d WHERE ` + where + ` ORDER BY d.id LIMIT ?) ` +
		statement + ` FROM page CROSS JOIN devices AS d ON d.id = page.id`
	return statement, slices.Concat(args, []any{rowLimit}, columnArgs), read
}

// QueryDeviceJobs runs a query FROM devices.jobs, which lists the results of jobs for
// devices. Rows are sorted by job id, then by device id. Pages and continuation tokens
// work as in QueryTwins.
func (s *Store) QueryDeviceJobs(ctx context.Context, q *query.Query, limit int, continuation string) (rows []json.RawMessage, next string, err error) {
	if q.Collection != query.DeviceJobs {
		return nil, "", iothub.Errorf(iothub.CodeArgumentInvalid, "expected a query FROM devices.jobs, found FROM %s", q.Collection)
	}
	after, err := s.parseContinuation(q.Text, continuation, 2)
	if err != nil {
		return nil, "", err
	}

	where, args := q.Where.SQL(query.DeviceJobs)
	if after != nil {
		where = `(` + where + `) AND (r.job_id, r.device_id) > (?, ?)`
		args = append(args, after[0], after[1])
	}
	limit = pageSize(limit)
	statement := `WITH page AS MATERIALIZED (
		SELECT r.job_id, r.device_id FROM device_jobs AS r JOIN jobs AS j ON j.id = r.job_id WHERE ` + where + `
		ORDER BY r.job_id, r.device_id LIMIT ?) ` + selectDeviceJob + ` FROM page
		CROSS JOIN device_jobs AS r ON r.job_id = page.job_id AND r.device_id = page.device_id
		CROSS JOIN jobs AS j ON j.id = r.job_id`
	return s.page(ctx, q, statement, append(args, limit+1), limit, readDeviceJob)
}

// SelectDevices returns the sorted ids of the devices that a job with the given condition
// would select now.
func (s *Store) SelectDevices(ctx context.Context, condition *query.Condition) (ids []string, err error) {
	err = s.conditions.run(ctx, func(ctx context.Context, conn *sql.Conn) error {
		ids, err = selectDevices(ctx, conn, condition)
		return err
	})
	return ids, wrapError("select devices", err)
}

// selectDevices returns the sorted ids of the devices that satisfy a condition, or of all
// devices if the condition is nil.
func selectDevices(ctx context.Context, conn *sql.Conn, condition *query.Condition) ([]string, error) {
	where, args := condition.SQL(query.Devices)
	var list []byte
	err := conn.QueryRowContext(ctx, `SELECT json_group_array(d.id) FROM devices AS d WHERE `+where, args...).Scan(&list)
	if err != nil {
		return nil, err
	}

	var ids []string
	err = json.Unmarshal(list, &ids)
	slices.Sort(ids)
	return ids, err
}

// pageSize returns the number of rows for a page, given the number that the client
// requests.
func pageSize(limit int) int {
	if limit <= 0 || limit > maxRows {
		return maxRows
	}
	return limit
}

// readRow reads row n of a page, counted from 0. It returns the row as JSON, and the
// row's key for continuation tokens.
type readRow func(n int, row scanner) (document json.RawMessage, key []string, err error)

// page runs a statement and returns at most limit rows. The statement must request
// limit+1 rows: an extra row shows that another page follows. It must find the rows of
// the page before it returns the first one; see [longReaders.run].
func (s *Store) page(ctx context.Context, q *query.Query, statement string, args []any, limit int, read readRow) (list []json.RawMessage, next string, err error) {
	err = s.queries.run(ctx, func(ctx context.Context, conn *sql.Conn) error {
		rows, err := conn.QueryContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		defer rows.Close()

		list, next = []json.RawMessage{}, ""
		var lastKey []string
		size := 0
		for rows.Next() {
			if len(list) == limit || size >= maxBytes {
				next = s.newContinuation(q.Text, lastKey...)
				return nil
			}

			document, key, err := read(len(list), rows)
			if err != nil {
				return err
			}
			list, lastKey = append(list, document), key
			size += len(document)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, "", wrapError("query", err)
	}
	return list, next, nil
}

// readTwin reads a twin from a row of the query selectTwin.
func readTwin(_ int, row scanner) (json.RawMessage, []string, error) {
	t, err := scanTwin(row)
	if err != nil {
		return nil, nil, err
	}
	return t.json(), []string{t.DeviceID}, nil
}

// selectOutputs returns a SELECT clause for the given columns. It adds the device id
// as the last column. If rows are aggregates, this is the id of any device in the row's
// group.
func selectOutputs(outputs []query.Output) (statement string, args []any) {
	statement = `SELECT `
	for _, o := range outputs {
		statement += o.SQL + `, `
		args = append(args, o.Args...)
	}
	return statement + `d.id`, args
}

// readOutputs returns the function that reads one row of a statement from selectOutputs.
// The function returns the row as a JSON object, in which undefined columns are missing.
func readOutputs(outputs []query.Output) readRow {
	names := make([][]byte, len(outputs))
	for i, o := range outputs {
		names[i], _ = json.Marshal(o.Name)
	}

	return func(_ int, row scanner) (json.RawMessage, []string, error) {
		values := make([][]byte, len(outputs))
		var id sql.NullString // NULL if the aggregate covers no devices
		var targets []any
		for i := range values {
			targets = append(targets, &values[i])
		}
		if err := row.Scan(append(targets, &id)...); err != nil {
			return nil, nil, err
		}

		var b bytes.Buffer
		b.WriteByte('{')
		for i, v := range values {
			if v == nil {
				continue
			}
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			b.Write(names[i])
			b.WriteByte(':')
			b.Write(v)
		}
		b.WriteByte('}')
		return b.Bytes(), []string{id.String}, nil
	}
}
