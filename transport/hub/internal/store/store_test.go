package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchd/latchd/transport/iothub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is the time that the clock of the tests always shows.
var epoch = time.Date(2026, 11, 23, 22, 38, 0, 123456000, time.UTC)

// newStore opens a store in a new directory. The store's clock always shows epoch.
func newStore(t *testing.T) *Store {
	t.Helper()
	return reopen(t, filepath.Join(t.TempDir(), "hub.db"))
}

// reopen opens the store at path and closes the store at the end of the test.
func reopen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := open(path, func() time.Time { return epoch })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// createDevices adds devices with empty twins.
func createDevices(t *testing.T, s *Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: id}); err != nil {
			t.Fatal(err)
		}
	}
}

// wantCode checks that err is a refusal with the given code.
func wantCode(t *testing.T, err error, code iothub.Code) {
	t.Helper()
	if !errors.Is(err, &iothub.Error{Code: code}) {
		t.Errorf("the error is %v, want one with code %s", err, code)
	}
}

func TestAnsweredWritesSurviveReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hub.db")
	s := reopen(t, path)
	device, err := s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "door-1"})
	if err != nil {
		t.Fatal(err)
	}
	update, err := s.UpdateTwin(t.Context(), "door-1", patchOf(t, `{"tags":{"floor":3},"properties":{"desired":{"building":"43"}}}`), "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Report(t.Context(), "door-1", iothub.Object{"lock": "locked"}, 0); err != nil {
		t.Fatal(err)
	}
	session := Session{"door-1", map[string]byte{iothub.MethodsFilter: 0}}
	if err := s.SaveSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	s.SetConnection("door-1", true, "dtmi:latchd:DoorLock;1", epoch)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = reopen(t, path)
	again, err := s.Device(t.Context(), "door-1")
	if err != nil {
		t.Fatal(err)
	}
	if again.Authentication.SymmetricKey != device.Authentication.SymmetricKey || again.ETag != device.ETag {
		t.Errorf("the identity is %+v, but was %+v", again, device)
	}
	if again.ConnectionState != iothub.Disconnected || !again.LastActivityTime.Equal(epoch) {
		t.Errorf("after a restart the device is %s, active at %s; want it disconnected, active at %s",
			again.ConnectionState, again.LastActivityTime, epoch)
	}

	twin, err := s.Twin(t.Context(), "door-1")
	if err != nil {
		t.Fatal(err)
	}
	if twin.ETag != update.ETag || twin.Version != 4 || twin.Properties.Reported["lock"] != "locked" || twin.ModelID != "dtmi:latchd:DoorLock;1" {
		t.Errorf("the twin is %+v", twin)
	}
	sessions, err := s.Sessions(t.Context())
	if err != nil || len(sessions) != 1 || sessions[0].ClientID != "door-1" || len(sessions[0].Subscriptions) != 1 {
		t.Errorf("the sessions are %v, error %v", sessions, err)
	}
}

func TestOnlyTheOwnerCanReadTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a ?b#%c", "hub.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := reopen(t, path)
	createDevices(t, s, "door-1")

	files := 0
	err := filepath.WalkDir(filepath.Dir(path), func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", e.Name(), info.Mode())
		}
		return nil
	})
	if err != nil || files < 2 {
		t.Errorf("the directory has %d files (%v), want the database and its WAL", files, err)
	}
}

func TestFileOfLaterReleaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hub.db")
	s := reopen(t, path)
	err := s.Update(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`PRAGMA user_version = 99`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "format 99") {
		t.Errorf("the error is %v, want one that names format 99", err)
	}
}

func TestFileThatIsNotADatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hub.db")
	text := strings.Repeat("this is not a database ", 100)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error is %v, want one that names the file", err)
	}
	if after, _ := os.ReadFile(path); string(after) != text {
		t.Error("the file was changed")
	}
}

// TestFailedWriteUndoesOnlyItsOwnChanges checks that a failed write does not affect the
// other writes of its batch.
func TestFailedWriteUndoesOnlyItsOwnChanges(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	refusal := errors.New("refused")
	release := blockWriter(s)

	var wg sync.WaitGroup
	results := make([]error, 30)
	for i := range results {
		wg.Add(1)
		s.UpdateAsync(func(tx *sql.Tx) error {
			if _, err := tx.Exec(`INSERT INTO sessions VALUES (?, '{}')`, string(rune('a'+i))); err != nil {
				return err
			}
			switch i % 3 {
			case 1:
				return refusal
			case 2:
				_, err := tx.Exec(`INSERT INTO sessions VALUES ('a', '{}')`) // this id already exists
				return err
			}
			return nil
		}, func(err error) { results[i] = err; wg.Done() })
	}
	release()
	wg.Wait()

	sessions, err := s.Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) != 10 {
		t.Errorf("%d writes were stored, want 10", len(sessions))
	}
	for i, err := range results {
		if (err == nil) != (i%3 == 0) || i%3 == 1 && !errors.Is(err, refusal) {
			t.Errorf("write %d ended with %v", i, err)
		}
	}
}

// blockWriter blocks the store's writer until release is called. All writes that are
// queued meanwhile are in the next batch.
func blockWriter(s *Store) (release func()) {
	started, blocked := make(chan struct{}), make(chan struct{})
	s.UpdateAsync(func(*sql.Tx) error { close(started); <-blocked; return nil }, nil)
	<-started
	return func() { close(blocked) }
}

func TestUpdateAsyncKeepsOrderAndAnswersAfterCommit(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	release := blockWriter(s)

	const n = 2 * batchSize
	var order []int
	done := make(chan struct{})
	for i := range n {
		s.UpdateAsync(func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO sessions VALUES (printf('%05d', ?), '{}')`, i)
			return err
		}, func(err error) {
			order = append(order, i)
			// Another connection must see only committed writes.
			var exists bool
			if err := s.DB().QueryRow(`SELECT EXISTS (SELECT 1 FROM sessions WHERE client_id = printf('%05d', ?))`, i).Scan(&exists); err != nil || !exists {
				t.Errorf("write %d was answered before it was committed (%v)", i, err)
			}
			if i == n-1 {
				close(done)
			}
		})
	}
	release()
	<-done

	if len(order) != n || !slices.IsSorted(order) {
		t.Errorf("%d writes were answered, in order: %v", len(order), slices.IsSorted(order))
	}
}

func TestDoneMayQueueMoreWrites(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	done := make(chan error)
	write := func(tx *sql.Tx) error { return nil }
	s.UpdateAsync(write, func(error) {
		s.UpdateAsync(write, func(err error) { done <- err })
	})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCancelledUpdateDoesNotRun(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ran := false
	err := s.Update(ctx, func(*sql.Tx) error { ran = true; return nil })
	if !errors.Is(err, context.Canceled) || ran {
		t.Errorf("the error is %v, fn ran: %v", err, ran)
	}
}

func TestCloseFinishesQueuedWritesAndRefusesMore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hub.db")
	s := reopen(t, path)
	release := blockWriter(s)

	results := make(chan error, 1)
	s.UpdateAsync(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO sessions VALUES ('door-1', '{}')`)
		return err
	}, func(err error) { results <- err })
	release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-results; err != nil {
		t.Error(err)
	}

	wantCode(t, s.Update(t.Context(), func(*sql.Tx) error { return nil }), iothub.CodeServiceUnavailable)
	if sessions, err := reopen(t, path).Sessions(t.Context()); err != nil || len(sessions) != 1 {
		t.Errorf("the sessions are %v, error %v", sessions, err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.DB().Exec(`DELETE FROM devices`); err == nil {
		t.Error("a write through the reading pool succeeded")
	}
}

func TestFileIsDurable(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var mode string
	var synchronous, foreignKeys int
	err := s.Update(t.Context(), func(tx *sql.Tx) error {
		return errors.Join(tx.QueryRow(`PRAGMA journal_mode`).Scan(&mode), tx.QueryRow(`PRAGMA synchronous`).Scan(&synchronous),
			tx.QueryRow(`PRAGMA foreign_keys`).Scan(&foreignKeys))
	})
	if err != nil || mode != "wal" || synchronous != 2 || foreignKeys != 1 {
		t.Errorf("journal_mode=%s synchronous=%d foreign_keys=%d (%v), want wal, 2 and 1", mode, synchronous, foreignKeys, err)
	}
}

// A write that breaks its transaction fails alone. The writes that shared the transaction
// run again, and the writer goes on with later writes.
func TestBrokenTransactionFailsOneWriteOnly(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	release := blockWriter(s)
	insert := func(id string) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO sessions VALUES (?, '{}')`, id)
			return err
		}
	}

	results := make(chan error, 3)
	answer := func(err error) { results <- err }
	s.UpdateAsync(insert("before"), answer)
	s.UpdateAsync(func(tx *sql.Tx) error { _, err := tx.Exec("ROLLBACK"); return err }, answer)
	s.UpdateAsync(insert("after"), answer)
	release()

	for _, breaks := range []bool{false, true, false} {
		if err := <-results; (err != nil) != breaks {
			t.Errorf("a write has the result %v; that it fails must be %t", err, breaks)
		}
	}
	if err := s.Update(t.Context(), insert("later")); err != nil {
		t.Error(err)
	}
	if sessions, err := s.Sessions(t.Context()); err != nil || len(sessions) != 3 {
		t.Errorf("the sessions are %v (%v), want those of all writes but the broken one", sessions, err)
	}
}

// A write that does not fit on a full disk fails and changes nothing. The store stays
// readable, and later writes that fit succeed.
func TestLimitSize(t *testing.T) {
	s := newStore(t)
	createDevices(t, s, "a")
	if err := s.LimitSize(t.Context(), 1); err != nil { // SQLite raises the limit to the present size
		t.Fatal(err)
	}

	long := strings.Repeat("x", 1<<20)
	if _, err := s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "b", StatusReason: &long}); err == nil {
		t.Error("a device of 1 MiB was stored in a full database")
	}
	if _, err := s.Device(t.Context(), "b"); err == nil {
		t.Error("the refused device exists")
	}

	if err := s.LimitSize(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	createDevices(t, s, "b")
}

// A write that does not fit on a full disk fails alone. SQLite then undoes the whole
// transaction, so the writes that shared it must run again.
func TestFullDiskFailsOneWriteOnly(t *testing.T) {
	s := newStore(t)
	createDevices(t, s, "a", "b")
	if err := s.LimitSize(t.Context(), 1); err != nil {
		t.Fatal(err)
	}

	release := blockWriter(s) // so that all writes share a transaction
	results := make(chan error, 3)
	touch := func(id string) {
		s.UpdateAsync(func(tx *sql.Tx) error {
			_, err := tx.Exec(`UPDATE devices SET status_reason = 'x' WHERE id = ?`, id)
			return err
		}, func(err error) { results <- err })
	}
	touch("a")
	s.UpdateAsync(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE devices SET status_reason = ? WHERE id = 'a'`, strings.Repeat("x", 1<<20))
		return err
	}, func(err error) { results <- err })
	touch("b")
	release()

	if err := <-results; err != nil {
		t.Errorf("the write before the large one: %v", err)
	}
	if err := <-results; err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("the large write: %v, want a full disk", err)
	}
	if err := <-results; err != nil {
		t.Errorf("the write after the large one: %v", err)
	}
}
