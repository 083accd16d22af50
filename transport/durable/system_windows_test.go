package durable

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Replace and Remove must wait for another process that has the file open for a moment.
func TestFileInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}

	openForAMoment(t, path)
	if err := Replace(path, []byte("new"), 0o600); err != nil {
		t.Errorf("replace: %v", err)
	}

	openForAMoment(t, path)
	if err := Remove(path); err != nil {
		t.Errorf("remove: %v", err)
	}
}

// openForAMoment opens the file at path and closes it while retry repeats its calls.
func openForAMoment(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*retryPause, func() { f.Close() })
}
