package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	// Replace must overwrite a file that a power cut has left behind. The file must get
	// the new permissions, too.
	if err := os.WriteFile(path+".new", []byte("a long rest of an earlier write"), 0o640); err != nil {
		t.Fatal(err)
	}

	for _, content := range []string{"first", "second", ""} {
		if err := Replace(path, []byte(content), 0o604); err != nil {
			t.Fatal(err)
		}

		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("the file has %q, %v, want %q", got, err, content)
		}
		checkMode(t, path, 0o604)
		checkOnly(t, dir, "file")
	}
}

// A file that already has the temporary name must not prevent Replace, even if this
// user cannot open the file. Replace must not write to the existing file.
func TestReplaceWithAnOccupiedTemporaryName(t *testing.T) {
	t.Parallel()
	for name, occupy := range map[string]func(path string) error{
		"a file that this user cannot open": func(path string) error { return os.WriteFile(path, []byte("old"), 0) },
		"a link to a file of somebody else": func(path string) error { return os.Symlink("elsewhere", path) },
		"a link to a missing folder":        func(path string) error { return os.Symlink("none/file", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			if err := errors.Join(os.WriteFile(filepath.Join(dir, "elsewhere"), []byte("safe"), 0o600), occupy(path+".new")); err != nil {
				t.Fatal(err)
			}

			for range 2 {
				if err := Replace(path, []byte("new"), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
				t.Errorf("the file has %q, %v, want new", got, err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "elsewhere")); err != nil || string(got) != "safe" {
				t.Errorf("another file was changed to %q, %v", got, err)
			}
		})
	}
}

// If Replace fails, the old file must be unchanged, and no temporary file may be left.
func TestReplaceFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "full", "below"), 0o700); err != nil {
		t.Fatal(err)
	}

	if err := Replace(filepath.Join(dir, "full"), []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	checkOnly(t, dir, "full")
	if err := Replace(filepath.Join(dir, "none", "file"), []byte("x"), 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file in a missing directory: %v", err)
	}
}

func TestMakeDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b", "c")

	for range 2 { // in the second round, the directory exists already
		if err := MakeDir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		checkMode(t, dir, fs.ModeDir|0o700)
	}

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(file, 0o700); err == nil {
		t.Error("a file passed for a directory")
	}
}

func TestLockFile(t *testing.T) {
	t.Parallel()
	checkLock(t, func(dir string) (func() error, error) { return LockFile(filepath.Join(dir, "lock")) })
}

// checkLock checks that lock locks something in a directory once at a time.
func checkLock(t *testing.T, lock func(dir string) (func() error, error)) {
	t.Helper()
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}

	if err := unlock(); err != nil {
		t.Error(err)
	}
	unlock, err = lock(dir)
	if err != nil {
		t.Fatalf("lock again: %v", err)
	}
	unlock()

	if _, err := lock(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("lock in a missing directory: %v", err)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"kept", "removed"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if err := Remove(filepath.Join(dir, "removed")); err != nil {
		t.Error(err)
	}
	checkOnly(t, dir, "kept")
	if err := Remove(filepath.Join(dir, "removed")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("remove a missing file: %v", err)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	want := func(want bool) {
		t.Helper()
		if got, err := Locked(path); err != nil || got != want {
			t.Errorf("locked: %t, %v; want %t", got, err, want)
		}
	}

	want(false)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the missing file was created: %v", err)
	}
	unlock, err := LockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want(true)
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	want(false)
	if unlock, err = LockFile(path); err != nil {
		t.Fatalf("lock again: %v", err)
	}
	unlock()

	if _, err := Locked(filepath.Dir(path)); err == nil {
		t.Error("a directory was opened for writing")
	}
}

// checkOnly checks that the directory dir contains the file called name and nothing
// else.
func checkOnly(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("the directory has %v, %v, want %s only", entries, err, name)
	}
}

// checkMode checks the type and the permissions of the file at path. Windows has no such
// permissions.
func checkMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}

	got := info.Mode()
	if runtime.GOOS == "windows" {
		got, want = got.Type(), want.Type()
	}
	if got != want {
		t.Errorf("the mode of %s is %v, want %v", path, got, want)
	}
}
