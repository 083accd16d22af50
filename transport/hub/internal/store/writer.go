package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// batchSize is the maximum number of writes in one transaction. A larger transaction
// would delay the commit of its first write.
const batchSize = 512

// write is a queued write. done receives its result.
type write struct {
	fn   func(tx *sql.Tx) error
	done func(error)
}

// writer owns the only database connection that writes. Callers queue their writes, and
// the writer's goroutine commits them in batches. The queue has no size limit, so callers
// that do not wait for each write must limit the number of writes that they queue.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stopped chan struct{} // closed when the writer's goroutine has ended

	// prepared caches prepared statements by their SQL text. Only the writer's goroutine
	// uses it.
	prepared map[string]*sql.Stmt

	mu     sync.Mutex
	queue  []write
	wake   chan struct{} // has an element if the queue may have entries
	closed bool
}

// startWriter starts the writer's goroutine. The writer then owns db and closes it. If
// startWriter fails, it closes db at once.
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

// add queues a write. If the writer is closed, the write fails.
func (w *writer) add(wr write) {
	w.mu.Lock()
	closed := w.closed
	if !closed {
		w.queue = append(w.queue, wr)
	}
	w.mu.Unlock()

	if closed {
		wr.done(iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is stopping"))
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

// close waits until all queued writes are finished. Then it stops the writer's goroutine
// and closes the database.
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

// run commits batches of writes until the writer is closed and the queue is empty.
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

// take removes the next batch of writes from the queue.
func (w *writer) take() (batch []write, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), batchSize)
	batch = w.queue[:n:n]
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil // release the memory of the empty queue
	}
	return batch, w.closed
}

// commit runs a batch of writes in one transaction and returns the result of each write.
// If the transaction fails, commit runs each write again in a transaction of its own.
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

	// The whole transaction failed, including the writes that had succeeded within it. On a
	// full disk, SQLite undoes a transaction because of one write. Each write therefore
	// gets a transaction of its own, so that one that does not fit fails alone.
	if len(batch) > 1 {
		for i := range batch {
			results[i] = w.commit(batch[i : i+1])[0]
		}
		return results
	}

	if results[0] == nil {
		results[0] = wrapError("write", fmt.Errorf("nothing was changed: %w", err))
	}
	return results
}

// runAll runs each write of a batch in its own savepoint and stores its result in
// results. If runAll returns an error, the transaction must be rolled back.
func (w *writer) runAll(tx *sql.Tx, batch []write, results []error) error {
	for i, wr := range batch {
		if err := w.exec("SAVEPOINT one"); err != nil {
			return err
		}
		if results[i] = wr.fn(tx); results[i] != nil {
			if w.exec("ROLLBACK TO one") != nil {
				return results[i] // SQLite has undone the whole transaction because of this error
			}
		}
		if err := w.exec("RELEASE one"); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement that needs no result. The SQL text must be a constant; see stmt.
func (w *writer) exec(text string, args ...any) error {
	stmt, err := w.stmt(text)
	if err != nil {
		return err
	}
	_, err = stmt.Exec(args...)
	return err
}

// stmt returns a prepared statement for the connection that writes. It caches the
// statement, because preparing costs more time than running most statements. The SQL text
// must be a constant, or the cache would grow without limit.
//
// Use the statement only within a write. The connection has at most one transaction at a
// time, so the statement belongs to the transaction of that write.
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

// exec runs a statement in the transaction of the current write. The SQL text must be a
// constant.
func (s *Store) exec(text string, args ...any) (sql.Result, error) {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return nil, err
	}
	return stmt.Exec(args...)
}

// queryRow runs a query in the transaction of the current write and returns the first
// row. The SQL text must be a constant.
func (s *Store) queryRow(text string, args ...any) scanner {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return errorRow{err}
	}
	return stmt.QueryRow(args...)
}

// errorRow stands for a row of a query that could not be prepared. Scan returns the
// error.
type errorRow struct{ err error }

func (r errorRow) Scan(...any) error { return r.err }
