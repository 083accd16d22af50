package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/latchd/latchd/transport/iothub"
)

// Store is an open database file with the hub's state. Its methods may be called from
// any goroutine.
type Store struct {
	readDB     *sql.DB      // for reads of a few rows
	login      *sql.Stmt    // reads a device's identity for its login
	deviceTwin *sql.Stmt    // reads the properties of a twin for its device
	queries    *longReaders // for queries of services
	conditions *longReaders // for conditions of jobs
	writer     *writer
	now        func() time.Time
	signingKey []byte       // key that signs continuation tokens
	idScope    string       // id scope of the provisioning service; see IDScope
	hubID      iothub.HubID // see HubID
	watch      func(Change) // called with every change; nil before Watch is called

	ctx    context.Context // ends when the store is closed
	cancel context.CancelFunc
	starts sync.WaitGroup // counts the jobs whose condition is being evaluated

	// stale means that devices may be marked as connected because they were connected
	// before the hub started. Only the writer's goroutine uses it.
	stale  bool
	opened time.Time
}

// Open opens the database file at path. It creates a missing file, migrates a file from
// an earlier release and refuses a file from a later release. It also marks every device
// as disconnected. If the disk is too full for that, the store does it before it marks
// another device as connected.
func Open(path string) (*Store, error) { return open(path, time.Now) }

// open opens the database file with a clock, which tests can replace.
func open(path string, now func() time.Time) (*Store, error) {
	if err := createFile(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}

	s := &Store{now: now, stale: true, opened: now()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.connect(path); err != nil {
		s.Close()
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	if err := s.disconnectAll(); err != nil && !isFull(err) {
		s.Close()
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	return s, nil
}

// disconnectAll marks every device as disconnected, because devices reconnect only after
// the hub has started.
func (s *Store) disconnectAll() error {
	return s.updateThen(s.ctx, func(*sql.Tx) error {
		_, err := s.exec(`UPDATE devices SET connection_state = ? WHERE connection_state = ?`, iothub.Disconnected, iothub.Connected)
		return err
	}, func() { s.stale = false })
}

// disconnectStale does what disconnectAll could not do at the start: it marks the devices
// as disconnected that have not connected since then. Use it only within a write, and set
// stale to false when the write has been committed.
func (s *Store) disconnectStale() error {
	if !s.stale {
		return nil
	}
	_, err := s.exec(`UPDATE devices SET connection_state = ? WHERE connection_state = ? AND connection_updated < ?`,
		iothub.Disconnected, iothub.Connected, toMicros(s.opened))
	return err
}

// isFull reports whether a write failed because the disk is full.
func isFull(err error) bool {
	failure, ok := errors.AsType[*sqlite.Error](err)
	return ok && failure.Code() == sqlite3.SQLITE_FULL
}

// createFile creates the database file if it is missing. Only the owner can read the
// file. SQLite gives its other files, such as the write-ahead log, the same mode.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// connect opens connections for writing and reading, and starts the writer.
func (s *Store) connect(path string) error {
	writeDB, err := sql.Open("sqlite", dsn(path,
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16384)",
		// Let the write-ahead log grow to a few MiB. This saves checkpoints while a large
		// job runs.
		"wal_autocheckpoint(4000)", "journal_size_limit(67108864)",
		// Keep in memory what SQLite needs to undo a savepoint. Otherwise it writes each
		// changed page to a temporary file after the first large write of a transaction.
		"temp_store(MEMORY)"))
	if err != nil {
		return err
	}
	writeDB.SetMaxOpenConns(1)

	if err := s.load(writeDB); err != nil {
		writeDB.Close()
		return err
	}

	if err := s.openReaders(path); err != nil {
		writeDB.Close()
		return err
	}
	s.writer, err = startWriter(writeDB)
	return err
}

func (s *Store) openReaders(path string) (err error) {
	if s.readDB, err = openReaders(path, shortReaders, 8192); err != nil {
		return err
	}
	// All devices may log in at once. Then to parse these two statements each time would
	// take a twentieth of the hub's time.
	if s.login, err = s.readDB.Prepare(selectLogin + ` WHERE id = ?`); err != nil {
		return err
	}
	if s.deviceTwin, err = s.readDB.Prepare(selectDeviceTwin); err != nil {
		return err
	}
	if s.queries, err = openLongReaders(path, queryWait); err != nil {
		return err
	}
	s.conditions, err = openLongReaders(path, 0)
	return err
}

// load migrates the database and reads the hub's settings from it.
func (s *Store) load(db *sql.DB) error {
	if err := prepare(db); err != nil {
		return err
	}
	if err := db.QueryRow(`SELECT value FROM settings WHERE name = 'continuation-key'`).Scan(&s.signingKey); err != nil {
		return err
	}
	if err := db.QueryRow(`SELECT value FROM settings WHERE name = 'id-scope'`).Scan(&s.idScope); err != nil {
		return err
	}
	return db.QueryRow(`SELECT value FROM settings WHERE name = 'hub-id'`).Scan(&s.hubID)
}

// Close finishes the queued writes, refuses new writes and closes the database file.
func (s *Store) Close() error {
	s.cancel()
	s.starts.Wait()

	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.readDB != nil {
		errs = append(errs, s.readDB.Close())
	}
	for _, readers := range []*longReaders{s.queries, s.conditions} {
		if readers != nil {
			errs = append(errs, readers.close())
		}
	}
	return errors.Join(errs...)
}

// LimitSize limits the size of the database file, in bytes. Writes that do not fit fail.
// The limit holds until the store is closed.
func (s *Store) LimitSize(ctx context.Context, bytes int64) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		var pageSize int64
		if err := tx.QueryRow("PRAGMA page_size").Scan(&pageSize); err != nil {
			return err
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", max(1, bytes/pageSize)))
		return err
	})
	return wrapError("limit the size of the database", err)
}

// rowByID runs a prepared statement that reads one row. It does not watch ctx while the
// statement runs, because that takes two goroutines and longer than the read itself.
func rowByID(ctx context.Context, statement *sql.Stmt, id string) *sql.Row {
	return statement.QueryRowContext(context.WithoutCancel(ctx), id)
}

// DB returns the connection pool for reads of a few rows.
func (s *Store) DB() *sql.DB { return s.readDB }

// Update runs fn as one durable write and returns after the commit. Several queued writes
// may share one transaction. If fn fails, Update undoes only the changes that fn made,
// and returns fn's error. If ctx is cancelled before fn starts, fn does not run. If the
// shared transaction fails, Update runs fn again in a transaction of its own.
func (s *Store) Update(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return s.updateThen(ctx, fn, func() {})
}

// UpdateAsync queues fn as one durable write, like Update, but does not wait for the
// commit. After the commit it calls done with the result; done may be nil. The store
// calls the done functions in the order of the writes, on the goroutine that commits all
// writes. So done must not block, but it may queue more writes.
func (s *Store) UpdateAsync(fn func(tx *sql.Tx) error, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	s.writer.add(write{fn, done})
}

// dsn returns the data source name for SQLite, with settings (pragmas) that apply to
// every connection.
func dsn(path string, pragmas ...string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// wrapError adds the name of the failed action to a database error. An *iothub.Error and
// a cancellation stay unchanged.
func wrapError(action string, err error) error {
	_, refused := errors.AsType[*iothub.Error](err)
	if err == nil || refused || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("store: %s: %w", action, err)
}
