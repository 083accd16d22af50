package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Connections for reading. Each purpose has its own connections, so that a login never
// waits for a query, and a job never waits for the queries of services.
const (
	shortReaders = 4 // for reads of a few rows, such as logins
	quickReaders = 2 // for queries and conditions that end within quickTime, each
)

// Limits on the work of one query or condition.
const (
	quickTime = 300 * time.Millisecond // time of a query on a quick connection
	slowTime  = 10 * time.Second       // time of a query on the slow connection
	queryWait = 20 * time.Second       // longest wait of a query for a connection
)

// longReaders runs reads that may take long: queries or conditions. A read first runs on
// one of the quick connections. If it takes longer than quickTime, it runs again on the
// only slow connection. So a short read waits for other short reads only, and a long read
// uses at most one processor.
type longReaders struct {
	quick, slow         *sql.DB
	quickTime, slowTime time.Duration
	wait                time.Duration // longest wait for a connection; 0 means no limit
}

// errTooLong means that a read took longer than its time limit.
var errTooLong = errors.New("the read took too long")

// openLongReaders opens the connections of a longReaders, which it returns even if it
// fails.
func openLongReaders(path string, wait time.Duration) (*longReaders, error) {
	r := &longReaders{quickTime: quickTime, slowTime: slowTime, wait: wait}
	var errs [2]error
	r.quick, errs[0] = openReaders(path, quickReaders, 32768)
	r.slow, errs[1] = openReaders(path, 1, 32768)
	return r, errors.Join(errs[:]...)
}

// openReaders opens at most n connections that cannot write. Each caches up to cache KiB
// of the file.
func openReaders(path string, n, cache int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(10000)", "query_only(1)", fmt.Sprintf("cache_size(-%d)", cache)))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

func (r *longReaders) close() error {
	var errs []error
	for _, db := range []*sql.DB{r.quick, r.slow} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// run calls read once or twice, each time with another connection and with a context that
// ends when the time of the read is over. It fails with:
//
//   - ArgumentInvalid if the read takes longer than slowTime,
//   - ThrottlingException if the read must wait for a connection longer than r.wait.
//
// SQLite notices the end of the context only until it returns the first row. So read must
// use statements that do most of their work before their first row.
func (r *longReaders) run(ctx context.Context, read func(ctx context.Context, conn *sql.Conn) error) error {
	err := r.attempt(ctx, r.quick, r.quickTime, read)
	if !errors.Is(err, errTooLong) {
		return err
	}

	err = r.attempt(ctx, r.slow, r.slowTime, read)
	if errors.Is(err, errTooLong) {
		return iothub.Errorf(iothub.CodeArgumentInvalid,
			"the query or condition takes longer than %v on this hub: select fewer devices by deviceId, or compare fewer values", r.slowTime)
	}
	return err
}

func (r *longReaders) attempt(ctx context.Context, db *sql.DB, limit time.Duration, read func(context.Context, *sql.Conn) error) error {
	conn, err := r.acquire(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close()

	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = read(limited, conn)
	if err == nil || limited.Err() == nil {
		return err
	}

	// SQLite forgets the interruption when it runs the next statement. Otherwise
	// database/sql would replace the connection, and with it the cache of the file.
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "SELECT 1"); err != nil || ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return errTooLong
}

// acquire waits for a free connection.
func (r *longReaders) acquire(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	if r.wait == 0 {
		return db.Conn(ctx)
	}

	waiting, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	conn, err := db.Conn(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return nil, iothub.Errorf(iothub.CodeThrottling, "the hub is busy with other queries, try again later")
	}
	return conn, err
}
