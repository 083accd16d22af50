//go:build unix

package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestLockDir(t *testing.T) {
	t.Parallel()
	checkLock(t, LockDir)
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("file"), []byte("12345"), 0o600),
		os.WriteFile(in("huge"), nil, 0o600), os.Truncate(in("huge"), 1<<40), os.Symlink("file", in("link")),
		syscall.Mkfifo(in("pipe"), 0o600), os.Mkdir(in("directory"), 0o700)); err != nil {
		t.Fatal(err)
	}

	if got, err := Read(in("file")); err != nil || string(got) != "12345" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, want := range map[string]error{
		"none":      os.ErrNotExist,
		"link":      syscall.ELOOP,
		"pipe":      errors.New(in("pipe") + " is not a file"),
		"directory": errors.New(in("directory") + " is not a file"),
		"huge":      errors.New(in("huge") + " is larger than 16777216 bytes"),
	} {
		if _, err := Read(in(name)); err == nil || !errors.Is(err, want) && err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
