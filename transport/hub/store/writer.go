package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// batchSize limits the number of writes in one transaction. In a larger transaction, the
// first write would wait longer for the commit.
const batchSize = 512

// write is a queued write, with the function that receives its result.
type write struct {
	fn   func(tx *sql.Tx) error
	done func(error)
}

// writer owns the only database connection that writes. Callers append writes to its
// queue, and its goroutine commits them in batches. The queue has no size limit. A
// caller that does not wait for its writes, such as a job, must itself limit how many it
// queues.
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

// startWriter starts the writer's goroutine. The writer closes db when it stops; if
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

// close waits for the queued writes. Then it stops the writer's goroutine and closes the
// database.
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
		w.queue = nil // frees the memory of the old queue
	}
	return batch, w.closed
}

// commit runs a batch of writes in one transaction and returns the result of each write.
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

	// The transaction has failed, and so have the writes of this batch that had
	// succeeded.
	err = wrapError("write", fmt.Errorf("nothing was changed: %w", err))
	for i := range results {
		if results[i] == nil {
			results[i] = err
		}
	}
	return results
}

// runAll runs each write of a batch in its own savepoint and stores the write's result.
// If runAll itself returns an error, the transaction cannot be used any more.
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

// exec runs a statement within a transaction. The statement's text must be a constant.
func (w *writer) exec(text string, args ...any) error {
	stmt, err := w.stmt(text)
	if err != nil {
		return err
	}
	_, err = stmt.Exec(args...)
	return err
}

// stmt returns a prepared statement for the writer's connection. It caches the
// statement, because preparing costs more than running most statements. The text must be
// a constant; otherwise the cache would grow without limit. Use the statement only in a
// function that Update runs. It then belongs to the write's transaction, because the
// connection has no other.
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

// exec runs a statement in the transaction of the current write. The statement's text
// must be a constant.
func (s *Store) exec(text string, args ...any) (sql.Result, error) {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return nil, err
	}
	return stmt.Exec(args...)
}

// queryRow runs a query in the transaction of the current write and returns its first
// row. The query's text must be a constant.
func (s *Store) queryRow(text string, args ...any) scanner {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return errorRow{err}
	}
	return stmt.QueryRow(args...)
}

// errorRow is a row whose Scan returns the error of preparing the statement.
type errorRow struct{ err error }

func (r errorRow) Scan(...any) error { return r.err }
