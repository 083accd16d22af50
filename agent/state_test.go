package agent

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
)

func TestUnusableStateFileDoesNotStopTheAgent(t *testing.T) {
	for name, prepare := range map[string]func(file string) error{
		"a pipe":     func(file string) error { return syscall.Mkfifo(file, 0o600) },
		"a link":     func(file string) error { return os.Symlink(file+"2", file) },
		"too large":  func(file string) error { return errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 1<<40)) },
		"unreadable": func(file string) error { return os.MkdirAll(filepath.Join(file, "x"), 0o700) },
		"cannot be set aside": func(file string) error {
			return errors.Join(os.WriteFile(file, []byte("{"), 0o600), os.MkdirAll(filepath.Join(file+".bad", "x"), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := prepare(filepath.Join(dir, "state.json")); err != nil {
				t.Fatal(err)
			}

			s, err := OpenStore(dir, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			saved := make(chan error, 1)
			Recorder{Store: s}.Save(actuator.Record{Level: actuator.Locked}, nil, func(err error) { saved <- err })
			if err := <-saved; err != nil {
				t.Errorf("the next state is not saved: %v", err)
			}
		})
	}
}

func TestOpenStoreWithoutDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, file + "y"} {
		if _, err := OpenStore(dir, zap.NewNop()); err == nil {
			t.Errorf("OpenStore(%s) succeeds", dir)
		}
	}
}

// Save never reports success for a record that is not on disk.
func TestSaveReportsFailure(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}

	if err := os.MkdirAll(filepath.Join(dir, "state.json.new", "full"), 0o700); err != nil { // blocks the write
		t.Fatal(err)
	}

	saved := make(chan error, 2)
	Recorder{Store: s}.Save(actuator.Record{}, nil, func(err error) { saved <- err })
	if err := <-saved; err == nil || s.Errors() != 1 {
		t.Errorf("err = %v, %d errors", err, s.Errors())
	}

	s.Close()
	Recorder{Store: s}.Save(actuator.Record{}, nil, func(err error) { saved <- err })
	if err := <-saved; err == nil {
		t.Error("Save succeeds after Close")
	}
}

func TestRecordOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000000, time.UTC)
	want := actuator.Record{
		Level: actuator.Unlocked, Position: actuator.Moving, Source: actuator.Sensor, ChangedAt: at, Motion: actuator.Unlocked,
		Relock: &actuator.Promise{BootID: "b", Uptime: 90 * time.Second},
		Last:   &actuator.Last{Name: "unlockDoor", Reason: "r", At: at, Code: actuator.CodeBusy},
	}

	s, err := OpenStore(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}

	Recorder{Store: s}.Save(want, nil, func(error) {})
	s.Close() // writes pending changes
	next, err := OpenStore(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if got := next.Get().Lock; text(t, got) != text(t, want) {
		t.Errorf("got %s\nwant %s", text(t, got), text(t, want))
	}
}

// Any content of the state file is either refused or yields settings within their
// bounds.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"lock":{"level":"unlocked","position":"moving","motion":"unlocked","relock":{"bootId":"b","uptimeNs":1}},"accepted":{"building":"43","floor":3.0}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"accepted":{"autoRelockSeconds":-5,"room":7}}`))
	f.Add([]byte("{\"version\":1}\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		state, err := decodeState(file)
		if err != nil {
			return
		}
		a := restore(Settings{}, state.Accepted)
		if s := a.settings; s.AutoRelockSeconds < 0 || s.AutoRelockSeconds > 86400 || len(a.acks) != 0 {
			t.Errorf("%+v, %v", s, a.acks)
		}
	})
}

// After a full disk the store retries by itself, without another change, because the
// unwritten state may hold the promise of a relock.
func TestFullDiskIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		store, err := OpenStore(dir, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		blocked := filepath.Join(dir, stateName+".new") // a full directory of this name blocks writes
		if err := os.MkdirAll(filepath.Join(blocked, "full"), 0o700); err != nil {
			t.Fatal(err)
		}

		done := make(chan error, 1)
		store.Update(func(s *State) { s.BootID = "boot-1" }, func(err error) { done <- err })
		if err := <-done; err == nil {
			t.Fatal("the failed write is reported as successful")
		}

		time.Sleep(saveRetry)
		synctest.Wait()
		if n := store.Errors(); n != 2 {
			t.Errorf("%d failed writes, want 2", n)
		}

		if err := os.RemoveAll(blocked); err != nil {
			t.Fatal(err)
		}

		time.Sleep(saveRetry)
		synctest.Wait()
		if state, err := ReadState(dir); err != nil || state.BootID != "boot-1" {
			t.Errorf("on disk: %+v, %v", state, err)
		}
	})
}
