package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/latchd/latchd/transport/iothub"
)

// readers is the number of connections that can read at the same time.
const readers = 4

// Store is an open database file. Its methods may be called from any goroutine.
type Store struct {
	readDB     *sql.DB
	writer     *writer
	now        func() time.Time
	signingKey []byte       // signs continuation tokens
	idScope    string       // see IDScope
	watch      func(Change) // see Watch; nil until it is called
}

// Open opens the file at path. It creates a missing file and migrates a file of an
// earlier release, but refuses a file of a later release. After Open every device is
// disconnected.
func Open(path string) (*Store, error) { return open(path, time.Now) }

// open opens the file with a clock that tests can set.
func open(path string, now func() time.Time) (*Store, error) {
	if err := createFile(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}

	s := &Store{now: now}
	if err := s.connect(path); err != nil {
		s.Close()
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	return s, nil
}

// createFile creates the file if it is missing and sets its mode, so that only its owner
// can ever read it. SQLite gives the files beside it, such as the WAL, the same mode.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// connect opens the database for writing and reading, and starts the writer.
func (s *Store) connect(path string) error {
	writeDB, err := sql.Open("sqlite", dsn(path,
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16384)",
		// The WAL may grow to some MiB, which saves checkpoints while a large job runs.
		"wal_autocheckpoint(4000)", "journal_size_limit(67108864)"))
	if err != nil {
		return err
	}
	writeDB.SetMaxOpenConns(1)

	if err := s.load(writeDB); err != nil {
		writeDB.Close()
		return err
	}

	s.readDB, err = sql.Open("sqlite", dsn(path, "busy_timeout(10000)", "query_only(1)", "cache_size(-32768)"))
	if err != nil {
		writeDB.Close()
		return err
	}
	s.readDB.SetMaxOpenConns(readers)
	s.readDB.SetMaxIdleConns(readers)

	s.writer, err = startWriter(writeDB)
	return err
}

// load migrates the database and reads its settings.
func (s *Store) load(db *sql.DB) error {
	if err := prepare(db); err != nil {
		return err
	}
	if err := db.QueryRow(`SELECT value FROM settings WHERE name = 'continuation-key'`).Scan(&s.signingKey); err != nil {
		return err
	}
	return db.QueryRow(`SELECT value FROM settings WHERE name = 'id-scope'`).Scan(&s.idScope)
}

// Close finishes the queued writes, refuses further writes and closes the file.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.readDB != nil {
		errs = append(errs, s.readDB.Close())
	}
	return errors.Join(errs...)
}

// DB returns the pool of read-only connections.
func (s *Store) DB() *sql.DB { return s.readDB }

// Update runs fn as one durable write and returns after its COMMIT. The write shares a
// transaction with other queued writes, but has its own savepoint: if fn fails, Update
// undoes only fn's changes and returns its error. A cancelled ctx prevents fn from
// starting.
func (s *Store) Update(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return s.updateThen(ctx, fn, func() {})
}

// UpdateAsync queues fn as one durable write, like Update, and returns at once. It calls
// done, unless done is nil, with the result after the COMMIT. The calls happen on the
// writer's goroutine in the order of the writes, so done must not block. It may queue
// more writes.
func (s *Store) UpdateAsync(fn func(tx *sql.Tx) error, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	s.writer.add(write{fn, done})
}

// dsn returns the driver's name for the file, with the pragmas for every connection.
func dsn(path string, pragmas ...string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// wrapError adds the failed action to an error of the database. It returns refusals and
// cancellations unchanged.
func wrapError(action string, err error) error {
	_, refused := errors.AsType[*iothub.Error](err)
	if err == nil || refused || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("store: %s: %w", action, err)
}
