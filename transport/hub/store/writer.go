package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// batchSize bounds the number of writes in one transaction. A larger batch would make its
// first write wait longer for the COMMIT.
const batchSize = 512

// write is a queued write and the function that receives its result.
type write struct {
	fn   func(tx *sql.Tx) error
	done func(error)
}

// writer owns the only connection that writes. Callers append to its queue, and its
// goroutine commits the queue in batches. The queue itself is not bounded. A caller that
// queues without waiting, such as a job, must bound its own number of queued writes.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stopped chan struct{} // closed when the goroutine has ended

	// prepared caches statements by their text. Only the writer's goroutine uses it.
	prepared map[string]*sql.Stmt

	mu     sync.Mutex
	queue  []write
	wake   chan struct{} // holds a token while the queue may have entries
	closed bool
}

// startWriter starts the writer's goroutine. It takes over db, and closes db if it fails.
func startWriter(db *sql.DB) (*writer, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		db.Close()
		return nil, err
	}

	w := &writer{
		db: db, conn: conn, stopped: make(chan struct{}),
		prepared: make(map[string]*sql.Stmt), wake: make(chan struct{}, 1),
	}
	go w.run()
	return w, nil
}

// add queues a write. After close it refuses the write.
func (w *writer) add(wr write) {
	w.mu.Lock()
	closed := w.closed
	if !closed {
		w.queue = append(w.queue, wr)
	}
	w.mu.Unlock()

	if closed {
		wr.done(iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is shutting down"))
		return
	}
	w.signal()
}

// signal wakes the writer's goroutine.
func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close waits until the queued writes are finished, then stops the goroutine and closes
// the database.
func (w *writer) close() error {
	w.mu.Lock()
	alreadyClosed := w.closed
	w.closed = true
	w.mu.Unlock()

	w.signal()
	<-w.stopped
	if alreadyClosed {
		return nil
	}

	var errs []error
	for _, stmt := range w.prepared {
		errs = append(errs, stmt.Close())
	}
	errs = append(errs, w.conn.Close(), w.db.Close())
	return errors.Join(errs...)
}

// run commits batches until the writer is closed and the queue is empty.
func (w *writer) run() {
	defer close(w.stopped)
	for {
		batch, closed := w.take()
		if len(batch) > 0 {
			results := w.commit(batch)
			for i, wr := range batch {
				wr.done(results[i])
			}
			continue
		}

		if closed {
			return
		}
		<-w.wake
	}
}

// take removes the next batch from the queue.
func (w *writer) take() (batch []write, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), batchSize)
	batch = w.queue[:n:n]
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil // frees the array
	}
	return batch, w.closed
}

// commit runs a batch in one transaction and returns the result of each write.
func (w *writer) commit(batch []write) []error {
	results := make([]error, len(batch))
	tx, err := w.conn.BeginTx(context.Background(), nil)
	if err == nil {
		err = w.runAll(tx, batch, results)
		if err == nil {
			err = tx.Commit()
		} else {
			tx.Rollback()
		}
	}
	if err == nil {
		return results
	}

	// The transaction is lost, and with it the writes that had succeeded.
	err = wrapError("write", fmt.Errorf("nothing was changed: %w", err))
	for i := range results {
		if results[i] == nil {
			results[i] = err
		}
	}
	return results
}

// runAll runs each write of a batch in its own savepoint and stores its result. An error
// of runAll itself means that the transaction is unusable.
func (w *writer) runAll(tx *sql.Tx, batch []write, results []error) error {
	for i, wr := range batch {
		if err := w.exec("SAVEPOINT one"); err != nil {
			return err
		}
		if results[i] = wr.fn(tx); results[i] != nil {
			if err := w.exec("ROLLBACK TO one"); err != nil {
				return err
			}
		}
		if err := w.exec("RELEASE one"); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a constant statement within a transaction.
func (w *writer) exec(text string, args ...any) error {
	stmt, err := w.stmt(text)
	if err != nil {
		return err
	}
	_, err = stmt.Exec(args...)
	return err
}

// stmt returns a prepared statement for the writer's connection, because preparing costs
// more than running most statements. The text must be a constant, or the cache would grow
// without bound. Use the statement only within a write. It then belongs to the write's
// transaction, because the connection has no other.
func (w *writer) stmt(text string) (*sql.Stmt, error) {
	if stmt, ok := w.prepared[text]; ok {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	w.prepared[text] = stmt
	return stmt, nil
}

// exec runs a constant statement within a write.
func (s *Store) exec(text string, args ...any) (sql.Result, error) {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return nil, err
	}
	return stmt.Exec(args...)
}

// queryRow runs a constant statement within a write and returns its first row.
func (s *Store) queryRow(text string, args ...any) scanner {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return errorRow{err}
	}
	return stmt.QueryRow(args...)
}

// errorRow is the row of a statement that could not be prepared.
type errorRow struct{ err error }

func (r errorRow) Scan(...any) error { return r.err }
