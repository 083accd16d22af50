package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"strconv"

	"github.com/latchd/latchd/transport/hub/query"
	"github.com/latchd/latchd/transport/iothub"
)

// Bounds of one page of a query's rows.
const (
	maxRows  = 1000
	maxBytes = 4 << 20 // a page ends with the row that reaches it
)

// QueryTwins runs a query of twins. The rows are twins, projections or counts, in
// the order of the device ids; at most limit of them (0: as many as a page can
// have). next is the token for the page after; it is empty at the end. A token
// that this hub did not give for this query is refused with ArgumentInvalid.
func (s *Store) QueryTwins(ctx context.Context, q *query.Query, limit int, continuation string) (rows []json.RawMessage, next string, err error) {
	if q.Collection != query.Devices {
		return nil, "", iothub.Errorf(iothub.CodeArgumentInvalid, "want a query FROM devices, not FROM %s", q.Collection)
	}
	// Where a page begins: how many rows were before, and the last one's device.
	after, err := s.parseContinuation(q.Text, continuation, 2)
	if err != nil {
		return nil, "", err
	}
	before := 0
	if after != nil {
		if before, err = strconv.Atoi(after[0]); err != nil {
			return nil, "", failed("query", err)
		}
	}
	limit = pageSize(limit)
	most := limit + 1 // the one more tells whether another page follows
	if q.Top > 0 {
		most = min(most, q.Top-before)
	}

	where, args := q.Where.SQL(query.Devices)
	text, read := selectTwin, readTwin
	if !q.Star() {
		var outputArgs []any
		outputs := q.Outputs()
		text, outputArgs = selectOutputs(outputs)
		args = append(outputArgs, args...)
		read = readOutputs(outputs)
	}
	text += ` WHERE ` + where
	if q.Aggregates() {
		if groups, groupArgs := q.Groups(); groups != "" {
			text += ` GROUP BY ` + groups + ` ORDER BY ` + groups
			args = append(append(args, groupArgs...), groupArgs...)
		}
		text += ` LIMIT ? OFFSET ?`
		args = append(args, most, before)
	} else {
		if after != nil {
			text += ` AND d.id > ?`
			args = append(args, after[1])
		}
		text += ` ORDER BY d.id LIMIT ?`
		args = append(args, most)
	}
	return s.page(ctx, q, text, args, limit, func(row scanner) (json.RawMessage, []string, error) {
		document, key, err := read(row)
		before++
		return document, append([]string{strconv.Itoa(before)}, key...), err
	})
}

// QueryDeviceJobs runs a query of the devices' rows of jobs, in the order of job
// and device; see QueryTwins for the rest.
func (s *Store) QueryDeviceJobs(ctx context.Context, q *query.Query, limit int, continuation string) (rows []json.RawMessage, next string, err error) {
	if q.Collection != query.DeviceJobs {
		return nil, "", iothub.Errorf(iothub.CodeArgumentInvalid, "want a query FROM devices.jobs, not FROM %s", q.Collection)
	}
	after, err := s.parseContinuation(q.Text, continuation, 2)
	if err != nil {
		return nil, "", err
	}
	where, args := q.Where.SQL(query.DeviceJobs)
	text := selectDeviceJob + ` WHERE ` + where
	if after != nil {
		text += ` AND (r.job_id, r.device_id) > (?, ?)`
		args = append(args, after[0], after[1])
	}
	limit = pageSize(limit)
	return s.page(ctx, q, text+` ORDER BY r.job_id, r.device_id LIMIT ?`, append(args, limit+1), limit, readDeviceJob)
}

// SelectDeviceIDs returns the devices that a condition selects, in the order of
// their ids, as a write sees them; all for nil.
func SelectDeviceIDs(tx *sql.Tx, cond *query.Condition) ([]string, error) {
	where, args := cond.SQL(query.Devices)
	rows, err := tx.Query(`SELECT d.id FROM devices AS d WHERE `+where+` ORDER BY d.id`, args...)
	if err != nil {
		return nil, failed("select devices", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, failed("select devices", err)
		}
		ids = append(ids, id)
	}
	return ids, failed("select devices", rows.Err())
}

func pageSize(limit int) int {
	if limit <= 0 || limit > maxRows {
		return maxRows
	}
	return limit
}

// readRow reads a row into its JSON and the key to go on after.
type readRow func(row scanner) (document json.RawMessage, key []string, err error)

// page reads rows until limit; the statement asks for one more, which tells
// whether another page follows.
func (s *Store) page(ctx context.Context, q *query.Query, text string, args []any, limit int, read readRow) (list []json.RawMessage, next string, err error) {
	rows, err := s.readDB.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, "", failed("query", err)
	}
	defer rows.Close()
	list = []json.RawMessage{}
	var last []string
	bytes := 0
	for rows.Next() {
		if len(list) == limit || bytes >= maxBytes {
			return list, s.continuation(q.Text, last...), nil
		}
		document, key, err := read(rows)
		if err != nil {
			return nil, "", failed("query", err)
		}
		list, last, bytes = append(list, document), key, bytes+len(document)
	}
	return list, "", failed("query", rows.Err())
}

func readTwin(row scanner) (json.RawMessage, []string, error) {
	t, err := scanTwin(row)
	if err != nil {
		return nil, nil, err
	}
	document, err := t.json()
	return document, []string{t.DeviceID}, err
}

// selectOutputs selects a projection's columns, and the device's id after them.
// Beside an aggregate the id means nothing.
func selectOutputs(outputs []query.Output) (text string, args []any) {
	text = `SELECT `
	for _, o := range outputs {
		text += o.SQL + `, `
		args = append(args, o.Args...)
	}
	return text + `d.id FROM devices AS d`, args
}

// readOutputs makes objects of a projection's columns. An undefined value gives
// no member.
func readOutputs(outputs []query.Output) readRow {
	names := make([][]byte, len(outputs))
	for i, o := range outputs {
		names[i], _ = json.Marshal(o.Name)
	}
	return func(row scanner) (json.RawMessage, []string, error) {
		values := make([][]byte, len(outputs))
		var id sql.NullString
		var into []any
		for i := range values {
			into = append(into, &values[i])
		}
		if err := row.Scan(append(into, &id)...); err != nil {
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
