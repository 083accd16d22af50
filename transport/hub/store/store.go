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

	// The driver "sqlite".
	_ "modernc.org/sqlite"

	"github.com/latchd/latchd/transport/iothub"
)

// readers is the number of connections that read at the same time.
const readers = 4

// Store is an open file. Its methods may be called from any goroutine.
type Store struct {
	readDB  *sql.DB
	writer  *writer
	now     func() time.Time
	signing []byte // of continuation tokens
	idScope string // see IDScope
	watch   func(Change)
}

// Open opens the file at path, creating or migrating it as needed. Every device
// is Disconnected then. A file that a later release wrote is refused.
func Open(path string) (*Store, error) { return open(path, time.Now) }

func open(path string, now func() time.Time) (s *Store, err error) {
	// The file is made here, so that its mode is right from the first byte on;
	// SQLite gives its side files the mode of the main one.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	err = errors.Join(f.Chmod(0o600), f.Close())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s = &Store{now: now}
	defer func() {
		if err != nil {
			s.Close()
			s, err = nil, fmt.Errorf("store: open %s: %w", path, err)
		}
	}()
	writeDB, err := sql.Open("sqlite", dsn(path,
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16384)",
		// A WAL of some MiB: fewer checkpoints while a large job runs.
		"wal_autocheckpoint(4000)", "journal_size_limit(67108864)"))
	if err != nil {
		return s, err
	}
	writeDB.SetMaxOpenConns(1)
	if err = prepare(writeDB); err != nil {
		writeDB.Close()
		return s, err
	}
	if err = writeDB.QueryRow(`SELECT value FROM settings WHERE name = 'continuation-key'`).Scan(&s.signing); err != nil {
		writeDB.Close()
		return s, err
	}
	if err = writeDB.QueryRow(`SELECT value FROM settings WHERE name = 'id-scope'`).Scan(&s.idScope); err != nil {
		writeDB.Close()
		return s, err
	}
	if s.readDB, err = sql.Open("sqlite", dsn(path, "busy_timeout(10000)", "query_only(1)", "cache_size(-32768)")); err != nil {
		writeDB.Close()
		return s, err
	}
	s.readDB.SetMaxOpenConns(readers)
	s.readDB.SetMaxIdleConns(readers)
	s.writer, err = startWriter(writeDB)
	return s, err
}

// Close finishes the writes that are queued, refuses further ones and closes the file.
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

// DB returns the pool of connections for reading. Writing through it fails.
func (s *Store) DB() *sql.DB { return s.readDB }

// Update runs fn as one durable write: in the writer's next batch, inside a
// savepoint of its own. It returns after the COMMIT. If fn fails, its part is
// taken back and its error returned. The context counts until fn starts.
func (s *Store) Update(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return s.updateThen(ctx, fn, func() {})
}

// UpdateAsync queues fn as Update does and returns at once. Then done, which may
// be nil, is called with the result after the COMMIT, on the writer's goroutine:
// in the order of the calls, and it must not block. It may queue more writes.
func (s *Store) UpdateAsync(fn func(tx *sql.Tx) error, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	s.writer.add(write{fn, done})
}

// dsn names the file with settings for every connection.
func dsn(path string, pragmas ...string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// failed wraps what is no refusal but a fault of the store.
func failed(what string, err error) error {
	var refusal *iothub.Error
	if err == nil || errors.As(err, &refusal) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("store: %s: %w", what, err)
}
