package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// batchSize bounds the writes of one transaction, and with it the time that the
// first of them waits for the last.
const batchSize = 512

// write is one queued write and who wants to know of its end.
type write struct {
	fn   func(tx *sql.Tx) error
	done func(error)
}

// writer owns the only connection that writes. Callers append to a queue, its
// goroutine takes from it. The queue has no bound of its own: whoever queues
// without waiting (a job) bounds what it has under way.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stopped chan struct{}

	// Of the goroutine alone.
	prepared map[string]*sql.Stmt

	mu     sync.Mutex
	queue  []write
	wake   chan struct{} // holds one token while the queue may have something
	closed bool
}

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

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close ends the goroutine after it has done what is queued.
func (w *writer) close() error {
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.stopped
	if again {
		return nil
	}
	var errs []error
	for _, stmt := range w.prepared {
		errs = append(errs, stmt.Close())
	}
	errs = append(errs, w.conn.Close(), w.db.Close())
	return errors.Join(errs...)
}

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
		w.queue = nil
	}
	return batch, w.closed
}

// commit runs the batch in one transaction and returns each write's result.
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
	if err != nil {
		// Nothing was kept, not even what had succeeded by itself.
		err = failed("write", fmt.Errorf("nothing was changed: %w", err))
		for i := range results {
			if results[i] == nil {
				results[i] = err
			}
		}
	}
	return results
}

// runAll runs each write in its savepoint. Its error means that the transaction
// cannot go on.
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

func (w *writer) exec(text string, args ...any) error {
	stmt, err := w.stmt(text)
	if err != nil {
		return err
	}
	_, err = stmt.Exec(args...)
	return err
}

// stmt returns the statement prepared on the writer's connection, to be run
// within a write only: it then belongs to the transaction, for the connection
// has no other. Preparing costs more than running most statements, hence this.
// The text must be a constant.
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

// exec runs a constant statement within a write; see writer.stmt.
func (s *Store) exec(text string, args ...any) (sql.Result, error) {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return nil, err
	}
	return stmt.Exec(args...)
}

// queryRow asks a constant statement for one row within a write.
func (s *Store) queryRow(text string, args ...any) scanner {
	stmt, err := s.writer.stmt(text)
	if err != nil {
		return noRow{err}
	}
	return stmt.QueryRow(args...)
}

// noRow is the row of a statement that could not be prepared.
type noRow struct{ err error }

func (r noRow) Scan(...any) error { return r.err }
